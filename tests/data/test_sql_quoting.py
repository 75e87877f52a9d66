"""Names and literals of any characters mean themselves to a real server."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.servers import Server
from wsdash.data.catalog.read import read_catalog
from wsdash.data.pg.sql import ident, literal
from wsdash.data.schema.ddl import post_data, pre_data

characters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(characters, max_size=40)
names = st.text(characters | st.sampled_from("\"'\\.$ ;-A"), min_size=1, max_size=15)


def test_a_literal_is_the_text_whatever_the_server_says_of_backslashes(pg18: Server) -> None:
    with asyncio.Runner() as runner:
        conn = runner.run(pg18.connect())

        @settings(max_examples=60, deadline=None)
        @given(texts, st.sampled_from(["on", "off"]))
        def check(text: str, conforming: str) -> None:
            runner.run(conn.execute(f"SET standard_conforming_strings = {conforming}"))
            assert runner.run(conn.fetchval(f"SELECT {literal(text)}")) == text

        check()
        runner.run(conn.close())


def test_any_names_are_carried_as_they_are(pg18: Server) -> None:
    async def carry(schema: str, table: str, column: str) -> None:
        conn = await pg18.connect()
        try:
            await conn.execute(f"CREATE SCHEMA {ident(schema)}")
            await conn.execute(f"CREATE TABLE {ident(schema, table)} ({ident(column)} serial PRIMARY KEY)")
            await conn.execute(f"COMMENT ON COLUMN {ident(schema, table, column)} IS {literal(column)}")
            before = await read_catalog(conn, schema)
            await conn.execute(f"DROP SCHEMA {ident(schema)} CASCADE")
            for statement in pre_data(before) + post_data(before):
                await conn.execute(statement.sql)
            after = await read_catalog(conn, schema)
            assert after.tables == before.tables
            assert after.items == before.items
            assert after.tables[0].columns[0].comment == column
        finally:
            await conn.execute(f"DROP SCHEMA IF EXISTS {ident(schema)} CASCADE")
            await conn.close()

    @settings(max_examples=15, deadline=None)
    @given(names.filter(lambda name: not name.startswith("pg_") and name != "public"), names, names)
    def check(schema: str, table: str, column: str) -> None:
        asyncio.run(carry(schema, table, column))

    check()
