"""The rows that the target's schema file inserts by itself, and how they are recognised among everybody
else's.

They are written down right after the file has run, in its transaction: by table, the transactions in which
PostgreSQL says that the rows were written (xmin), and how many rows each wrote. A row that somebody changes
afterwards has another xmin, and so is a seed row no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from wsdash.data.limits import COUNT_SECONDS, TIMEOUT
from wsdash.data.pg.errors import described
from wsdash.data.pg.sql import ident, literal
from wsdash.data.tables.shape import Table

SEED_ROWS = "wsdash.seed_rows"
CREATE_SEED_ROWS = f"""
CREATE SCHEMA IF NOT EXISTS wsdash;
CREATE TABLE IF NOT EXISTS {SEED_ROWS} (
  table_schema text NOT NULL, table_name text NOT NULL, xid text NOT NULL, rows bigint NOT NULL,
  PRIMARY KEY (table_schema, table_name, xid));
"""
SeedRows = dict[str, dict[str, int]]
"""By qualified table: how many rows each transaction (xid) wrote."""


async def rows_by_transaction(conn: asyncpg.Connection, table: Table) -> dict[str, int]:
    """How many of a table's rows each transaction wrote. Raises asyncpg.PostgresError."""
    rows = await conn.fetch(
        f"SELECT xmin::text AS xid, count(*) AS rows FROM {ident(table.schema, table.name)} GROUP BY 1",
        timeout=COUNT_SECONDS,
    )
    return {row["xid"]: row["rows"] for row in rows}


@described("noting the rows that the schema file inserts")
async def note_seed_rows(conn: asyncpg.Connection, tables: Sequence[Table]) -> None:
    """Write down that all rows of these tables are the schema file's. Call it in the transaction that runs
    the file, into a schema without tables. Raises WsdashError."""
    found = [
        (table.schema, table.name, xid, rows)
        for table in tables
        for xid, rows in (await rows_by_transaction(conn, table)).items()
    ]
    if found:
        await conn.execute(CREATE_SEED_ROWS, timeout=TIMEOUT)
        insert = f"INSERT INTO {SEED_ROWS} VALUES ($1, $2, $3, $4) ON CONFLICT "
        insert += "(table_schema, table_name, xid) DO UPDATE SET rows = excluded.rows"
        await conn.executemany(insert, found, timeout=TIMEOUT)


@described("reading which rows the schema file inserted")
async def read_seed_rows(conn: asyncpg.Connection) -> SeedRows:
    """What was noted and not replaced since; {} where nothing was. Raises WsdashError."""
    if not await conn.fetchval("SELECT to_regclass($1) IS NOT NULL", SEED_ROWS, timeout=TIMEOUT):
        return {}
    found: SeedRows = {}
    query = f"SELECT table_schema || '.' || table_name AS name, xid, rows FROM {SEED_ROWS} ORDER BY 1, 2"
    for row in await conn.fetch(query, timeout=TIMEOUT):
        found.setdefault(row["name"], {})[row["xid"]] = row["rows"]
    return found


@described("looking whether the schema file's rows are as it inserted them")
async def changed_seed_rows(conn: asyncpg.Connection) -> list[str]:
    """Every table whose seed rows were changed or deleted since, with how many; [] when all are unchanged.

    Raises WsdashError.
    """
    if not await read_seed_rows(conn):
        return []
    changed = []
    query = (
        "SELECT table_schema AS schema, table_name AS name, array_agg(xid) AS xids, "
        "array_agg(rows::text) AS rows, "
        "to_regclass(format('%I.%I', table_schema, table_name)) IS NOT NULL AS there "
        f"FROM {SEED_ROWS} GROUP BY 1, 2 ORDER BY 1, 2"
    )
    for row in await conn.fetch(query, timeout=TIMEOUT):
        table = Table(row["schema"], row["name"], ())
        here = await rows_by_transaction(conn, table) if row["there"] else {}
        noted = {xid: int(rows) for xid, rows in zip(row["xids"], row["rows"], strict=True)}
        lost = sum(max(0, rows - here.get(xid, 0)) for xid, rows in noted.items())
        if lost:
            changed.append(
                f"{table.qualified}: {lost:,} of the {sum(noted.values()):,} rows of the schema file"
            )
    return changed


async def forget_tables(conn: asyncpg.Connection, relation: str, tables: Sequence[Table]) -> None:
    """Remove all lines about these tables from one of wsdash's own. Raises asyncpg.PostgresError."""
    await conn.execute(
        f"DELETE FROM {relation} WHERE (table_schema, table_name) IN "
        "(SELECT * FROM unnest($1::text[], $2::text[]))",
        [table.schema for table in tables],
        [table.name for table in tables],
        timeout=TIMEOUT,
    )


def is_seed_row(table: Table, row: str) -> str:
    """The SQL condition that `row` (an alias, quoted) of a table is one of the schema file's.

    It asks what is noted at that moment, which must be there (read_seed_rows).
    """
    return (
        f"{row}.xmin::text IN (SELECT xid FROM {SEED_ROWS} WHERE table_schema = {literal(table.schema)} "
        f"AND table_name = {literal(table.name)})"
    )
