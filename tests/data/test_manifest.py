"""Invariant 2: the target is only overwritten when it is ours or empty, and the manifest knows which."""

from __future__ import annotations

import pytest

from tests.data.copying import carry, checksums, fetch, ignore, prepare, request_of, run_sql
from wsdash.data.copy.manifest import ForeignRows, inspect_target
from wsdash.data.copy.run import copied_state, copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.ddl import post_data
from wsdash.data.tables.shape import Table
from wsdash.errors import RefusedError

TWO = """
CREATE SCHEMA s;
CREATE TABLE s.t (id int PRIMARY KEY, a text);
CREATE TABLE s.u (id int PRIMARY KEY REFERENCES s.t);
INSERT INTO s.t SELECT n, 'ours' FROM generate_series(1, 100) n;
INSERT INTO s.u SELECT n FROM generate_series(1, 50) n;
"""


async def foreign(target: Endpoint, tables: tuple[Table, ...], run: str = "run-1") -> list[ForeignRows]:
    async with connection(target, read_only=True) as conn:
        return await inspect_target(conn, tables, run)


async def test_an_empty_or_missing_table_is_nobodys(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TWO)
    catalog = await prepare(source, target)
    assert await foreign(target, (*catalog.tables, Table("no", "where", ()))) == []


async def test_rows_that_were_there_before_are_foreign_and_stop_the_copy(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, TWO)
    catalog = await prepare(source, target)
    await run_sql(target, "INSERT INTO s.t VALUES (1, 'theirs'), (2, 'theirs')")
    assert await foreign(target, catalog.tables) == [ForeignRows("s.t", rows=2, changed=0, total=2)]
    with pytest.raises(RefusedError) as caught:
        await copy_tables(request_of(source, target, catalog), ignore)
    assert "s.t: 2 rows" in caught.value.what
    assert "--force" in caught.value.remedy
    assert [tuple(r) for r in await fetch(target, "SELECT * FROM s.t ORDER BY 1")] == [
        (1, "theirs"),
        (2, "theirs"),
    ]
    assert await fetch(target, "SELECT * FROM s.u") == []


async def test_with_force_foreign_rows_are_written_over(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TWO)
    catalog = await prepare(source, target)
    await run_sql(target, "INSERT INTO s.t VALUES (1000, 'theirs')")
    await copy_tables(request_of(source, target, catalog, force=True), ignore)
    assert await checksums(target, catalog) == await checksums(source, catalog)
    assert await foreign(target, catalog.tables) == []


@pytest.mark.parametrize(
    ("change", "rows", "changed", "total"),
    [
        ("INSERT INTO s.t VALUES (1000, 'theirs')", 1, 0, 101),
        ("UPDATE s.t SET a = 'theirs' WHERE id = 70", 1, 1, 100),
        ("DELETE FROM s.t WHERE id IN (98, 99)", 0, 2, 98),
        ("UPDATE s.t SET a = a WHERE id = 70", 1, 1, 100),
    ],
)
async def test_what_users_wrote_after_the_copy_counts_as_foreign(
    source: Endpoint, target: Endpoint, change: str, rows: int, changed: int, total: int
) -> None:
    await run_sql(source, TWO)
    catalog, _ = await carry(source, target)
    assert await foreign(target, catalog.tables) == []
    await run_sql(target, change)
    assert await foreign(target, catalog.tables) == [ForeignRows("s.t", rows, changed, total)]
    before = await checksums(target, catalog)
    with pytest.raises(RefusedError, match=r"s\.t"):
        await copy_tables(request_of(source, target, catalog), ignore)
    assert await checksums(target, catalog) == before
    await copy_tables(request_of(source, target, catalog, force=True), ignore)
    assert await checksums(target, catalog) == await checksums(source, catalog)


async def test_vacuum_and_rewriting_do_not_make_our_rows_foreign(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TWO)
    catalog, _ = await carry(source, target)
    await run_sql(target, "VACUUM (FREEZE) s.t", "VACUUM FULL s.t", "CLUSTER s.t USING t_pkey")
    assert await foreign(target, catalog.tables) == []


async def test_another_runs_rows_are_foreign(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TWO)
    catalog, _ = await carry(source, target)
    with pytest.raises(RefusedError):
        await copy_tables(request_of(source, target, catalog, run="run-2"), ignore)
    await copy_tables(request_of(source, target, catalog, run="run-2", force=True), ignore)
    assert await foreign(target, catalog.tables, "run-2") == []
    assert await checksums(target, catalog) == await checksums(source, catalog)


async def test_the_state_tells_what_is_missing(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TWO)
    catalog = await prepare(source, target)

    async def state(run: str = "run-1") -> tuple[bool, str]:
        async with connection(target, read_only=True) as conn:
            found = await copied_state(conn, catalog.tables, run, post_data(catalog))
            return found.complete, found.text

    assert await state() == (False, "not copied yet: s.t, s.u")
    await copy_tables(request_of(source, target, catalog, post=False), ignore)
    complete, text = await state()
    assert not complete
    assert "150 rows are copied" in text
    assert "s.t.t_pkey" in text
    await copy_tables(request_of(source, target, catalog), ignore)
    complete, text = await state()
    assert complete
    assert text.startswith("150 rows in 2 tables")
    assert (await state("run-2"))[0] is False
    await run_sql(target, "ALTER TABLE s.u DROP CONSTRAINT u_id_fkey")
    complete, text = await state()
    assert not complete
    assert "u_id_fkey" in text


async def test_users_writing_after_a_complete_copy_do_not_undo_it(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TWO)
    catalog, _ = await carry(source, target)
    await run_sql(target, "UPDATE s.t SET a = 'users'; INSERT INTO s.t VALUES (1000, 'users')")
    async with connection(target, read_only=True) as conn:
        assert (await copied_state(conn, catalog.tables, "run-1", post_data(catalog))).complete
