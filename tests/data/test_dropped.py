"""What another session drops while the catalog is read is read anew, or said; never read as text."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.data.copying import run_sql
from wsdash.data.catalog import queries as catalog_queries
from wsdash.data.catalog.items import DROPPED_MEANWHILE, fetch_defined
from wsdash.data.catalog.read import read_catalog
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transactions import SNAPSHOT, begin

OBJECTS = "CREATE SCHEMA s; CREATE TABLE s.t (id int, v text); CREATE INDEX going ON s.t (v)"
OID = "SELECT 's.t'::regclass::oid"


async def test_an_index_that_is_gone_has_no_definition(source: Endpoint) -> None:
    await run_sql(source, OBJECTS)
    async with connection(source, read_only=True) as conn:
        await begin(conn, mode=SNAPSHOT)
        table = await conn.fetchval(OID)
        assert [row["name"] for row in await fetch_defined(conn, catalog_queries.INDEXES, [table])] == [
            "going"
        ]
        await conn.execute("ROLLBACK")
        # what was read of the table holds a lock on it, which a drop waits for: here nothing is
        await begin(conn, "SELECT 1", mode=SNAPSHOT)
        await run_sql(source, "DROP INDEX s.going")
        assert len(await conn.fetch(catalog_queries.INDEXES, [table])) == 1, "the snapshot sees it no more"
        with pytest.raises(DROPPED_MEANWHILE, match=r"going was dropped while it was read|cache lookup"):
            await fetch_defined(conn, catalog_queries.INDEXES, [table])


async def test_the_catalog_is_read_anew(source: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    await run_sql(source, OBJECTS)
    dropped: list[str] = []
    kept: Any = asyncpg.Connection.fetch

    async def fetch(self: asyncpg.Connection, query: str, *arguments: object, **more: object) -> Any:
        if query == catalog_queries.INDEXES and not dropped:
            dropped.append("going")
            await run_sql(source, "DROP INDEX s.going")
        return await kept(self, query, *arguments, **more)

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    async with connection(source, read_only=True) as conn:
        found = await read_catalog(conn, "s")
    assert dropped
    assert [item.name for item in found.items if item.kind == "index"] == []
