"""Unlogged tables become logged ones; another default collation is described with what sorts anew."""

from __future__ import annotations

import pytest

from tests.support.servers import Server
from wsdash.data.catalog.items import changed_order
from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.compare import compare
from wsdash.data.schema.ddl import pre_data

SCHEMA = """
CREATE SCHEMA s;
CREATE TABLE s.items (id int PRIMARY KEY, title text, code varchar(9) COLLATE "C", made timestamptz);
CREATE UNLOGGED TABLE s.cache (key text PRIMARY KEY, value jsonb);
"""


async def catalog_of(endpoint: Endpoint) -> Catalog:
    async with connection(endpoint, read_only=True) as conn:
        return await read_catalog(conn, "s")


async def test_an_unlogged_table_is_made_logged_and_said_to_be(source: Endpoint, target: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(SCHEMA)
    before = await catalog_of(source)
    lines = {line.name: line for line in compare(before, await catalog_of(target)) if line.kind == "table"}
    assert "logged instead of UNLOGGED" in lines["s.cache"].detail
    assert "UNLOGGED" not in lines["s.items"].detail
    async with connection(target, read_only=False) as conn:
        for statement in pre_data(before):
            await conn.execute(statement.sql)
        kinds = await conn.fetch("SELECT relname, relpersistence::text FROM pg_class WHERE relkind = 'r'")
        assert {row[1] for row in kinds if row[0] in ("cache", "items")} == {"p"}
        await conn.execute("ALTER TABLE s.cache SET UNLOGGED")
    told = {line.name: line.detail for line in compare(before, await catalog_of(target))}
    assert 'ALTER TABLE "cache" SET LOGGED' in told["s.cache"]
    assert "logged instead of" not in told["s.cache"]


async def test_another_default_collation_names_the_columns_that_sort_anew(
    pg15: Server, source: Endpoint
) -> None:
    await pg15.execute(
        "create database sorted template template0 locale_provider icu icu_locale 'en' locale 'C'"
    )
    try:
        async with connection(source, read_only=False) as conn:
            await conn.execute(SCHEMA)
        before = await catalog_of(source)
        after = await catalog_of(pg15.endpoint("sorted"))
        assert after.collation == "ICU en"
        (line,) = [line for line in compare(before, after) if line.kind == "collation"]
        assert line.fate == "adapted"
        assert "for 2 columns (cache.key, items.title)" in line.detail
        assert not [line for line in compare(before, before) if line.kind == "collation"]
    finally:
        await pg15.drop_database("sorted")


@pytest.mark.parametrize(
    ("source", "target", "anew"),
    [
        ("libc C", "libc POSIX", False),
        ("libc C.UTF-8", "builtin C.UTF-8", False),
        ("libc en_US.UTF-8", "libc en_US.utf8", False),
        ("libc en_US.utf8", "builtin C.UTF-8", True),
        ("libc C", "ICU en-US", True),
        ("ICU und", "ICU de-DE", True),
    ],
)
def test_names_of_the_same_order_are_no_difference(source: str, target: str, anew: bool) -> None:
    assert (changed_order(source, target, ()) is not None) is anew
