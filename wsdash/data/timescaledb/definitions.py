"""What made a table a hypertable or a continuous aggregate: noted in a backup, and made
again in a source that lost the table; aggregates are read as tables."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident, literal
from wsdash.data.snapshot import chunk_states as states
from wsdash.data.tables.read import read_columns
from wsdash.data.tables.shape import Table
from wsdash.data.timescaledb import jobs
from wsdash.errors import RefusedError

AGGREGATE = "aggregate"
"""What Table.hypertable says of one."""

AGGREGATES = """
SELECT a.view_schema || '.' || a.view_name AS name, a.view_schema AS schema, a.view_name AS view, c.oid,
       a.hypertable_schema || '.' || a.hypertable_name AS source
FROM timescaledb_information.continuous_aggregates a
JOIN pg_catalog.pg_namespace n ON n.nspname = a.view_schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = a.view_name
WHERE a.hypertable_schema = $1 OR a.view_schema = $1 ORDER BY 1
"""


async def read_aggregates(
    conn: asyncpg.Connection, schema: str
) -> tuple[dict[int, Table], list[tuple[str, str]]]:
    """The schema's continuous aggregates as tables by the oid of their view, and (name, what becomes of it)
    of each; the latter also of those that lie in another schema. Raises asyncpg.PostgresError.
    """
    rows = await conn.fetch(AGGREGATES, schema, timeout=TIMEOUT)
    here = {row["oid"]: row for row in rows if row["schema"] == schema}
    columns = await read_columns(conn, list(here))
    tables = {
        oid: Table(schema, row["view"], tuple(columns.get(oid, ())), hypertable=AGGREGATE)
        for oid, row in here.items()
    }
    lines = []
    for row in rows:
        if row["schema"] == schema:
            what = (
                "carried as a table with all rows it has now, also those whose raw rows retention dropped; "
            )
            what += "nothing refreshes it in the target (docs/timescaledb.md: a view that continues it)"
        else:
            what = f"it lies in schema {row['schema']} and stays there, with the history that only it holds"
        lines.append((row["name"], f"a continuous aggregate of {row['source']}: {what}"))
    return tables, lines


DIMENSIONS = """
SELECT hypertable_name AS name, column_name AS column, time_interval::text AS interval, integer_interval,
       num_partitions AS partitions
FROM timescaledb_information.dimensions WHERE hypertable_schema = $1 ORDER BY 1, dimension_number
"""
COMPRESSION = """
SELECT h.hypertable_name AS name, c.attname AS column, c.segmentby_column_index AS segment,
       c.orderby_column_index AS "order", c.orderby_asc AS ascending, c.orderby_nullsfirst AS nulls_first
FROM timescaledb_information.hypertables h
LEFT JOIN timescaledb_information.compression_settings c
  ON (c.hypertable_schema, c.hypertable_name) = (h.hypertable_schema, h.hypertable_name)
WHERE h.hypertable_schema = $1 AND h.compression_enabled
ORDER BY 1, c.segmentby_column_index, c.orderby_column_index
"""


class Dimension(msgspec.Struct, frozen=True):
    """One column by which rows are put into chunks: an interval (of time, or of whole numbers), or
    partitions."""

    column: str
    interval: str = ""
    integer_interval: int = 0
    partitions: int = 0


class Definition(msgspec.Struct, frozen=True):
    """What made a table of the source more than a plain one.

    dimensions: () for a continuous aggregate. compressed: compression is enabled, by these columns,
    SQL-ready. jobs: its policies, in words; they are not made again.
    """

    dimensions: tuple[Dimension, ...] = ()
    compressed: bool = False
    segment_by: str = ""
    order_by: str = ""
    jobs: tuple[str, ...] = ()


async def read_definitions(
    conn: asyncpg.Connection, schema: str, tables: Sequence[Table]
) -> dict[str, Definition]:
    """The definition of every hypertable and continuous aggregate among the tables, by its qualified name.

    Raises asyncpg.PostgresError.
    """
    special = [table for table in tables if table.hypertable in (states.KIND, AGGREGATE)]
    if not special:
        return {}
    dimensions: dict[str, list[Dimension]] = {}
    for row in await conn.fetch(DIMENSIONS, schema, timeout=TIMEOUT):
        dimensions.setdefault(row["name"], []).append(
            Dimension(
                row["column"], row["interval"] or "", row["integer_interval"] or 0, row["partitions"] or 0
            )
        )
    settings: dict[str, list[asyncpg.Record]] = {}
    for row in await conn.fetch(COMPRESSION, schema, timeout=TIMEOUT):
        settings.setdefault(row["name"], []).append(row)
    policies: dict[str, list[str]] = {}
    for job in await jobs.read_jobs(conn, schema):
        policies.setdefault(job.subject, []).append(job.described)
    return {
        table.qualified: Definition(
            tuple(dimensions.get(table.name, ())),
            table.name in settings,
            ", ".join(ident(row["column"]) for row in settings.get(table.name, ()) if row["segment"]),
            ", ".join(_ordered(row) for row in settings.get(table.name, ()) if row["order"]),
            tuple(policies.get(table.qualified, ())),
        )
        for table in special
    }


def _ordered(row: asyncpg.Record) -> str:
    direction = "ASC" if row["ascending"] else "DESC"
    return f"{ident(row['column'])} {direction} NULLS {'FIRST' if row['nulls_first'] else 'LAST'}"


async def make_hypertable(conn: asyncpg.Connection, schema: str, name: str, definition: Definition) -> None:
    """Make an empty plain table the hypertable that it was; its policies are not made again.

    Raises RefusedError on a server without TimescaleDB, asyncpg.PostgresError.
    """
    home = await conn.fetchval(jobs.HOME, timeout=TIMEOUT)
    if home is None:
        raise RefusedError(
            f"{schema}.{name} was a hypertable, and this server has no TimescaleDB",
            where=f"table {schema}.{name}",
            remedy="CREATE EXTENSION timescaledb there first, or restore into another database",
        )
    table = literal(ident(schema, name))
    first, *others = definition.dimensions
    await conn.execute(
        f"SELECT {home}.create_hypertable({table}, {literal(first.column)}, "
        f"chunk_time_interval => {_interval(first)}, create_default_indexes => false)",
        timeout=TIMEOUT,
    )
    for one in others:
        how = f"number_partitions => {one.partitions:d}" if one.partitions else ""
        how = how or f"chunk_time_interval => {_interval(one)}"
        await conn.execute(
            f"SELECT {home}.add_dimension({table}, {literal(one.column)}, {how})", timeout=TIMEOUT
        )


async def enable_compression(
    conn: asyncpg.Connection, schema: str, name: str, definition: Definition
) -> None:
    """Enable compression on a hypertable as it was; no chunk is compressed by that. Call it after its
    indexes.

    Raises asyncpg.PostgresError.
    """
    if not definition.compressed:
        return
    options = ["timescaledb.compress"]
    options += [f"timescaledb.compress_segmentby = {literal(definition.segment_by)}"] * bool(
        definition.segment_by
    )
    options += [f"timescaledb.compress_orderby = {literal(definition.order_by)}"] * bool(definition.order_by)
    await conn.execute(f"ALTER TABLE {ident(schema, name)} SET ({', '.join(options)})", timeout=TIMEOUT)


def made_again(name: str, definition: Definition) -> str:
    """What became of a lost table that was more than a plain one, for people."""
    if not definition.dimensions:
        return f"{name} was a continuous aggregate and is a plain table now: nothing refreshes it"
    columns = ", ".join(one.column for one in definition.dimensions)
    sentence = f"{name} is a hypertable again (by {columns})"
    if definition.compressed:
        sentence += ", compression enabled, its chunks uncompressed"
    if definition.jobs:
        sentence += f"; add these policies by hand: {'; '.join(definition.jobs)}"
    return sentence


def _interval(dimension: Dimension) -> str:
    if dimension.integer_interval:
        return f"{dimension.integer_interval:d}"
    return f"interval {literal(dimension.interval)}"
