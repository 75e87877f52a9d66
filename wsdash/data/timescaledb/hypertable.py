"""Hypertable machinery: what is folded into plain tables, what is knowingly left behind,
and what prevents it.

There are three kinds: TimescaleDB's own, declarative partitions, and a parent with inheriting chunks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.errors import session_lives
from wsdash.data.pg.transactions import transaction
from wsdash.data.tables.shape import Table, compressed_bounds, read_compressed, total
from wsdash.data.timescaledb.definitions import read_aggregates
from wsdash.data.timescaledb.jobs import fetch_jobs

INTERNAL = "_timescaledb_"

_ROUTES = re.compile(r"return\s+null", re.IGNORECASE)
_INSERTS = re.compile(r"insert\s+into|_timescaledb_", re.IGNORECASE)

ODD_CHILDREN = """
SELECT n.nspname || '.' || c.relname AS name, pn.nspname || '.' || p.relname AS parent,
       p.relnamespace <> $1 AS outside,
       array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
       AND NOT a.attisdropped
             AND a.attislocal AND a.attinhcount = 0 ORDER BY a.attnum) AS own_columns
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND (p.relnamespace = $1 OR c.relnamespace = $1 AND p.relnamespace <> $1)
ORDER BY 1
"""

HYPERTABLES = """
SELECT h.hypertable_name AS name, h.compression_enabled AS compression,
       (SELECT d.column_name FROM timescaledb_information.dimensions d
        WHERE d.hypertable_schema = h.hypertable_schema AND d.hypertable_name = h.hypertable_name
        ORDER BY d.dimension_number LIMIT 1) AS time_column,
       (SELECT count(*) FROM timescaledb_information.chunks c
        WHERE c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
          AND c.is_compressed) AS compressed
FROM timescaledb_information.hypertables h WHERE h.hypertable_schema = $1 ORDER BY 1
"""


@dataclass(frozen=True)
class Machinery:
    """One thing that belongs to hypertables and not to the data; blocks: rows would be lost or doubled."""

    kind: str
    name: str
    detail: str
    blocks: bool = False


def trigger_left_out(row: Any, table: Table | None) -> str:
    """Why a trigger of a root is machinery, or ''. row: of catalog_queries.TRIGGERS."""
    if row["function_schema"].startswith(INTERNAL) or row["name"] == "ts_insert_blocker":
        return "it routes rows into chunks; the target has no chunks"
    if row["function_schema"] == "wsdash" or row["function_schema"].startswith("wsdash_"):
        return "it is wsdash's own"
    routes = row["before_insert_row"] and _ROUTES.search(row["source"]) and _INSERTS.search(row["source"])
    if table is not None and table.hypertable == "inheritance" and routes:
        return "it routes rows into chunks; the target has no chunks"
    return ""


async def read_machinery(
    conn: asyncpg.Connection,
    namespace: int,
    schema: str,
    tables: dict[int, Table],
    timescaledb: str,
    *,
    inherits: bool,
) -> tuple[dict[int, Table], tuple[Machinery, ...]]:
    """The tables, described more exactly where TimescaleDB knows more, and all machinery of the schema.

    inherits: any relation of the database has a parent.
    """
    found: list[Machinery] = []
    if inherits:
        for row in await conn.fetch(ODD_CHILDREN, namespace, timeout=TIMEOUT):
            found += _odd_child(row)
    if timescaledb:
        tables, own = await _guarded(conn, schema, tables, timescaledb)
        found += own
    for table in tables.values():
        if table.chunks:
            what = {"partitions": "partitions", "inheritance": "inheriting chunks"}
            detail = f"{len(table.chunks)} {what.get(table.hypertable, 'chunks')}, folded into one table"
            found.append(Machinery("chunks", table.qualified, detail))
    for name in sorted({_schema_of(chunk) for table in tables.values() for chunk in table.chunks} - {schema}):
        found.append(Machinery("chunk schema", name, "it holds chunks; their rows go into the plain tables"))
    return tables, tuple(sorted(found, key=lambda item: (item.kind, item.name)))


def _schema_of(chunk: str) -> str:
    quoted = re.match(r'"((?:[^"]|"")*)"\.', chunk)
    return quoted.group(1).replace('""', '"') if quoted else ""


def _odd_child(row: Any) -> list[Machinery]:
    if row["outside"]:
        why = f"it is a part of {row['parent']}, which lies outside the schema: its rows would not be carried"
        return [
            Machinery("table", row["name"], why + "; move the parent into the schema or detach this", True)
        ]
    if row["own_columns"]:
        names = ", ".join(row["own_columns"])
        why = f"it inherits from {row['parent']} and has columns of its own ({names}), which would be lost"
        return [Machinery("table", row["name"], why + "; end the inheritance or drop them", True)]
    return []


async def _guarded(
    conn: asyncpg.Connection, schema: str, tables: dict[int, Table], version: str
) -> tuple[dict[int, Table], list[Machinery]]:
    """TimescaleDB's own catalog in a savepoint: a version that answers otherwise must not end the reading."""
    found = [Machinery("extension", "timescaledb", f"version {version}; the target is plain PostgreSQL")]
    try:
        async with transaction(conn):
            return await _timescaledb(conn, schema, tables, found)
    except asyncpg.PostgresError as error:
        if not session_lives(error):
            raise
        detail = (
            f"version {version}: hypertables, aggregates and jobs cannot be read ({error}), and history that "
            "only an aggregate holds could be lost; grant the user SELECT on what the server names"
        )
        return tables, [Machinery("extension", "timescaledb", detail, blocks=True)]


async def _timescaledb(
    conn: asyncpg.Connection, schema: str, tables: dict[int, Table], found: list[Machinery]
) -> tuple[dict[int, Table], list[Machinery]]:
    home = await conn.fetchval(
        "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'timescaledb'",
        timeout=TIMEOUT,
    )
    known = {row["name"]: row for row in await conn.fetch(HYPERTABLES, schema, timeout=TIMEOUT)}
    compressed = await read_compressed(conn, schema)
    by_oid: dict[int, Table] = {}
    for oid, table in tables.items():
        row = known.get(table.name)
        by_oid[oid] = table if row is None else await _hypertable(conn, home, oid, table, row, compressed)
        if row is not None and row["compression"]:
            count = f"{row['compressed']} of {len(table.chunks)} chunks are compressed"
            detail = f"{count}; rows arrive uncompressed"
            found.append(Machinery("compression", table.qualified, detail))
    for job in await fetch_jobs(conn, schema):
        detail = f"{job.described}: nothing does this in the target"
        found.append(
            Machinery(job.kind if job.kind == "retention" else "background job", job.subject, detail)
        )
    aggregates, fates = await read_aggregates(conn, schema)
    by_oid |= aggregates
    found += [Machinery("continuous aggregate", name, detail) for name, detail in fates]
    return by_oid, found


async def _hypertable(
    conn: asyncpg.Connection, home: str, oid: int, table: Table, row: Any, compressed: list[Any] | None
) -> Table:
    """The root knows nothing of its rows: size and compressed rows come from TimescaleDB.

    compressed: None where that cannot be asked.
    """
    size = await conn.fetchval(
        f"SELECT sum(table_bytes + coalesce(toast_bytes, 0))::bigint "
        f"FROM {home}.hypertable_detailed_size($1::oid::regclass)",
        oid,
        timeout=TIMEOUT,
    )
    inside = [compressed_bounds(one) for one in compressed or () if one["name"] == table.name]
    return replace(
        table,
        hypertable="timescaledb",
        time_column=row["time_column"] or "",
        rows=None if compressed is None else total([table.bounds, *inside]).rows,
        bytes=int(size or 0),
    )
