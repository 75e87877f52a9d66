"""The servers are asked for no more than is needed: a session costs little, and so does a plain schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from tests.data.copying import carry, catalog_of, run_sql
from tests.data.test_copy_exact import NASTY
from wsdash.data.catalog.kinds.made import FAMILIES, OPERATORS
from wsdash.data.catalog.read import read_catalog
from wsdash.data.pg.connect import Endpoint, connection


async def test_the_driver_never_has_to_ask_what_a_type_is(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    # of arrays it knows text[] and oid[]; for any other it asks, with jit switched off and on around that
    asked: list[Iterable[int]] = []
    usual = asyncpg.Connection._introspect_types  # type: ignore[attr-defined]

    async def introspect(conn: asyncpg.Connection, oids: Iterable[int], timeout: float) -> Any:
        asked.append(sorted(oids))
        return await usual(conn, oids, timeout)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", introspect)
    await run_sql(source, NASTY)
    await carry(source, target)
    assert asked == []


async def test_kinds_that_a_schema_lacks_are_not_asked_for(
    source: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    usual = asyncpg.Connection.fetch

    async def fetch(conn: asyncpg.Connection, query: str, *args: Any, **options: Any) -> Any:
        asked.append(query)
        return await usual(conn, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    await run_sql(source, "CREATE SCHEMA s; CREATE TABLE s.plain (a int PRIMARY KEY)")
    await catalog_of(source)
    assert not {FAMILIES, OPERATORS} & set(asked)
    plain = len(asked)
    await run_sql(source, "CREATE OPERATOR FAMILY s.own USING btree")
    asked.clear()
    assert (await catalog_of(source)).of("operator family")
    assert len(asked) == plain + 1


async def test_the_tables_alone_are_read_as_in_the_whole_catalog(source: Endpoint) -> None:
    await run_sql(source, NASTY, "CREATE VIEW s.seen AS SELECT a FROM s.keyless")
    async with connection(source, read_only=True) as conn:
        whole = await read_catalog(conn, "s")
        tables = await read_catalog(conn, "s", part="tables")
        server = await read_catalog(conn, "s", part="server")
    assert tables == replace(whole, items=(), settings=())
    assert server == replace(tables, tables=(), machinery=())
    assert whole.items
