"""Continuous aggregates: read through their view, carried as tables.

Retention drops raw rows, and the aggregate keeps what it made of them: nothing else has these rows any more.
"""

from __future__ import annotations

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.tables.read import read_columns
from wsdash.data.tables.shape import Table

KIND = "aggregate"
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
        oid: Table(schema, row["view"], tuple(columns.get(oid, ())), hypertable=KIND)
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
