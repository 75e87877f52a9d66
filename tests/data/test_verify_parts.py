"""Parts of a table: both servers divide alike, each row is in one part, and few parts are opened."""

from __future__ import annotations

import asyncpg
import pytest

from tests.data.copying import catalog_of, run_sql
from tests.data.test_verify import verify
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.tables.shape import Table
from wsdash.data.verify.checksum import NULLS, Parts, by_hash, range_column, rows_guessed, sample_borders
from wsdash.data.verify.diff import Differing, sums_of

KEYS = {
    "smallint": "(n - 500)::smallint",
    "integer": "n * 7 - 3000",
    "bigint": "n * 10000000000",
    "uuid": "md5(n::text)::uuid",
    "date": "CASE n WHEN 1 THEN '-infinity' ELSE '2020-01-01'::date + n END",
    "timestamp with time zone": "CASE n WHEN 1 THEN 'infinity' ELSE '0044-03-15 BC'::timestamptz "
    "+ n * interval '1 day' END",
    "timestamp(3) without time zone": "'2020-01-01'::timestamp + n * interval '1 ms'",
    "text": "chr(64 + n % 60) || n || 'é'",
    "character varying(40)": r"left(md5(n::text), 9) || '\'''",
}
"""Types a table can be cut by, and a thousand values of each."""


async def filled(endpoint: Endpoint, type_: str, more: str = "") -> Table:
    await run_sql(
        endpoint,
        f"CREATE SCHEMA s; CREATE TABLE s.t (k {type_} PRIMARY KEY, a text);"
        f"INSERT INTO s.t SELECT {KEYS[type_]}, repeat('x', 300) FROM generate_series(1, 1000) n; {more}",
    )
    return (await catalog_of(endpoint)).tables[0]


@pytest.mark.parametrize("type_", KEYS)
async def test_each_row_is_in_one_part_and_both_servers_agree_in_which(
    source: Endpoint, target: Endpoint, type_: str
) -> None:
    table = await filled(source, type_)
    await filled(target, type_)
    column = range_column(table, table.copied_columns, {"k": type_})
    assert column is not None
    async with connection(source, read_only=True) as old, connection(target, read_only=True) as new:
        parts = Parts(column=column, borders=await sample_borders(old, table, column))
        assert parts.number > 16
        query = parts.sums_query(old, table, table.copied_columns)
        sums = [sums_of(list(await conn.fetch(query))) for conn in (old, new)]
        assert sums[0] == sums[1]
        assert sum(part[0] for part in sums[0].values()) == 1000
        for number in (*list(sums[0])[:3], *list(sums[0])[-3:]):
            condition = parts.condition(old, table.copied_columns, [number])
            for conn in (old, new):
                rows = await conn.fetchval(f"SELECT count(*) FROM s.t WHERE {condition}")
                assert rows == sums[0][number][0]


async def test_a_part_is_read_through_the_key(source: Endpoint) -> None:
    table = await filled(source, "uuid", "ANALYZE s.t")
    async with connection(source, read_only=True) as conn:
        parts = Parts(column=table.columns[0], borders=await sample_borders(conn, table, table.columns[0]))
        condition = parts.condition(conn, table.columns, [3])
        plan = await conn.fetch(f"EXPLAIN SELECT * FROM s.t WHERE {condition}")
        assert "t_pkey" in "".join(row[0] for row in plan)


async def test_a_missing_value_has_a_part_of_its_own(target: Endpoint) -> None:
    await run_sql(target, "CREATE SCHEMA s; CREATE TABLE s.t (k int); INSERT INTO s.t VALUES (1), (NULL)")
    table = (await catalog_of(target)).tables[0]
    parts = Parts(column=table.columns[0], borders=("5",))
    async with connection(target, read_only=True) as conn:
        sums = sums_of(list(await conn.fetch(parts.sums_query(conn, table, table.columns))))
        assert {number: part[0] for number, part in sums.items()} == {0: 1, NULLS: 1}
        condition = parts.condition(conn, table.columns, [NULLS])
        assert await conn.fetchval(f"SELECT count(*) FROM s.t WHERE {condition}") == 1


def test_small_tables_are_not_divided_and_hashes_are_bounded() -> None:
    assert by_hash(1000) == Parts()
    assert by_hash(10**6).count == by_hash(10**9).count == 4096
    assert rows_guessed(Table("s", "t", (), bytes=256_000)) == 1000


async def test_a_key_of_another_type_in_the_target_is_not_cut(source: Endpoint) -> None:
    table = await filled(source, "uuid")
    assert range_column(table, table.columns, {"k": "uuid"}) is not None
    assert range_column(table, table.columns, {"k": "text"}) is None
    assert range_column(table, table.columns[1:], {"a": "text"}) is None


BIG = (
    "CREATE SCHEMA s; CREATE TABLE s.t (id int{key}, a text);"
    "INSERT INTO s.t SELECT n, md5(n::text) FROM generate_series(1, 40000) n; ANALYZE s.t"
)


async def test_the_hashing_is_shared_by_parallel_workers(source: Endpoint) -> None:
    await run_sql(source, BIG.format(key=" PRIMARY KEY"))
    table = (await catalog_of(source)).tables[0]
    async with connection(source, read_only=True) as conn:
        await conn.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0")
        await conn.execute("SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2")
        ranges = Parts(column=table.columns[0], borders=("100", "200"))
        for parts in (Parts(), Parts(count=64), ranges):
            query = parts.sums_query(conn, table, table.columns)
            plan = [row[0] for row in await conn.fetch(f"EXPLAIN {query}")]
            gather = next(place for place, line in enumerate(plan) if "Gather" in line)
            assert any("Partial" in line for line in plan[gather:]), "\n".join(plan)


class Fetched:
    """Counts the rows that cross the wire."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        real = asyncpg.Connection.fetch

        async def fetch(
            conn: asyncpg.Connection, query: str, *arguments: object, **options: object
        ) -> object:
            rows = await real(conn, query, *arguments, **options)  # type: ignore[call-overload]
            self.rows += len(rows) if "cells" in query else 0
            return rows

        monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)


@pytest.mark.parametrize("key", [" PRIMARY KEY", ""], ids=["keyed", "keyless"])
async def test_when_every_row_differs_few_are_read_and_the_number_is_told(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    await run_sql(source, BIG.format(key=key))
    await run_sql(target, BIG.format(key=key), "UPDATE s.t SET a = a || '!'")
    fetched = Fetched(monkeypatch)
    (result,) = await verify(source, target)
    assert len(result.differences) == 20
    about, number = result.differences[-1].removeprefix("and more: ").split()[:2]
    assert about == "about"
    told = int(number.replace(",", ""))
    expected = 40_000 if key else 80_000  # of a multiset, each side's row differs
    assert expected * 0.7 < told < expected * 1.3
    assert fetched.rows < 10_000


async def test_fifty_differing_rows_are_counted_exactly(source: Endpoint, target: Endpoint) -> None:
    sql = "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a text);"
    sql += "INSERT INTO s.t SELECT n, 'x' FROM generate_series(1, 1000) n"
    await run_sql(source, sql)
    await run_sql(target, sql, "UPDATE s.t SET a = 'y' WHERE id <= 50")
    (result,) = await verify(source, target)
    assert result.differences[-1] == "and more: 50 rows of s.t differ"


async def test_a_missing_half_is_told_by_its_size(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, BIG.format(key=" PRIMARY KEY"))
    await run_sql(target, BIG.format(key=" PRIMARY KEY"), "DELETE FROM s.t WHERE id > 20000")
    (result,) = await verify(source, target)
    assert "only in pg16, missing in pg18" in result.differences[0]
    told = int(result.differences[-1].split("about ")[1].split()[0].replace(",", ""))
    assert 20_000 <= told < 26_000


async def test_borders_that_mislead_never_hide_a_difference(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, BIG.format(key=" PRIMARY KEY"))
    await run_sql(target, BIG.format(key=" PRIMARY KEY"), "UPDATE s.t SET a = 'x' WHERE id = 33333")
    monkeypatch.setattr(Parts, "_between", lambda *_: "false")
    (result,) = await verify(source, target)
    assert [line.split(":")[0] for line in result.differences] == ["id='33333'"]


def test_the_whole_is_the_sum_of_its_parts() -> None:
    found = Differing(Table("s", "t", ()), (), Parts(count=2), {0: (1, 2, 3), 1: (4, 5, 6)}, {1: (1, 1, 1)})
    assert found.undivided().old == {0: (5, 7, 9)}
    assert found.undivided().new == {0: (1, 1, 1)}
