"""From "these parts of a table differ" down to keys and cells, however many rows differ.

Each worker of a comparison has a session on each side, in its side's snapshot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from wsdash.data.limits import CHECKSUM_SECONDS, SHORT_SECONDS, TIMEOUT
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transactions import roll_back
from wsdash.data.pg.transfer import server_words
from wsdash.data.snapshot.chunk_states import NO_CHUNKS, ChunkStates, require_unmoved
from wsdash.data.snapshot.hold import Snapshot, hold_still
from wsdash.data.tables.shape import Column, Side, Table
from wsdash.data.verify.checksum import FENCE, Parts, cell_text, row_text, text_form
from wsdash.tasks import task_group

Query = Callable[[asyncpg.Connection, Side], str]
"""Makes a query for a session of one of the sides."""


@dataclass(frozen=True)
class SessionPair:
    """One worker's two sessions. seconds: the longest a query may take."""

    old_side: Endpoint
    old: asyncpg.Connection
    new_side: Endpoint
    new: asyncpg.Connection
    seconds: float = CHECKSUM_SECONDS
    chunks: ChunkStates = NO_CHUNKS
    """The chunks of the old side's hypertables, of a lone pair."""

    async def both(self, doing: str, query: Query) -> tuple[list[Any], list[Any]]:
        """Fetch on both sides at once what `query` makes of each side's session."""
        async with task_group() as group:
            old = group.create_task(self.fetch(True, doing, query))
            new = group.create_task(self.fetch(False, doing, query))
        return old.result(), new.result()

    async def fetch(self, old: bool, doing: str, query: Query) -> list[Any]:
        """Fetch from the old side or from the new one. Raises WsdashError with the server's own words."""
        endpoint, conn = (self.old_side, self.old) if old else (self.new_side, self.new)
        with server_words(endpoint, doing, "then retry"):
            return list(await conn.fetch(query(conn, "source" if old else "target"), timeout=self.seconds))


@asynccontextmanager
async def lone_connections(
    source: Endpoint, target: Endpoint
) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """One read-only connection to each side, opened at once."""
    async with AsyncExitStack() as stack:
        async with task_group() as group:
            old, new = (
                group.create_task(stack.enter_async_context(connection(side, read_only=True)))
                for side in (source, target)
            )
        yield old.result(), new.result()


async def lone_pair(
    sides: tuple[Endpoint, Endpoint],
    conns: tuple[asyncpg.Connection, asyncpg.Connection],
    tables: tuple[Sequence[Table], Sequence[Table]],
    workers: int,
) -> SessionPair:
    """The connections as a pair, each in a transaction that sees one state of its tables until it ends.

    For little to compare: a snapshot that several sessions share costs more to set up than such a
    comparison takes. Raises WsdashError when a table cannot be locked.
    """
    async with task_group() as group:
        old, _ = [
            group.create_task(_begin(side, conn, held, workers))
            for side, conn, held in zip(sides, conns, tables, strict=True)
        ]
    return SessionPair(sides[0], conns[0], sides[1], conns[1], SHORT_SECONDS, old.result())


async def require_lone_unmoved(pair: SessionPair, tables: Sequence[Table]) -> None:
    """Prove that what a lone pair read of the source is what was there; ends its transaction there.

    Raises MovedError when maintenance rewrote chunks meanwhile.
    """
    if pair.chunks.states:
        with server_words(pair.old_side, "reading the states of the chunks again", "then retry"):
            await roll_back(pair.old)
            await require_unmoved(pair.old, pair.old_side, tables, pair.chunks)


async def _begin(
    endpoint: Endpoint, conn: asyncpg.Connection, tables: Sequence[Table], workers: int
) -> ChunkStates:
    await _settle(endpoint, conn, workers)
    return await hold_still(conn, endpoint, tables)


@asynccontextmanager
async def shared_pair(old: Snapshot, new: Snapshot, workers: int) -> AsyncIterator[SessionPair]:
    """A pair of sessions in two snapshots that others share, with the servers' parallel query."""
    async with old.session() as source, new.session() as target:
        for snapshot, conn in ((old, source), (new, target)):
            await _settle(snapshot.endpoint, conn, workers)
        yield SessionPair(old.endpoint, source, new.endpoint, target)


async def _settle(endpoint: Endpoint, conn: asyncpg.Connection, workers: int) -> None:
    settings = f"SET row_security = off; SET jit = off; SET max_parallel_workers_per_gather = {int(workers)}"
    with server_words(endpoint, "beginning to compare", "then retry"):
        await conn.execute(settings, timeout=TIMEOUT)


LINES = 20
ROWS_PER_BUCKET = 64
MOST_BUCKETS = 1 << 16
CELL_CHARACTERS = 120
LINE_CHARACTERS = 600

Sums = dict[int, tuple[int, int, int]]
"""Rows, and both sums of their hashes, by the number of a part of the table."""


@dataclass(frozen=True)
class Differing:
    """What the first pass over a table found: its parts, and the sums of each on both sides."""

    table: Table
    columns: tuple[Column, ...]
    parts: Parts
    old: Sums
    new: Sums

    @property
    def numbers(self) -> list[int]:
        """The parts that differ, in order."""
        return _differing(self.old, self.new)

    def undivided(self) -> Differing:
        """The same with the whole table as one part."""
        old, new = ({0: whole(side)} for side in (self.old, self.new))
        return replace(self, parts=Parts(), old=old, new=new)

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns that identify a row; () where the rows are a multiset."""
        by_name = {column.name: column for column in self.columns}
        found = tuple(by_name[name] for name in self.table.key if name in by_name)
        return found if len(found) == len(self.table.key) else ()


@dataclass(frozen=True)
class _Query:
    """The queries about the rows of some parts, divided again by a hash of what tells rows apart.

    Their text depends on the server's encoding.
    """

    found: Differing
    opened_parts: tuple[int, ...]
    buckets: int

    def sums(self, conn: asyncpg.Connection, side: Side) -> str:
        """Rows and sums of every bucket."""
        columns, key = self.found.columns, self.found.key
        row_key = f"{row_text(conn, key)} AS k" if key else "NULL"
        return (
            f"SELECT {self._bucket('k' if key else 'r')} AS part, count(*) AS rows, "
            "sum(hashtextextended(r, 0)) AS a, sum(hashtextextended(r, 1)) AS b "
            f"FROM (SELECT {row_text(conn, columns)} AS r, {row_key} {self._rows(conn, side)} {FENCE}) s "
            "GROUP BY 1"
        )

    def rows(self, conn: asyncpg.Connection, side: Side, buckets: Sequence[int]) -> str:
        """One row for each key, or for each distinct row where there is none, of the chosen buckets: what
        tells it apart, how many rows that is, the sum of their hashes, and the cells of one of them."""
        columns, key = self.found.columns, self.found.key
        row_key = row_text(conn, key or columns)
        inner = (
            f"SELECT {row_key if key else f'hashtextextended({row_key}, 0)'} AS k, "
            f"hashtextextended({row_text(conn, columns)}, 0) AS h, {self._cells(conn)} AS cells "
            f"{self._rows(conn, side)} AND {self._bucket(row_key)} IN ({', '.join(map(str, buckets))})"
        )
        outer = "SELECT k, count(*) AS rows, sum(h) AS h, min(cells) AS cells"
        return f"{outer} FROM ({inner} {FENCE}) s GROUP BY 1"

    def _rows(self, conn: asyncpg.Connection, side: Side) -> str:
        table = self.found.table.rows_of(side)
        return f"FROM {table} WHERE {self.found.parts.condition(conn, self.found.columns, self.opened_parts)}"

    def _bucket(self, text: str) -> str:
        return f"(hashtextextended({text}, 2) & {self.buckets - 1})::integer"

    def _cells(self, conn: asyncpg.Connection) -> str:
        """An array with, for each column, a hash of the whole value and the beginning of its text."""
        cells = []
        for column in self.found.columns:
            text = cell_text(column)
            shown = f"left({text}, {CELL_CHARACTERS})"
            cells.append(f"hashtextextended({text_form(conn, text)}, 0)::text || ':' || {shown}")
        return f"ARRAY[{', '.join(cells)}]::text[]"


async def differing_rows(pair: SessionPair, found: Differing) -> list[str]:
    """At most LINES lines on the rows that differ: key, and which side lacks it or the differing cells.

    Opens at most LINES of the parts that differ, and of these at most LINES buckets of about ROWS_PER_BUCKET
    rows: bounded in memory however many rows differ. When not all are shown, the last line says how many
    there are (about, where not all were opened).
    """
    doing = f"finding the differences of {found.table.qualified}"
    numbers = found.numbers
    opened = tuple(numbers[:LINES])
    query = _Query(found, opened, _buckets(found, opened))
    buckets, chosen = 1, [0]
    if query.buckets > 1:
        old, new = await pair.both(doing, query.sums)
        differing = _differing(sums_of(old), sums_of(new))
        buckets, chosen = len(differing), differing[:LINES]
    old, new = await pair.both(doing, lambda conn, side: query.rows(conn, side, chosen))
    labels = (pair.old_side.label, pair.new_side.label)
    lines, rows = _lines(found, old, new, labels)
    if not lines and found.parts.number > 1:
        # the sums of these parts differ and their rows do not: trust no border, read the whole
        return await differing_rows(pair, found.undivided())
    all_opened = len(chosen) == buckets and len(opened) == len(numbers)
    if all_opened and len(lines) <= LINES:
        return lines
    if not all_opened:
        rows = max(rows * buckets // max(1, len(chosen)) * len(numbers) // len(opened), _surplus(found), rows)
    about = "" if all_opened else "about "
    where = "" if found.parts.number == 1 else f", in {len(numbers):,} of {found.parts.number:,} parts of it"
    return [*lines[: LINES - 1], f"and more: {about}{rows:,} rows of {found.table.qualified} differ{where}"]


def sums_of(rows: list[Any]) -> Sums:
    """The answer of a query of sums."""
    return {row["part"]: (row["rows"], int(row["a"] or 0), int(row["b"] or 0)) for row in rows if row["rows"]}


def whole(sums: Sums) -> tuple[int, int, int]:
    """The sums of all parts together."""
    rows, first, second = (sum(part[place] for part in sums.values()) for place in range(3))
    return rows, first, second


def _differing(old: Sums, new: Sums) -> list[int]:
    return sorted(number for number in old.keys() | new.keys() if old.get(number) != new.get(number))


def _buckets(found: Differing, opened: Sequence[int]) -> int:
    """Into how many buckets the rows of the opened parts are divided: a power of two."""
    rows = max(sum(side[n][0] for n in opened if n in side) for side in (found.old, found.new))
    if rows <= LINES * ROWS_PER_BUCKET:
        return 1
    return min(MOST_BUCKETS, 1 << (rows // ROWS_PER_BUCKET - 1).bit_length())


def _surplus(found: Differing) -> int:
    """By how many rows the parts differ in number: at least so many rows differ."""
    none = (0, 0, 0)
    return sum(abs(found.old.get(n, none)[0] - found.new.get(n, none)[0]) for n in found.numbers)


def _lines(
    found: Differing, old: list[Any], new: list[Any], labels: tuple[str, str]
) -> tuple[list[str], int]:
    """A line for each key or row that differs, and how many rows these are."""
    columns, key = found.columns, found.key
    sides: list[dict[Any, Any]] = [{row["k"]: row for row in rows} for rows in (old, new)]
    lines, count = [], 0
    for row_key in sorted(sides[0].keys() | sides[1].keys()):
        ours, theirs = sides[0].get(row_key), sides[1].get(row_key)
        counts = (ours["rows"] if ours else 0, theirs["rows"] if theirs else 0)
        if ours and theirs and counts[0] == counts[1] and ours["h"] == theirs["h"]:
            continue
        count += abs(counts[0] - counts[1]) or 1
        cells = (ours or theirs or {})["cells"]
        name = _shown(key, [cells[columns.index(column)] for column in key])
        if not key:
            what = f"row ({_shown(columns, cells)}): {_presence(*counts, labels)}"
        elif ours and theirs and counts == (1, 1):
            what = f"{name}: {_changes(columns, ours['cells'], theirs['cells'])}"
        else:
            what = f"{name}: {_presence(*counts, labels)}"
        lines.append(_cut(what))
    return lines, count


def _presence(ours: int, theirs: int, labels: tuple[str, str]) -> str:
    if ours == 1 and not theirs:
        return f"only in {labels[0]}, missing in {labels[1]}"
    if theirs == 1 and not ours:
        return f"only in {labels[1]}, missing in {labels[0]}"
    if ours == theirs:
        return f"{ours:,} times on both sides, with other values"
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
