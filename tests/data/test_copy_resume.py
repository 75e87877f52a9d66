"""A copy broken off anywhere and begun again ends with exactly the source's rows: none lost, none twice."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from tests.data.copying import carry, catalog_of, checksums, fetch, ignore, prepare, request_of, run_sql
from tests.data.models import PARTITIONS
from wsdash.data.catalog.read import Catalog
from wsdash.data.copy.manifest import finish_range, inspect_target
from wsdash.data.copy.run import copied_state, copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transfer import Pipe
from wsdash.data.schema.apply import run_statement
from wsdash.data.schema.ddl import post_data
from wsdash.errors import WsdashError
from wsdash.model import Progress

TABLES = """
CREATE SCHEMA s;
CREATE TABLE s.big (id int PRIMARY KEY, filler text);
CREATE TABLE s.keyless (a int, b text);
CREATE TABLE s.child (id int REFERENCES s.big, a text);
CREATE INDEX ON s.big (filler);
INSERT INTO s.big SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 6000) n;
INSERT INTO s.keyless SELECT n % 50, repeat('b', 300) FROM generate_series(1, 6000) n;
INSERT INTO s.child SELECT n, 'c' FROM generate_series(1, 2000) n;
"""
KILL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'wsdash' AND pid <> pg_backend_pid()"
)


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsdash.data.copy.plan.RANGE_BYTES", 200_000)


async def complete(target: Endpoint, catalog: Catalog, run: str = "run-1") -> bool:
    async with connection(target, read_only=True) as conn:
        return (await copied_state(conn, catalog.tables, run, post_data(catalog))).complete


async def equal(source: Endpoint, target: Endpoint, catalog: Catalog) -> bool:
    return await checksums(source, catalog) == await checksums(target, catalog)


def slow_down(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Pipe.put

    async def slow(self: Pipe, data: bytes) -> None:
        await real(self, data)
        await asyncio.sleep(0.01)

    monkeypatch.setattr(Pipe, "put", slow)


@pytest.mark.parametrize("how", ["cancelled", "target sessions killed", "source sessions killed"])
async def test_broken_off_at_random_points_it_ends_equal(
    source: Endpoint, target: Endpoint, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(monkeypatch)
    await run_sql(source, TABLES)
    catalog = await prepare(source, target)
    chance = random.Random(how)
    broken = 0
    for _ in range(6):
        delay = chance.uniform(0.02, 0.5)
        with suppress(WsdashError, TimeoutError):
            if how == "cancelled":
                async with asyncio.timeout(delay):
                    await copy_tables(request_of(source, target, catalog), ignore)
            else:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_kill_after(delay, source if "source" in how else target))
                    group.create_task(_tolerant(source, target, catalog))
        broken += not await complete(target, catalog)
    await copy_tables(request_of(source, target, catalog), ignore)
    assert broken
    assert await complete(target, catalog)
    assert await equal(source, target, catalog)


async def _kill_after(delay: float, endpoint: Endpoint) -> None:
    await asyncio.sleep(delay)
    async with connection(endpoint, read_only=False) as conn:
        await conn.execute("SET application_name = 'killer'")
        await conn.fetchval(KILL)


async def _tolerant(source: Endpoint, target: Endpoint, catalog: Catalog) -> None:
    with suppress(WsdashError):
        await copy_tables(request_of(source, target, catalog), ignore)


async def broken_off(source: Endpoint, target: Endpoint, catalog: Catalog) -> int:
    """Copy until some ranges are committed and some are not; returns how many are."""

    class Enough(Exception):
        pass

    carried = 0

    async def count() -> int:
        rows = await fetch(
            target, "SELECT count(*) FILTER (WHERE finished_at IS NOT NULL) FROM wsdash.load_ranges"
        )
        found: int = rows[0][0]
        return found

    async def finish(*arguments: object) -> None:
        nonlocal carried
        carried += 1
        if carried > 7:
            raise Enough
        await finish_range(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wsdash.data.copy.load.finish_range", finish)
        with pytest.raises(Enough):
            await copy_tables(request_of(source, target, catalog, workers=2), ignore)
    return await count()


async def test_a_resumed_copy_keeps_what_is_there(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TABLES)
    catalog = await prepare(source, target)
    kept = await broken_off(source, target, catalog)
    assert 0 < kept <= 7
    before = {
        r["xid"] for r in await fetch(target, "SELECT xid FROM wsdash.load_ranges WHERE xid IS NOT NULL")
    }
    assert not await complete(target, catalog)
    await copy_tables(request_of(source, target, catalog), ignore)
    after = {r["xid"] for r in await fetch(target, "SELECT xid FROM wsdash.load_ranges")}
    assert before < after
    assert await equal(source, target, catalog)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE s.big SET filler = 'changed' WHERE id = 1",
        "DELETE FROM s.big WHERE id > 2000 AND id % 2 = 0",
        "INSERT INTO s.big VALUES (0, 'new')",
        "UPDATE s.big SET filler = filler || 'x'",
        "UPDATE s.keyless SET b = 'changed' WHERE a = 7",
    ],
)
async def test_a_source_that_changed_in_between_is_copied_as_it_is_now(
    source: Endpoint, target: Endpoint, change: str
) -> None:
    await run_sql(source, TABLES)
    catalog = await prepare(source, target)
    await broken_off(source, target, catalog)
    await run_sql(source, change, "VACUUM s.big", "VACUUM s.keyless")
    await copy_tables(request_of(source, target, catalog), ignore)
    assert await equal(source, target, catalog)


async def test_a_source_rewritten_in_between_is_copied_exactly(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TABLES)
    catalog = await prepare(source, target)
    await broken_off(source, target, catalog)
    await run_sql(
        source,
        "DELETE FROM s.big WHERE id % 3 = 0 AND id > 2000",
        "VACUUM FULL s.big",
        "VACUUM FULL s.keyless",
    )
    await copy_tables(request_of(source, target, catalog), ignore)
    assert await equal(source, target, catalog)


async def test_a_complete_copy_is_not_copied_again(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TABLES)
    catalog, first = await carry(source, target)
    before = await fetch(target, "SELECT * FROM wsdash.load_ranges ORDER BY 1, 2, 3, 4")
    second = await copy_tables(request_of(source, target, catalog), ignore)
    assert await fetch(target, "SELECT * FROM wsdash.load_ranges ORDER BY 1, 2, 3, 4") == before
    assert first.tables == second.tables
    assert [name for name in second.made if "seq" not in name] == []


async def test_a_source_changed_after_a_complete_copy_is_copied_anew_through_its_foreign_keys(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, TABLES)
    catalog, _ = await carry(source, target)
    await run_sql(source, "UPDATE s.big SET filler = 'later' WHERE id = 3")
    await copy_tables(request_of(source, target, catalog), ignore)
    assert await equal(source, target, catalog)


async def test_a_table_emptied_by_somebody_is_filled_again(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TABLES)
    catalog, _ = await carry(source, target)
    await run_sql(target, "TRUNCATE s.keyless")
    assert not await complete(target, catalog)
    await copy_tables(request_of(source, target, catalog), ignore)
    assert await equal(source, target, catalog)
    assert await complete(target, catalog)


async def test_broken_off_among_the_indexes_it_builds_the_rest(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, PARTITIONS)
    catalog = await prepare(source, target, "workspace")
    ran = 0

    async def fail_late(*arguments: object) -> None:
        nonlocal ran
        ran += 1
        if ran in (4, 9, 14, 19):
            raise WsdashError("struck by lightning")
        await run_statement(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("wsdash.data.copy.indexes.run_statement", fail_late)
    failures = 0
    for _ in range(6):
        with suppress(WsdashError):
            await copy_tables(request_of(source, target, catalog), ignore)
        failures += not await complete(target, catalog)
    assert failures >= 3
    assert await complete(target, catalog)
    assert await equal(source, target, catalog)


async def test_after_a_crash_our_own_rows_are_not_foreign(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TABLES)
    catalog = await prepare(source, target)
    await broken_off(source, target, catalog)
    async with connection(target, read_only=True) as conn:
        assert await inspect_target(conn, catalog.tables, "run-1") == []
        assert await inspect_target(conn, catalog.tables, "run-2") != []


async def test_progress_is_told_for_every_table(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TABLES)
    told: list[Progress] = []
    await carry(source, target, on_progress=told.append)
    copied = {e.subject: e for e in told if e.activity == "copying" and e.finished}
    assert {name: event.rows for name, event in copied.items()} == {
        "s.big": 6000,
        "s.keyless": 6000,
        "s.child": 2000,
    }
    assert all(event.rows == event.total_rows and event.bytes > 0 for event in copied.values())
    assert {e.item for e in told} == {"migrate-data"}
    assert any(e.activity == "indexing" and "big" in e.subject for e in told)


async def test_a_tables_chunks_that_appear_between_the_runs_are_carried_too(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, PARTITIONS)
    catalog = await prepare(source, target, "workspace")
    await run_sql(
        source,
        "CREATE TABLE _timescaledb_internal.new_chunk PARTITION OF workspace.workspace_items "
        "FOR VALUES FROM ('2025-03-01') TO ('2025-04-01')",
        "INSERT INTO workspace.workspace_items (title, category, created_at) "
        "VALUES ('new', 'x', '2025-03-05')",
    )
    await copy_tables(request_of(source, target, catalog), ignore)
    assert await equal(source, target, catalog)
    assert await catalog_of(source, "workspace") != catalog
