"""Who wrote what: the loader's book, kept in the target itself in the schema `wsdash`.

Every range of rows is committed together with its line here, so that after a crash anywhere the book and the
rows agree. A line holds the transaction that wrote the rows: PostgreSQL keeps it in every row version (xmin),
so rows that somebody else inserted or changed are told apart from ours without reading their content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.shape import Table
from wsdash.data.sql import ident

SCHEMA = "wsdash"
TIMEOUT = 60.0
COUNT_SECONDS = 3600.0

CREATE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
COMMENT ON SCHEMA {SCHEMA} IS 'what wsdash copied here; may be dropped once the migration is over';
CREATE TABLE IF NOT EXISTS {SCHEMA}.load_ranges (
  run text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL, number integer NOT NULL,
  condition text NOT NULL, snapshot text, rows bigint, bytes bigint, seconds double precision,
  xid text, finished_at timestamptz,
  PRIMARY KEY (run, table_schema, table_name, number));
"""


@dataclass(frozen=True)
class ForeignRows:
    """A table of the target that holds what this run did not write.

    rows: rows that this run did not write. changed: rows that it wrote and that are no longer as written.
    total: all rows there now.
    """

    table: str
    rows: int
    changed: int
    total: int

    def __str__(self) -> str:
        parts = [f"{self.rows:,} rows that this run did not copy"] if self.rows else []
        parts += [f"{self.changed:,} copied rows changed or deleted since"] if self.changed else []
        return f"{self.table}: {' and '.join(parts)}"


@dataclass(frozen=True)
class Range:
    """A part of a table's rows: number counts from 0; condition is SQL for the source, '' for all rows."""

    number: int
    condition: str
    finished: bool = False
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0


async def ensure_manifest(conn: asyncpg.Connection) -> None:
    """Create the book where it is missing."""
    await conn.execute(CREATE, timeout=TIMEOUT)


async def read_ranges(conn: asyncpg.Connection, run: str, table: Table) -> tuple[Range, ...]:
    """The table's ranges as this run planned them, in order; () when it has not or there is no book."""
    if not await _has_book(conn):
        return ()
    rows = await conn.fetch(
        f"SELECT number, condition, rows, bytes, seconds, finished_at IS NOT NULL AS finished "
        f"FROM {SCHEMA}.load_ranges WHERE (run, table_schema, table_name) = ($1, $2, $3) ORDER BY number",
        run,
        table.schema,
        table.name,
        timeout=TIMEOUT,
    )
    return tuple(
        Range(r["number"], r["condition"], r["finished"], r["rows"] or 0, r["bytes"] or 0, r["seconds"] or 0)
        for r in rows
    )


async def plan_ranges(conn: asyncpg.Connection, run: str, table: Table, conditions: Sequence[str]) -> None:
    """Write the table's ranges down, all or none. The conditions must cut the rows into disjoint parts."""
    await conn.execute(
        f"INSERT INTO {SCHEMA}.load_ranges (run, table_schema, table_name, number, condition) "
        "SELECT $1, $2, $3, place - 1, condition FROM unnest($4::text[]) WITH ORDINALITY c(condition, place)",
        run,
        table.schema,
        table.name,
        list(conditions),
        timeout=TIMEOUT,
    )


async def finish_range(
    conn: asyncpg.Connection,
    run: str,
    table: Table,
    number: int,
    snapshot: str,
    done: tuple[int, int, float],
) -> None:
    """Write down (rows, bytes, seconds) that a range is here, in the transaction that wrote its rows."""
    await conn.execute(
        f"UPDATE {SCHEMA}.load_ranges SET snapshot = $5, rows = $6, bytes = $7, seconds = $8, "
        "xid = pg_current_xact_id()::xid::text, finished_at = now() "
        "WHERE (run, table_schema, table_name, number) = ($1, $2, $3, $4)",
        run,
        table.schema,
        table.name,
        number,
        snapshot,
        *done,
        timeout=TIMEOUT,
    )


async def empty_tables(conn: asyncpg.Connection, tables: Sequence[Table]) -> None:
    """Remove all rows of the tables and every line about them, together. The caller has seen that it may."""
    names = ", ".join(ident(table.schema, table.name) for table in tables)
    async with conn.transaction():
        await conn.execute(f"TRUNCATE {names}", timeout=TIMEOUT)
        await conn.execute(
            f"DELETE FROM {SCHEMA}.load_ranges WHERE (table_schema, table_name) IN "
            "(SELECT * FROM unnest($1::text[], $2::text[]))",
            [table.schema for table in tables],
            [table.name for table in tables],
            timeout=TIMEOUT,
        )


async def inspect_target(conn: asyncpg.Connection, tables: Sequence[Table], run: str) -> list[ForeignRows]:
    """The tables of the target with rows that this run did not write, or that are no longer as written.

    Tables that do not exist or are empty are nobody's. Reads only. Raises asyncpg.PostgresError.
    """
    found = []
    for table in tables:
        foreign = await _inspect(conn, table, run)
        if foreign is not None:
            found.append(foreign)
    return found


async def _inspect(conn: asyncpg.Connection, table: Table, run: str) -> ForeignRows | None:
    name = ident(table.schema, table.name)
    if await conn.fetchval("SELECT to_regclass($1) IS NULL", name, timeout=TIMEOUT):
        return None
    rows = await conn.fetch(
        f"SELECT xmin::text AS xid, count(*) AS rows FROM {name} GROUP BY 1", timeout=COUNT_SECONDS
    )
    here = {row["xid"]: row["rows"] for row in rows}
    total = sum(here.values())
    if not total:
        return None
    ours = await _written(conn, table, run)
    foreign = sum(count for xid, count in here.items() if xid not in ours)
    changed = sum(max(0, count - here.get(xid, 0)) for xid, count in ours.items())
    if not foreign and not changed:
        return None
    return ForeignRows(table.qualified, foreign, changed, total)


async def _written(conn: asyncpg.Connection, table: Table, run: str) -> dict[str, int]:
    if not await _has_book(conn):
        return {}
    rows = await conn.fetch(
        f"SELECT xid, sum(rows)::bigint AS rows FROM {SCHEMA}.load_ranges "
        "WHERE (run, table_schema, table_name) = ($1, $2, $3) AND finished_at IS NOT NULL GROUP BY xid",
        run,
        table.schema,
        table.name,
        timeout=TIMEOUT,
    )
    return {row["xid"]: row["rows"] for row in rows}


async def _has_book(conn: asyncpg.Connection) -> bool:
    found: bool = await conn.fetchval(
        "SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.load_ranges", timeout=TIMEOUT
    )
    return found
