"""What a copy will do with each table: in which ranges it is read, in which format, after which others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident, literal
from wsdash.data.tables.shape import Table
from wsdash.errors import WsdashError

RANGE_BYTES = 16 << 20
"""About how much of a table one range holds."""
SHARED_BYTES = 1 << 20
"""A table of less than twice this is copied by one worker."""
BLOCK_BYTES = 8192

_NAMED = """(SELECT place - 1 AS place, to_regclass(name) AS oid
  FROM unnest($1::text[]) WITH ORDINALITY u(name, place)) q"""
"""The tables asked about, by quoted name, and their places in the question."""

COLUMNS = f"""
SELECT q.place, q.oid IS NOT NULL AS there, a.attname AS name, format_type(a.atttypid, NULL) AS type,
       a.attgenerated::text AS generated
FROM {_NAMED} LEFT JOIN pg_attribute a ON a.attrelid = q.oid AND a.attnum > 0 AND NOT a.attisdropped
"""

OID_BOUND = f"""
WITH RECURSIVE parts(place, type) AS (
  SELECT q.place, a.atttypid FROM {_NAMED} JOIN pg_attribute a ON a.attrelid = q.oid
  WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  UNION
  SELECT p.place, x.type FROM parts p JOIN pg_type t ON t.oid = p.type CROSS JOIN LATERAL (
    SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL SELECT t.typelem WHERE t.typcategory = 'A' AND t.typelem <> 0
    UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)) x(type))
SELECT DISTINCT p.place FROM parts p JOIN pg_type t ON t.oid = p.type
WHERE t.typtype IN ('c', 'p') OR t.typsend = 0 OR t.typcategory = 'A' AND t.typelem >= 16384
   OR t.typtype = 'b' AND t.typcategory <> 'A' AND t.oid >= 16384
   OR t.typname ~ '^reg' AND t.typnamespace = 'pg_catalog'::regnamespace
"""
"""The tables whose rows in binary form hold oids, which mean something else on another server, or the form of
a type that an extension defines."""

BOUNDS = """
SELECT pg_get_expr(c.relpartbound, c.oid) AS bound, pg_table_size(c.oid) AS bytes,
       array(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
             WHERE k.conrelid = c.oid AND k.contype = 'c') AS checks
FROM unnest($1::text[]) chunk JOIN pg_class c ON c.oid = to_regclass(chunk)
"""

REFERENCES = """
SELECT DISTINCT cn.nspname || '.' || c.relname AS child, pn.nspname || '.' || p.relname AS parent
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
"""

TRIGGERS = f"""
SELECT q.place, t.tgname AS name, t.tgenabled::text AS enabled
FROM {_NAMED} JOIN pg_trigger t ON t.tgrelid = q.oid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY q.place, t.tgname
"""

SIZES = f"""
SELECT q.place, pg_relation_size(q.oid) AS heap, pg_table_size(q.oid) AS whole
FROM {_NAMED} WHERE q.oid IS NOT NULL
"""


@dataclass(frozen=True)
class Trigger:
    """A user's trigger on the target's table: off and on are the commands around a load."""

    off: str
    on: str


@dataclass(frozen=True)
class TableCopyPlan:
    """How a table is loaded. after: tables (qualified) that must be loaded before, for foreign keys' sake."""

    table: Table
    format: Literal["binary", "text"]
    triggers: tuple[Trigger, ...]
    after: frozenset[str]


@dataclass(frozen=True)
class SourceSide:
    """What the source says of the tables, in their order: columns by name, whether rows hold oids, sizes."""

    columns: list[dict[str, Any] | None]
    bound: set[int]
    sizes: dict[int, tuple[int, int]]


@dataclass(frozen=True)
class TargetSide:
    """What the target says of the tables, in their order: columns by name (None: no table), triggers."""

    columns: list[dict[str, Any] | None]
    triggers: dict[int, list[Trigger]]


async def read_source_side(source: asyncpg.Connection, tables: Sequence[Table]) -> SourceSide:
    """Ask the source what a plan needs to know. Raises asyncpg.PostgresError."""
    names = [_name(table) for table in tables]
    columns = await _columns(source, names)
    bound = {row["place"] for row in await source.fetch(OID_BOUND, names, timeout=TIMEOUT)}
    divided = [_name(table.divided_by or table) for table in tables]
    sizes = await source.fetch(SIZES, divided, timeout=TIMEOUT)
    return SourceSide(columns, bound, {row["place"]: (row["heap"], row["whole"]) for row in sizes})


async def read_target_side(target: asyncpg.Connection, tables: Sequence[Table]) -> TargetSide:
    """Ask the target what a plan needs to know. Raises asyncpg.PostgresError."""
    names = [_name(table) for table in tables]
    columns = await _columns(target, names)
    triggers: dict[int, list[Trigger]] = {}
    for row in await target.fetch(TRIGGERS, names, timeout=TIMEOUT):
        triggers.setdefault(row["place"], []).append(_trigger(names[row["place"]], row))
    return TargetSide(columns, triggers)


def plan_tables(
    tables: Sequence[Table], source: SourceSide, target: TargetSide, references: dict[str, set[str]]
) -> list[TableCopyPlan]:
    """Decide how each table travels. Raises WsdashError when the target lacks one or one of its columns."""
    plans = []
    for place, table in enumerate(tables):
        _require(table, target.columns[place])
        mine, theirs = source.columns[place] or {}, target.columns[place] or {}
        copied = [c.name for c in table.copied_columns if c.name in mine]
        same = all(mine[name]["type"] == theirs[name]["type"] for name in copied)
        plans.append(
            TableCopyPlan(
                table,
                "binary" if same and place not in source.bound and table.mapped is None else "text",
                tuple(target.triggers.get(place, ())),
                frozenset(references.get(table.qualified, ())),
            )
        )
    return plans


def _require(table: Table, there: dict[str, Any] | None) -> None:
    """The target has the table, and every column that travels can be filled there."""
    columns = there or {}
    missing = [c.name for c in table.copied_columns if c.name not in columns or columns[c.name]["generated"]]
    if there is None or missing:
        what = f" column {', '.join(missing)} of" if there is not None else ""
        raise WsdashError(
            f"the target lacks{what} table {table.qualified}",
            where=f"table {table.qualified} in the target",
            remedy="run item init-neon first, or correct the target's schema file",
        )


async def read_references(target: asyncpg.Connection, tables: Sequence[Table]) -> dict[str, set[str]]:
    """Foreign keys that the target has already, among these tables: child -> parents. Cycles are left out."""
    names = {table.qualified for table in tables}
    found: dict[str, set[str]] = {}
    for row in await target.fetch(REFERENCES, timeout=TIMEOUT):
        if row["child"] in names and row["parent"] in names:
            found.setdefault(row["child"], set()).add(row["parent"])
    return found


def with_children(tables: Sequence[Table], chosen: set[str], references: dict[str, set[str]]) -> list[Table]:
    """The chosen tables and all that refer to them: what one TRUNCATE has to name."""
    grown = set(chosen)
    while more := {child for child, parents in references.items() if parents & grown} - grown:
        grown |= more
    return [table for table in tables if table.qualified in grown]


def acyclic(references: dict[str, set[str]]) -> dict[str, set[str]]:
    """The references without those that close a circle."""
    kept: dict[str, set[str]] = {}

    def reaches(start: str, goal: str) -> bool:
        return start == goal or any(reaches(parent, goal) for parent in kept.get(start, ()))

    for child in sorted(references):
        for parent in sorted(references[child]):
            if not reaches(parent, child):
                kept.setdefault(child, set()).add(parent)
    return kept


async def plan_conditions(
    source: asyncpg.Connection, table: Table, sizes: tuple[int, int], workers: int
) -> list[str]:
    """Conditions that cut a table into disjoint ranges whose union is every row, now and later ('': all).

    By ctid for a plain table; by the time column, at its chunks' borders, for one with chunks (ctids repeat
    across chunks). sizes: bytes of the table without and with its large values.
    """
    divided = table.divided_by
    if divided is None:
        return [""]
    if divided.hypertable:
        return await _time_ranges(source, divided)
    return _block_ranges(*sizes, workers)


def _block_ranges(heap: int, whole: int, workers: int) -> list[str]:
    """heap and whole: bytes of the table without and with its large values."""
    blocks = heap // BLOCK_BYTES
    parts = max(whole // RANGE_BYTES, min(workers, whole // SHARED_BYTES))
    step = max(1, blocks // max(1, parts))
    return _cut([f"'({block},0)'::tid" for block in range(step, blocks, step)], "ctid", nullable=False)


async def _time_ranges(source: asyncpg.Connection, table: Table) -> list[str]:
    column = next((c for c in table.copied_columns if c.name == table.time_column), None)
    if column is None:
        return [""]
    borders: dict[str, int] = {}
    for row in await source.fetch(BOUNDS, list(table.chunks), timeout=TIMEOUT):
        border = _lower_border(row["bound"], row["checks"], column.name)
        if border is not None:
            borders[border] = borders.get(border, 0) + row["bytes"]
    ordered = await source.fetch(
        f"SELECT border FROM unnest($1::text[]) border ORDER BY border::{column.type}",
        list(borders),
        timeout=TIMEOUT,
    )
    chosen, held = [], 0
    for place, row in enumerate(ordered):
        size = borders[row["border"]]
        if place and held + size > RANGE_BYTES:
            chosen.append(f"{literal(row['border'])}::{column.type}")
            held = 0
        held += size
    return _cut(chosen, ident(column.name), nullable=not column.not_null)


def _lower_border(bound: str | None, checks: list[str], column: str) -> str | None:
    """The literal at which a chunk begins, out of its partition bound or its CHECK constraint."""
    if bound is not None:
        found = re.match(r"FOR VALUES FROM \((?:'((?:[^']|'')*)'|(-?[\d.]+))\) TO \(", bound)
    else:
        name = rf'(?:{re.escape(column)}|"{re.escape(column)}")'
        pattern = rf"\(\(?{name} >= (?:'((?:[^']|'')*)'::[\w ]+|(-?[\d.]+))\)"
        found = next((hit for check in checks if (hit := re.search(pattern, check))), None)
    if found is None:
        return None
    return found[1].replace("''", "'") if found[1] is not None else found[2]


def _cut(borders: list[str], expression: str, *, nullable: bool) -> list[str]:
    if not borders:
        return [""]
    first = f"{expression} < {borders[0]}"
    if nullable:
        first = f"({first} OR {expression} IS NULL)"
    middle = [f"{expression} >= {low} AND {expression} < {high}" for low, high in pairwise(borders)]
    return [first, *middle, f"{expression} >= {borders[-1]}"]


async def _columns(conn: asyncpg.Connection, names: list[str]) -> list[dict[str, Any] | None]:
    """For each table its columns by name, or None when it does not exist."""
    found: list[dict[str, Any] | None] = [None] * len(names)
    for row in await conn.fetch(COLUMNS, names, timeout=TIMEOUT):
        if row["there"]:
            columns = found[row["place"]] or {}
            found[row["place"]] = columns
            if row["name"] is not None:
                columns[row["name"]] = row
    return found


def _name(table: Table) -> str:
    return ident(table.schema, table.name)


def _trigger(table: str, row: Any) -> Trigger:
    name = ident(row["name"])
    again = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[row["enabled"]]
    return Trigger(
        f"ALTER TABLE {table} DISABLE TRIGGER {name}", f"ALTER TABLE {table} {again} TRIGGER {name}"
    )
