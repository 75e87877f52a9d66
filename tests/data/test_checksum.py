"""Checksums: equal for equal content on both versions, different for every change of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.servers import Server
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.tables.shape import Column, Table
from wsdash.data.verify.checksum import NO_ROWS, TableChecksum, checksum_table, row_source

TWO = Table("s", "t", (Column("a", "integer"), Column("b", "text")))
ALTERED = """
CREATE SCHEMA s;
CREATE TYPE s.mood AS ENUM ('sad', 'it''s "ok"');
CREATE TYPE s.pair AS (x int, y text);
"""
NASTY = (
    ("float8", "'NaN'", "'Infinity'", "'-0'", "0.1::float8 + 0.2"),
    ("float4", "'NaN'", "1e-40", "3.4028235e38"),
    ("numeric", "'NaN'", "repeat('9', 1000)::numeric", "1.000", "1.0", "'Infinity'"),
    ("timestamptz", "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'294276-12-31 23:59:59.999999+00'"),
    ("timestamp", "'infinity'", "'2025-02-28 23:59:59.000001'"),
    ("date", "'infinity'", "'5874897-12-31'"),
    ("interval", "'-1 mon +3 days -04:05:06.7'", "'178000000 years'"),
    ("text", "''", "NULL", "'NULL'", "',()\"\\ \n\t'", "'😀漢字\u0301ß'"),
    ("bytea", "'\\x00ff'", "''"),
    ("jsonb", '\'{"b": [1.0, 1.00, null], "a": 1e2}\'', "'null'"),
    (
        "json",
        '\'{"a": 1, "a" : 2}\'',
    ),
    ("text[]", "'{}'", '\'{NULL,"NULL",""}\'', "'[2:3]={a,b}'", "'{{1,2},{3,4}}'"),
    ("s.mood", "'sad'", "'it''s \"ok\"'"),
    ("s.mood[]", "'{sad,NULL}'"),
    ("s.pair", "ROW(1, NULL)", "ROW(NULL, '')", "ROW(2, ',')"),
    ("int4range", "'[1,5)'", "'empty'", "'(,)'"),
    ("tstzrange", "'[2025-01-01, infinity)'"),
    ("int4multirange", "'{[1,2),[5,7)}'"),
    ("money", "'12.34'", "'-0.01'"),
    ('"char"', "'a'", "'z'"),
    ("char(5)", "'a'", "''"),
    ("inet", "'::1'", "'10.0.0.1/8'"),
    ("uuid", "'00000000-0000-0000-0000-000000000000'"),
    ("bit varying", "B'101'", "B''"),
    ("time with time zone", "'24:00:00-15:59'"),
    ("boolean", "true", "false"),
    ("point", "'(1e300,-0)'"),
)


@pytest.fixture
async def both(
    source: Endpoint, target: Endpoint
) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    async with connection(source, read_only=False) as old, connection(target, read_only=False) as new:
        yield old, new


async def make(conn: asyncpg.Connection, values: str, columns: str = "a int, b text") -> None:
    await conn.execute(f"DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s; CREATE TABLE s.t ({columns})")
    if values:
        await conn.execute(f"INSERT INTO s.t VALUES {values}")


async def test_no_rows_have_a_fixed_checksum(both: tuple[asyncpg.Connection, asyncpg.Connection]) -> None:
    for conn in both:
        await make(conn, "")
        assert await checksum_table(conn, TWO) == NO_ROWS == TableChecksum(0, "0" * 32)


async def test_the_order_of_rows_and_columns_does_not_matter(
    both: tuple[asyncpg.Connection, asyncpg.Connection],
) -> None:
    old, new = both
    await make(old, "(1, 'x'), (2, NULL), (3, '')")
    await make(new, "('', 3), ('x', 1), (NULL, 2)", "b text, a int")
    turned = Table("s", "t", TWO.columns[::-1])
    assert await checksum_table(old, TWO) == await checksum_table(new, turned)


@pytest.mark.parametrize("values", NASTY, ids=lambda values: values[0])
async def test_nasty_values_hash_alike_on_both_versions(
    both: tuple[asyncpg.Connection, asyncpg.Connection], values: tuple[str, ...]
) -> None:
    table = Table("s", "t", (Column("v", values[0]), Column("n", "integer")))
    found = []
    for conn in both:
        await conn.execute(ALTERED + f"CREATE TABLE s.t (n serial, v {values[0]})")
        for value in values[1:]:
            await conn.execute(f"INSERT INTO s.t (v) VALUES ({value})")
        found.append(await checksum_table(conn, table))
    assert found[0] == found[1]
    assert found[0].rows == len(values) - 1


async def test_a_high_char_hashes_alike_though_its_text_form_changed(
    both: tuple[asyncpg.Connection, asyncpg.Connection],
) -> None:
    table = Table("s", "t", (Column("v", '"char"'),))
    for conn in both:
        await make(conn, '((-100)::"char")', 'v "char"')
    assert await checksum_table(both[0], table) == await checksum_table(both[1], table)


async def test_user_type_oids_and_dropped_columns_do_not_matter(
    both: tuple[asyncpg.Connection, asyncpg.Connection],
) -> None:
    old, new = both
    await old.execute(ALTERED + "CREATE TABLE s.t (gone int, v s.mood[]); ALTER TABLE s.t DROP gone")
    await new.execute("CREATE TYPE public.other AS ENUM ('z');" + ALTERED + "CREATE TABLE s.t (v s.mood[])")
    for conn in both:
        await conn.execute("INSERT INTO s.t VALUES ('{sad}')")
    table = Table("s", "t", (Column("v", "s.mood[]"),))
    assert await checksum_table(old, table) == await checksum_table(new, table)


async def test_a_latin1_database_hashes_as_a_utf8_one(pg16: Server, target: Endpoint) -> None:
    table = Table("s", "t", (Column("v", "text"),))
    await pg16.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    try:
        sums = []
        for endpoint in (pg16.endpoint("latin"), target):
            async with connection(endpoint, read_only=False) as conn:
                await make(conn, "('ação ß'), ('a')", "v text")
                sums.append(await checksum_table(conn, table))
        assert sums[0] == sums[1]
    finally:
        await pg16.drop_database("latin")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(1, 'x'), (2, 'y')", "(1, 'y'), (2, 'x')"),
        ("(1, 'x'), (1, 'x')", "(1, 'x'), (1, 'x'), (1, 'x')"),
        ("(1, 'x'), (1, 'x')", "(2, 'y'), (2, 'y')"),
        ("(1, NULL)", "(1, '')"),
        ("(NULL, '1')", "(1, NULL)"),
        ("(1, 'x')", "(1, 'x ')"),
        ("(1, 'é')", "(1, 'e\u0301')"),
    ],
)
async def test_different_content_has_a_different_checksum(source: Endpoint, one: str, other: str) -> None:
    async with connection(source, read_only=False) as conn:
        await make(conn, one)
        before = await checksum_table(conn, TWO)
        await make(conn, other)
        assert (await checksum_table(conn, TWO)).checksum != before.checksum


async def test_checksums_of_parts_add_up(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await make(conn, "(1, 'x'), (2, 'y'), (3, 'z'), (4, NULL), (5, '')")
        parts = [await checksum_table(conn, TWO, where=where) for where in ("a < 3", "a >= 3")]
        assert parts[0] + parts[1] == await checksum_table(conn, TWO)


async def test_generated_columns_do_not_travel(source: Endpoint) -> None:
    table = Table("s", "t", (Column("a", "integer"), Column('g"', "integer", generated="s")))
    async with connection(source, read_only=False) as conn:
        await make(conn, "", 'a int, "g""" int GENERATED ALWAYS AS (a * 2) STORED')
        assert row_source(table) == 'SELECT "a" FROM "s"."t"'
        assert await conn.fetch(row_source(table)) == []


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(st.integers(-5, 5) | st.none(), st.text('ab,"\\( ', max_size=3) | st.none()), max_size=6
    ),
    st.data(),
)
async def test_equal_multisets_and_only_they_hash_alike(
    source: Endpoint, rows: list[tuple[int | None, str | None]], data: st.DataObject
) -> None:
    other = data.draw(
        st.permutations(rows)
        | st.lists(
            st.tuples(st.integers(-5, 5) | st.none(), st.text('ab,"\\( ', max_size=3) | st.none()), max_size=6
        )
    )
    async with connection(source, read_only=False) as conn:
        sums = []
        for content in (rows, other):
            await make(conn, "")
            await conn.executemany("INSERT INTO s.t VALUES ($1, $2)", content)
            sums.append(await checksum_table(conn, TWO))
    assert (sums[0] == sums[1]) == (sorted(map(repr, rows)) == sorted(map(repr, other)))


SETTINGS = (
    ("TimeZone", "'Asia/Kolkata'"),
    ("DateStyle", "'German, DMY'"),
    ("IntervalStyle", "'iso_8601'"),
    ("extra_float_digits", "'-15'"),
    ("bytea_output", "'escape'"),
    ("xmlbinary", "'hex'"),
    ("search_path", "'s'"),
)


async def test_the_settings_of_a_database_and_its_role_do_not_matter(
    source: Endpoint, target: Endpoint
) -> None:
    columns = (
        "a timestamptz, b interval, c float8, d bytea, e date, f tstzrange, g s.pair, h char(5), i numeric"
    )
    values = (
        "('2025-03-01 12:00Z', '1 mon -2 days 03:04:05.6', 0.1::float8 + 0.2, '\\x00ff', '2025-12-31', "
        "'[2025-01-01Z,2025-02-01Z)', ROW(1, 'x'), 'a', 1.500)"
    )
    table = Table("s", "t", tuple(Column(part[0], part[2:]) for part in columns.split(", ")))
    sums = []
    for endpoint, odd in ((source, False), (target, True)):
        async with connection(endpoint, read_only=False) as conn:
            await conn.execute(f"{ALTERED} CREATE TABLE s.t ({columns}); INSERT INTO s.t VALUES {values}")
            for name, value in SETTINGS if odd else ():
                await conn.execute(f'ALTER DATABASE "{endpoint.database}" SET {name} = {value}')
                await conn.execute(
                    f'ALTER ROLE {endpoint.user} IN DATABASE "{endpoint.database}" SET {name} = {value}'
                )
        async with connection(endpoint, read_only=True) as conn:
            sums.append(await checksum_table(conn, table))
    assert sums[0] == sums[1]
    assert sums[0].rows == 1


async def test_trailing_zeros_of_a_number_are_content(source: Endpoint) -> None:
    table = Table("s", "t", (Column("v", "numeric"),))
    async with connection(source, read_only=False) as conn:
        await make(conn, "(1.0)", "v numeric")
        before = await checksum_table(conn, table)
        await make(conn, "(1.00)", "v numeric")
        assert await checksum_table(conn, table) != before


async def test_high_chars_in_an_array_hash_alike_though_their_text_form_changed(
    both: tuple[asyncpg.Connection, asyncpg.Connection],
) -> None:
    table = Table("s", "t", (Column("v", '"char"[]'),))
    for conn in both:
        await make(conn, """(ARRAY[(-100)::"char", NULL, 'a'])""", 'v "char"[]')
    assert await checksum_table(both[0], table) == await checksum_table(both[1], table)
