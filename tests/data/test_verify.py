"""Verification: equal tables are never reported, and any single change is found and told by key and cell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.data.copying import carry, catalog_of, run_sql
from tests.data.models import INHERITANCE, PARTITIONS
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.tables.shape import Column, Table
from wsdash.data.verify.run import verify_tables
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import TableVerified

KEYED = """
CREATE SCHEMA s;
CREATE TABLE s.t (id int, part text, a text, n numeric, tags text[], PRIMARY KEY (id, part));
INSERT INTO s.t
SELECT n, 'p' || n % 2, 'value ' || n, n / 3.0, ARRAY['x', NULL] FROM generate_series(1, 500) n;
"""
KEYLESS = """
CREATE SCHEMA s;
CREATE TABLE s.t (a int, b text);
INSERT INTO s.t SELECT n % 10, 'b' FROM generate_series(1, 100) n;
"""


async def verify(source: Endpoint, target: Endpoint, tables: Sequence[Table] = ()) -> list[TableVerified]:
    return await verify_tables(
        source,
        target,
        tables or (await catalog_of(source)).tables,
        on_table=lambda _: None,
        workers=2,
    )


async def both(source: Endpoint, target: Endpoint, sql: str, *changes: str) -> TableVerified:
    await run_sql(source, sql)
    await run_sql(target, sql, *changes)
    (result,) = await verify(source, target)
    return result


async def test_equal_tables_match(source: Endpoint, target: Endpoint) -> None:
    result = await both(source, target, KEYED)
    assert result.match
    assert result.source_rows == result.target_rows == 500
    assert result.source_checksum == result.target_checksum
    assert result.differences == ()


async def test_a_changed_cell_is_told_by_key_with_both_values(source: Endpoint, target: Endpoint) -> None:
    result = await both(
        source, target, KEYED, "UPDATE s.t SET a = 'tampered, \"so\"', n = NULL WHERE id = 77"
    )
    assert not result.match
    assert result.differences == (
        "id='77', part='p1': a 'value 77' -> 'tampered, \"so\"'; n '25.6666666666666667' -> NULL",
    )


async def test_a_missing_and_an_extra_row_are_told_by_key(source: Endpoint, target: Endpoint) -> None:
    result = await both(
        source, target, KEYED, "DELETE FROM s.t WHERE id = 5", "INSERT INTO s.t VALUES (501, 'x')"
    )
    assert result.differences == (
        "id='5', part='p1': only in pg16, missing in pg18",
        "id='501', part='x': only in pg18, missing in pg16",
    )


async def test_values_swapped_between_two_rows_are_found(source: Endpoint, target: Endpoint) -> None:
    swap = "UPDATE s.t SET a = CASE id WHEN 1 THEN 'value 2' ELSE 'value 1' END WHERE id IN (1, 2)"
    result = await both(source, target, KEYED, swap)
    assert result.differences == (
        "id='1', part='p1': a 'value 1' -> 'value 2'",
        "id='2', part='p0': a 'value 2' -> 'value 1'",
    )


async def test_a_duplicated_row_is_found_where_the_target_lacks_the_key(
    source: Endpoint, target: Endpoint
) -> None:
    change = ("ALTER TABLE s.t DROP CONSTRAINT t_pkey", "INSERT INTO s.t SELECT * FROM s.t WHERE id = 9")
    result = await both(source, target, KEYED, *change)
    assert result.differences == ("id='9', part='p1': 1 times in pg16, 2 times in pg18",)


async def test_a_table_without_a_key_is_compared_as_a_multiset(source: Endpoint, target: Endpoint) -> None:
    result = await both(source, target, KEYLESS, "INSERT INTO s.t VALUES (3, 'b'), (3, NULL)")
    assert set(result.differences) == {
        "row (a='3', b='b'): 10 times in pg16, 11 times in pg18",
        "row (a='3', b=NULL): only in pg18, missing in pg16",
    }


async def test_a_keyless_table_in_another_order_matches(source: Endpoint, target: Endpoint) -> None:
    result = await both(source, target, KEYLESS, "UPDATE s.t SET b = b WHERE a % 2 = 0", "VACUUM FULL s.t")
    assert result.match


async def test_many_differences_are_cut_to_twenty_lines(source: Endpoint, target: Endpoint) -> None:
    result = await both(source, target, KEYED, "UPDATE s.t SET a = 'all'")
    assert len(result.differences) == 20
    assert result.differences[-1].startswith("and more: ")
    assert "a 'value " in result.differences[0]


async def test_an_empty_target_is_told_row_by_row(source: Endpoint, target: Endpoint) -> None:
    result = await both(source, target, KEYED, "TRUNCATE s.t")
    assert result.target_rows == 0
    assert result.target_checksum == "0" * 32
    assert "missing in pg18" in result.differences[0]


async def test_long_values_are_shortened_but_compared_whole(source: Endpoint, target: Endpoint) -> None:
    sql = (
        "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a text);"
        "INSERT INTO s.t VALUES (1, repeat('x', 9999))"
    )
    result = await both(source, target, sql, "UPDATE s.t SET a = left(a, 9998) || 'y'")
    assert len(result.differences) == 1
    assert len(result.differences[0]) < 400
    assert "…" in result.differences[0]


async def test_columns_in_another_order_match(source: Endpoint, target: Endpoint) -> None:
    await run_sql(
        source, "CREATE SCHEMA s; CREATE TABLE s.t (a int, b text); INSERT INTO s.t VALUES (1, 'x')"
    )
    await run_sql(target, "CREATE SCHEMA s; CREATE TABLE s.t (b text, extra int, a int)")
    await run_sql(target, "INSERT INTO s.t VALUES ('x', 5, 1)")
    (result,) = await verify(source, target)
    assert result.match


async def test_a_missing_column_and_a_missing_table_are_told(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, "CREATE SCHEMA s; CREATE TABLE s.t (a int, b text); CREATE TABLE s.u (a int)")
    await run_sql(source, "INSERT INTO s.t VALUES (1, 'x')", "INSERT INTO s.u VALUES (1)")
    await run_sql(target, "CREATE SCHEMA s; CREATE TABLE s.t (a int)", "INSERT INTO s.t VALUES (1)")
    t, u = await verify(source, target)
    assert not t.match
    assert t.differences == ("column b is missing in pg18",)
    assert not u.match
    assert u.source_rows == 1
    assert u.differences == ("table s.u is missing in pg18",)


@pytest.mark.parametrize("model", [PARTITIONS, INHERITANCE], ids=["partitions", "inheritance"])
async def test_a_hypertable_matches_its_plain_copy(source: Endpoint, target: Endpoint, model: str) -> None:
    await run_sql(source, model)
    catalog, _ = await carry(source, target, "workspace")
    results = await verify(source, target, catalog.tables)
    assert all(result.match for result in results)
    assert {result.name: result.source_rows for result in results}["workspace.workspace_items"] == 20
    await run_sql(target, "UPDATE workspace.workspace_items SET title = 'tampered' WHERE title = 'item 7'")
    results = await verify(source, target, catalog.tables)
    differing = {result.name: result.differences for result in results if not result.match}
    assert "title 'item 7' -> 'tampered'" in differing["workspace.workspace_items"][0]
    assert "only in pg18" in differing["workspace.workspace_audit_log"][0]
    assert len(differing) == 2


async def test_tables_are_told_as_they_come_and_returned_in_order(source: Endpoint, target: Endpoint) -> None:
    sql = "CREATE SCHEMA s;" + "".join(f"CREATE TABLE s.t{n} (a int);" for n in range(10))
    await run_sql(source, sql)
    await run_sql(target, sql)
    told: list[str] = []
    tables = (await catalog_of(source)).tables
    results = await verify_tables(
        source, target, tables, on_table=lambda result: told.append(result.name), workers=3
    )
    assert [result.name for result in results] == [table.qualified for table in tables]
    assert sorted(told) == sorted(result.name for result in results)


async def test_a_target_lost_in_between_is_told_and_nothing_hangs(source: Endpoint, target: Endpoint) -> None:
    slow = "CREATE SCHEMA s; CREATE VIEW s.v AS SELECT pg_sleep(60)::text AS a"
    await run_sql(source, slow)
    await run_sql(target, slow)
    table = Table("s", "v", (Column("a", "text"),))

    async def kill() -> None:
        await asyncio.sleep(0.5)
        async with connection(target, read_only=False) as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE '%hashtext%' AND pid <> pg_backend_pid()"
            )

    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        group.create_task(kill())
        with pytest.raises((UnreachableError, WsdashError), match=r"pg18|administrator"):
            await verify(source, target, [table])


async def test_verify_writes_nothing(source: Endpoint, target: Endpoint) -> None:
    await both(source, target, KEYED, "DELETE FROM s.t WHERE id = 1")
    for side in (source, target):
        async with connection(side, read_only=True) as conn:
            assert await conn.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'wsdash'") == 0
