"""From "these tables differ" down to keys and cells: bucket sums first, then only the buckets that differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from wsdash.data.checksum import CHECKSUM_SECONDS, cell_text, row_text, text_form
from wsdash.data.connect import Endpoint
from wsdash.data.shape import Column, Table
from wsdash.data.sql import ident
from wsdash.data.transfer import server_words
from wsdash.tasks import task_group

LINES = 20
ROWS_PER_BUCKET = 64
MOST_BUCKETS = 1 << 16
CELL_CHARACTERS = 120
LINE_CHARACTERS = 600


@dataclass(frozen=True)
class Pair:
    """One worker's two sessions, each in its side's snapshot."""

    old_side: Endpoint
    old: asyncpg.Connection
    new_side: Endpoint
    new: asyncpg.Connection

    async def both(self, doing: str, query: _Query, *args: object) -> tuple[list[Any], list[Any]]:
        """Fetch on both sides at once."""

        async def fetch(endpoint: Endpoint, conn: asyncpg.Connection) -> list[Any]:
            with server_words(endpoint, doing, "then retry"):
                return list(await conn.fetch(query.sql(conn), *args, timeout=CHECKSUM_SECONDS))

        async with task_group() as group:
            old = group.create_task(fetch(self.old_side, self.old))
            new = group.create_task(fetch(self.new_side, self.new))
        return old.result(), new.result()


@dataclass(frozen=True)
class _Query:
    """The queries about one table; their text depends on the server's encoding.

    key: the columns by which rows are told apart; () compares a multiset. opened: for chosen buckets.
    """

    table: Table
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    buckets: int
    opened: bool = False

    def sql(self, conn: asyncpg.Connection) -> str:
        row, table = row_text(conn, self.columns), ident(self.table.schema, self.table.name)
        told_apart = row_text(conn, self.key) if self.key else row
        if not self.opened:
            # OFFSET 0: the texts are made once, not once for each use
            rows = f"SELECT {row} AS r, {told_apart if self.key else 'NULL'} AS k FROM {table} OFFSET 0"
            return (
                f"SELECT {self._bucket('k' if self.key else 'r')} AS bucket, count(*) AS rows, "
                "sum(hashtextextended(r, 0)) AS a, sum(hashtextextended(r, 1)) AS b "
                f"FROM ({rows}) s GROUP BY 1"
            )
        rows = (
            f"SELECT {told_apart} AS k, hashtextextended({row}, 0) AS h, {self._cells(conn)} AS cells "
            f"FROM {table} WHERE {self._bucket(told_apart)} = ANY ($1)"
        )
        if self.key:
            return rows
        return f"SELECT h, count(*) AS rows, min(cells) AS cells FROM ({rows}) s GROUP BY 1"

    def _bucket(self, text: str) -> str:
        return f"(hashtextextended({text}, 2) & {self.buckets - 1})"

    def _cells(self, conn: asyncpg.Connection) -> str:
        """An array with, for each column, a hash of the whole value and the beginning of its text."""
        cells = []
        for column in self.columns:
            text = cell_text(column)
            shown = f"left({text}, {CELL_CHARACTERS})"
            cells.append(f"hashtextextended({text_form(conn, text)}, 0)::text || ':' || {shown}")
        return f"ARRAY[{', '.join(cells)}]::text[]"


async def differing_rows(pair: Pair, table: Table, columns: tuple[Column, ...], rows: int) -> list[str]:
    """At most LINES lines on the rows that differ: key, and which side lacks it or the differing cells.

    rows: of both sides together. Reads only a handful of rows however large the table is.
    """
    by_name = {column.name: column for column in columns}
    key = tuple(by_name[name] for name in table.key if name in by_name)
    if len(key) < len(table.key):
        key = ()
    wanted = max(1, min(MOST_BUCKETS, rows // 2 // ROWS_PER_BUCKET))
    query = _Query(table, columns, key, 1 << (wanted - 1).bit_length())
    doing = f"finding the differences of {table.qualified}"
    old, new = await pair.both(doing, query)
    sums = [{row["bucket"]: (row["rows"], row["a"], row["b"]) for row in side} for side in (old, new)]
    differing = sorted(b for b in sums[0].keys() | sums[1].keys() if sums[0].get(b) != sums[1].get(b))
    opened = _Query(table, columns, key, query.buckets, opened=True)
    old, new = await pair.both(doing, opened, differing[:LINES])
    labels = (pair.old_side.label, pair.new_side.label)
    lines = (
        _keyed_lines(columns, key, old, new, labels) if key else _multiset_lines(columns, old, new, labels)
    )
    if len(lines) > LINES or len(differing) > LINES:
        share = f"rows differ in {len(differing):,} of {query.buckets:,} parts of the table"
        lines = [*lines[: LINES - 1], f"and more: {share}"]
    return lines


def _keyed_lines(
    columns: Sequence[Column],
    key: Sequence[Column],
    old: list[Any],
    new: list[Any],
    labels: tuple[str, str],
) -> list[str]:
    places = [columns.index(column) for column in key]
    sides: tuple[dict[str, list[Any]], dict[str, list[Any]]] = (defaultdict(list), defaultdict(list))
    for side, rows in zip(sides, (old, new), strict=True):
        for row in rows:
            side[row["k"]].append(row)
    lines = []
    for found in sorted(sides[0].keys() | sides[1].keys()):
        ours, theirs = sides[0].get(found, []), sides[1].get(found, [])
        if Counter(row["h"] for row in ours) == Counter(row["h"] for row in theirs):
            continue
        name = _shown([columns[place] for place in places], [(ours or theirs)[0]["cells"][p] for p in places])
        if len(ours) == len(theirs) == 1:
            lines.append(_cut(f"{name}: {_changes(columns, ours[0]['cells'], theirs[0]['cells'])}"))
            continue
        lines.append(_cut(f"{name}: {_presence(len(ours), len(theirs), labels)}"))
    return lines


def _multiset_lines(
    columns: Sequence[Column], old: list[Any], new: list[Any], labels: tuple[str, str]
) -> list[str]:
    sides = [{row["h"]: row for row in rows} for rows in (old, new)]
    lines = []
    for found in sorted(sides[0].keys() | sides[1].keys()):
        ours, theirs = sides[0].get(found), sides[1].get(found)
        counts = (ours["rows"] if ours else 0, theirs["rows"] if theirs else 0)
        if counts[0] != counts[1]:
            cells = (ours or theirs or {})["cells"]
            lines.append(_cut(f"row ({_shown(columns, cells)}): {_presence(*counts, labels)}"))
    return lines


def _presence(ours: int, theirs: int, labels: tuple[str, str]) -> str:
    if ours == 1 and not theirs:
        return f"only in {labels[0]}, missing in {labels[1]}"
    if theirs == 1 and not ours:
        return f"only in {labels[1]}, missing in {labels[0]}"
    return f"{ours:,} times in {labels[0]}, {theirs:,} times in {labels[1]}"


def _changes(columns: Sequence[Column], ours: list[str], theirs: list[str]) -> str:
    return "; ".join(
        f"{column.name} {_value(old)} -> {_value(new)}"
        for column, old, new in zip(columns, ours, theirs, strict=True)
        if old != new
    )


def _shown(columns: Sequence[Column], cells: Sequence[str]) -> str:
    return ", ".join(f"{column.name}={_value(cell)}" for column, cell in zip(columns, cells, strict=True))


def _value(cell: str) -> str:
    """A cell for people: out of `hash:(text)`, the text of a row of one column."""
    text = cell.partition(":")[2][1:]
    complete = text.endswith(")") and len(text) < CELL_CHARACTERS - 1
    text = text[:-1] if complete else text + "…"
    if not text:
        return "NULL"
    if text.startswith('"'):
        text = text[1:-1] if complete else text[1:]
        text = text.replace('""', '"').replace("\\\\", "\\")
    return "'" + text.replace("\n", "\\n").replace("\r", "\\r") + "'"


def _cut(line: str) -> str:
    return line if len(line) <= LINE_CHARACTERS else line[: LINE_CHARACTERS - 1] + "…"
