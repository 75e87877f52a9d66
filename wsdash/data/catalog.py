"""Reading a schema completely out of pg_catalog: its tables, and everything that belongs to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from wsdash.data.catalog_tables import read_tables
from wsdash.data.shape import Table

TIMEOUT = 60.0


@dataclass(frozen=True)
class Catalog:
    """A schema as it was read: root tables only, everything in a fixed order.

    server_version as in server_version_num (160004); timescaledb: the extension's version, or ''.
    """

    schema: str
    server_version: int
    timescaledb: str
    tables: tuple[Table, ...]


async def read_catalog(conn: asyncpg.Connection, schema: str) -> Catalog:
    """Read the schema in one snapshot (the caller's, when it has a transaction open); writes nothing.

    A schema that does not exist gives an empty catalog. Raises asyncpg.PostgresError as the server does.
    """
    async with _pg_catalog_only(conn):
        version = int(await conn.fetchval("SELECT current_setting('server_version_num')", timeout=TIMEOUT))
        timescaledb = await conn.fetchval(
            "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'", timeout=TIMEOUT
        )
        namespace = await conn.fetchval(
            "SELECT oid FROM pg_namespace WHERE nspname = $1", schema, timeout=TIMEOUT
        )
        tables = {} if namespace is None else await read_tables(conn, namespace, schema)
        return Catalog(schema, version, timescaledb or "", tuple(tables.values()))


@asynccontextmanager
async def _pg_catalog_only(conn: asyncpg.Connection) -> AsyncIterator[None]:
    """One snapshot, and a search_path under which the server prints every name qualified."""
    own = None
    if not conn.is_in_transaction():
        own = conn.transaction(isolation="repeatable_read", readonly=True)
        await own.start()
    before = await conn.fetchval("SELECT current_setting('search_path')", timeout=TIMEOUT)
    set_path = "SELECT pg_catalog.set_config('search_path', $1, true)"
    await conn.execute(set_path, "pg_catalog", timeout=TIMEOUT)
    try:
        yield
    finally:
        if own is not None:
            await own.rollback()
        else:
            await conn.execute(set_path, before, timeout=TIMEOUT)
