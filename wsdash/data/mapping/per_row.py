"""Whether a mapped table's rows each follow from one row of the source, and whether they lead back.

The source's server says what an expression reads and calls: it plans it over one row of the table's columns,
with nothing else in sight. Reads only, and no row of anybody's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.mapping.plan import RESTLESS, without_strings
from wsdash.data.pg.errors import session_lives
from wsdash.data.pg.sql import ident
from wsdash.data.tables.shape import Column, PerRow, Reading, Table

_NAME = r'(?:[^\W\d]\w*|"(?:[^"]|"")+")'
_COLUMN = re.compile(rf"{_NAME}\.({_NAME})")
_CAST = re.compile(rf"\({_NAME}\.({_NAME})\)::(.+)")
_CALL = re.compile(rf"(?:({_NAME})\.)?({_NAME})\(")
_SESSION = re.compile(r"\b(pg_backend_pid|pg_current_snapshot|txid_current_snapshot)\(")
_STRING = re.compile(r"'(?:[^']|'')*'")
_INTEGERS = ("smallint", "integer", "bigint")
_TEXTS = ("text", "character varying")
_PRINTED = (*_INTEGERS, "uuid", "boolean", "date", "jsonb", "json")
"""Types whose text gives the same value again."""
_ONE_ROW = ("Subquery Scan", "Result", "Limit")
"""The nodes of a plan that reads one row and nothing else."""
MORE = "wsdash more"
"""A column that no mapping has."""
CALLED = """
SELECT DISTINCT name FROM unnest($1::text[], $2::text[]) u(schema, name)
JOIN pg_proc p ON p.proname = u.name JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = u.schema
WHERE p.provolatile = 'v' OR (p.provolatile = 's' AND u.schema <> 'pg_catalog') ORDER BY 1
"""
"""Functions that may give another value the second time: those that say so, and those of users that may read
what is not in the row."""


@dataclass(frozen=True)
class _Planned:
    """What the server makes of expressions. outputs: each in its words; all: these and the filters."""

    outputs: list[str]
    all: list[str]


class _NotPerRowError(Exception):
    """Expressions that need more than one row's columns; str: why."""


async def examine(conn: asyncpg.Connection, tables: Sequence[Table]) -> tuple[Table, ...]:
    """The tables with what was found of each mapped one (Mapped.per_row). conn: a session of the source.

    Raises asyncpg.PostgresError.
    """
    fed: dict[str, int] = {}
    for table in tables:
        if table.mapped is not None and table.mapped.origin is not None:
            name = table.mapped.origin.qualified
            fed[name] = fed.get(name, 0) + 1
    return tuple([await _with_found(conn, table, fed) if table.mapped else table for table in tables])


async def _with_found(conn: asyncpg.Connection, table: Table, fed: dict[str, int]) -> Table:
    """fed: how many tables each of the source's fills."""
    assert table.mapped is not None
    per_row, origin = await _examine(conn, table), table.mapped.origin
    if origin is not None and fed[origin.qualified] > 1:
        shared = f"{origin.qualified} fills {fed[origin.qualified]} tables"
        per_row = replace(per_row, one_way=(shared, *per_row.one_way))
    return replace(table, mapped=replace(table.mapped, per_row=per_row))


async def _examine(conn: asyncpg.Connection, table: Table) -> PerRow:
    mapped = table.mapped
    assert mapped is not None
    if not mapped.locked:
        return PerRow()
    origin, reading = mapped.origin, mapped.source
    if reading.distinct:
        return PerRow(against=("it has each value once (distinct): one row follows from many",))
    if origin is None:
        return PerRow(against=("it is a union of tables: a row may depend on those of another one",))
    if mapped.lookups:
        names = ", ".join(lookup.column for lookup in mapped.lookups)
        return PerRow(against=(f"it has new keys (assign, lookup: {names}), which no row of the source has",))
    try:
        planned = await _plan(conn, origin, reading, [name for name, _ in reading.columns])
        restless = await _restless(conn, planned.all)
    except _NotPerRowError as error:
        return PerRow(against=(str(error),))
    if restless:
        return PerRow(against=(f"{', '.join(restless)} may give another value the second time",))
    given = dict(zip((name for name, _ in reading.columns), planned.outputs, strict=True))
    plain = tuple(
        (column.name, source)
        for column in table.columns
        if (source := _plain(given[column.name], column, origin))
    )
    constant = tuple(name for name, output in given.items() if not _COLUMN.search(_STRING.sub("''", output)))
    found = PerRow(plain, constant)
    try:
        keyed = await _keyed(conn, table, found)
    except _NotPerRowError as error:
        return replace(found, against=(f"its key does not follow from the source's key: {error}",))
    found = replace(found, keyed=keyed)
    return replace(found, one_way=_one_way(table, found))


async def _plan(conn: asyncpg.Connection, origin: Table, reading: Reading, names: Sequence[str]) -> _Planned:
    """The expressions of these columns as the server plans them over one row of the origin's columns."""
    row = ", ".join(
        f"NULL::{column.type}"
        + (f" COLLATE {column.collation}" if column.collation else "")
        + f" AS {ident(column.name)}"
        for column in origin.columns
    )
    # OFFSET keeps the planner from folding the NULLs, and one value more from leaving the subquery out
    over = replace(
        reading,
        columns=(*reading.columns, (MORE, "'wsdash'::text")),
        rows=f"(SELECT {row} OFFSET '0'::bigint) AS {ident(origin.name)}",
    )
    query = over.select("", [*names, MORE])
    try:
        text = await conn.fetchval(f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {query}", timeout=TIMEOUT)
    except asyncpg.PostgresError as error:
        if not session_lives(error):
            raise
        raise _NotPerRowError(f"the source says: {error}") from error
    top = json.loads(text)[0]["Plan"]
    nodes = list(_nodes(top))
    extra = [one for one in nodes if one.get("Subplan Name") or one["Node Type"] not in _ONE_ROW]
    if extra or top["Node Type"] != "Subquery Scan" or top["Alias"] != origin.name:
        raise _NotPerRowError("a subquery reads other rows")
    outputs = [str(one) for one in top["Output"][: len(names)]]
    return _Planned(outputs, [*outputs, str(top.get("Filter", ""))])


def _nodes(node: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return [node, *(one for child in node.get("Plans", ()) for one in _nodes(child))]


async def _restless(conn: asyncpg.Connection, planned: Sequence[str]) -> list[str]:
    """What may give another value when it is asked again."""
    texts = [without_strings(one) for one in planned]
    found = {
        found[1] for text in texts for pattern in (RESTLESS, _SESSION) for found in pattern.finditer(text)
    }
    calls = {
        (_bare(schema) if schema else "pg_catalog", _bare(name))
        for one in planned
        for schema, name in _CALL.findall(_STRING.sub("''", one))
    }
    rows = await conn.fetch(CALLED, [call[0] for call in calls], [call[1] for call in calls], timeout=TIMEOUT)
    return sorted(found | {row["name"] for row in rows})


def _plain(planned: str, column: Column, origin: Table) -> str:
    """The source's column whose value this one has; '' where it is made."""
    by_name = {one.name: one for one in origin.columns}
    if found := _COLUMN.fullmatch(planned):
        source, cast = by_name.get(_bare(found[1])), ""
    elif found := _CAST.fullmatch(planned):
        source, cast = by_name.get(_bare(found[1])), found[2]
    else:
        return ""
    if source is None or not lossless(source.type, column.type):
        return ""
    return source.name if not cast or base(cast) in (base(column.type), base(source.type), "text") else ""


def lossless(source: str, target: str) -> bool:
    """Whether each value of the one type, and each of the other one that the first can have, is the same in
    both; what does not fit is refused by the server, and never cut or rounded."""
    ours, theirs = base(source), base(target)
    if source == target or (ours in _TEXTS and theirs in _TEXTS):
        return True
    if ours in _INTEGERS and theirs in _INTEGERS:
        return True
    return theirs in _TEXTS and ours in _PRINTED


def base(sql_type: str) -> str:
    """A type without its length."""
    return re.sub(r"\(\d+\)$", "", sql_type)


def _bare(name: str) -> str:
    """A name that the server prints, without its quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


async def _keyed(conn: asyncpg.Connection, table: Table, found: PerRow) -> bool:
    """Whether the target's key follows from the source's; False: one of them has none."""
    assert table.mapped is not None
    assert table.mapped.origin is not None
    origin, plain = table.mapped.origin, dict(found.plain)
    if not table.key or not origin.key:
        return False
    made = [name for name in table.key if plain.get(name) not in origin.key and name not in found.constant]
    if made:
        alone = replace(origin, columns=tuple(c for c in origin.columns if c.name in origin.key))
        await _plan(conn, alone, table.mapped.source, made)
    return True


def _one_way(table: Table, found: PerRow) -> tuple[str, ...]:
    """Why rows cannot be taken back."""
    assert table.mapped is not None
    assert table.mapped.origin is not None
    origin, targets = table.mapped.origin, dict(found.plain)
    reasons = []
    if not found.keyed:
        reasons.append("there is no key by which a row could be found again")
    if table.mapped.source.where:
        reasons.append("the target does not know the rows that where: leaves out")
    made = [one.name for one in table.columns if one.name not in targets and one.name not in found.constant]
    if made:
        reasons.append(f"columns made by an expression ({', '.join(made)})")
    if constant := [name for name in table.key if name in found.constant]:
        reasons.append(f"constants in its key ({', '.join(constant)})")
    sources = [source for _, source in found.plain]
    if twice := sorted({one for one in sources if sources.count(one) > 1}):
        reasons.append(f"two columns that come from one of the source ({', '.join(twice)})")
    lacking = [
        column.name
        for column in origin.columns
        if column.name not in sources
        and column.not_null
        and column.default is None
        and not (column.identity or column.generated)
    ]
    if lacking:
        reasons.append(f"a new row would have no value for the source's {', '.join(lacking)}")
    return tuple(reasons)
