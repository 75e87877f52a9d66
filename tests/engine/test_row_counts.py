"""Counting for the row-diff pane, on real servers: exact while that is cheap, else estimated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
import pytest

from tests.data.copying import run_sql
from tests.data.models import INHERITANCE, PARTITIONS
from tests.support.processes import until
from tests.support.servers import PASSWORD_ENV
from tests.watch.support import EPOCH, FakeClock
from wsdash.config import DatabaseSettings, Settings, load_settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.engine.counting import rows as rows
from wsdash.engine.counting.rows import RowWatch, count_rows
from wsdash.errors import UnreachableError
from wsdash.model import RowsReading

TABLE = "CREATE SCHEMA workspace; CREATE TABLE workspace.t (a int); "
FLUSH = "SELECT pg_stat_force_next_flush()"
"""The server's statistics tell of a change at once, not within a second."""


def settings_of(source: Endpoint, target: Endpoint) -> Settings:
    def side(end: Endpoint) -> DatabaseSettings:
        place = (end.label, end.host, end.port, end.database, end.user)
        return DatabaseSettings(*place, schema="workspace", password_env=PASSWORD_ENV)

    return msgspec.structs.replace(load_settings(), source=side(source), target=side(target))


async def change(endpoint: Endpoint, sql: str) -> None:
    async with connection(endpoint, read_only=False) as conn:
        await conn.execute(FLUSH)
        await conn.execute(sql)


@dataclass
class Costly:
    """Counting takes `seconds` of the watch's time, however quick the server is."""

    clock: FakeClock
    seconds: float = 0.0
    counts: int = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real: Callable[..., Awaitable[int]] = rows._exact

        async def exact(*arguments: object) -> int:
            self.counts += 1
            self.clock.stall(self.seconds)
            return await real(*arguments)

        monkeypatch.setattr(rows, "_exact", exact)


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> Costly:
    found = Costly(FakeClock())
    found.install(monkeypatch)
    return found


async def test_cheap_counts_are_exact_every_time(source: Endpoint, target: Endpoint, costly: Costly) -> None:
    await run_sql(source, TABLE + "INSERT INTO workspace.t VALUES (1), (2), (3)")
    await run_sql(target, TABLE)
    watch = RowWatch(settings_of(source, target), costly.clock)
    assert await watch() == [RowsReading("workspace.t", 3, 0, False, EPOCH)]
    await run_sql(target, "INSERT INTO workspace.t VALUES (1)")
    costly.clock.stall(2)
    assert await watch() == [RowsReading("workspace.t", 3, 1, False, EPOCH + 2)]


async def test_between_costly_counts_the_servers_statistics_carry_the_number_on(
    source: Endpoint, target: Endpoint, costly: Costly
) -> None:
    for side in (source, target):
        await run_sql(side, TABLE + "INSERT INTO workspace.t SELECT generate_series(1, 1000)")
    costly.seconds = 1.0
    watch = RowWatch(settings_of(source, target), costly.clock)
    (first,) = await watch()
    assert not first.estimated
    await change(target, "DELETE FROM workspace.t WHERE a <= 10")
    await change(source, "INSERT INTO workspace.t VALUES (0)")
    costly.clock.stall(2)
    assert await watch() == [RowsReading("workspace.t", 1001, 990, True, first.exact_at)]


async def test_exact_counting_takes_a_twentieth_of_the_time(
    source: Endpoint, target: Endpoint, costly: Costly
) -> None:
    for side in (source, target):
        await run_sql(side, TABLE + "CREATE TABLE workspace.u (a int)")
    costly.seconds = 0.5
    watch = RowWatch(settings_of(source, target), costly.clock)
    begun = costly.clock.monotonic()
    for _ in range(120):
        readings = await watch()
        assert len(readings) == 2
        costly.clock.stall(2)
    passed = costly.clock.monotonic() - begun
    assert 0.03 < costly.counts * costly.seconds / passed < 0.06


async def test_a_truncated_table_is_counted_anew_at_once(
    source: Endpoint, target: Endpoint, costly: Costly
) -> None:
    for side in (source, target):
        await run_sql(side, TABLE + "INSERT INTO workspace.t SELECT generate_series(1, 1000)")
    costly.seconds = 5.0
    watch = RowWatch(settings_of(source, target), costly.clock)
    await watch()
    await run_sql(target, "TRUNCATE workspace.t")
    (reading,) = await watch()
    assert (reading.source, reading.target, reading.estimated) == (1000, 0, False)


@pytest.mark.parametrize("model", [PARTITIONS, INHERITANCE], ids=["partitions", "inheritance"])
async def test_a_hypertables_chunks_are_summed_where_it_cannot_be_counted(
    source: Endpoint, target: Endpoint, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, model, "ANALYZE")

    async def too_long(*_: object) -> int:
        raise TimeoutError

    monkeypatch.setattr(rows, "_exact", too_long)
    readings = {reading.table: reading for reading in await RowWatch(settings_of(source, target))()}
    items = readings["workspace.workspace_items"]
    assert (items.source, items.target, items.estimated, items.exact_at) == (20, None, True, None)


async def test_a_side_that_is_gone_is_unknown_and_two_are_told(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TABLE)
    gone = Endpoint("gone", "127.0.0.1", 1, "none", "nobody")
    (reading,) = await count_rows(settings_of(source, gone))
    assert (reading.source, reading.target) == (0, None)
    with pytest.raises(UnreachableError, match="cannot connect to gone"):
        await count_rows(settings_of(gone, gone))


async def test_an_exclusive_lock_makes_a_count_an_estimate_and_not_a_failure(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, TABLE + "INSERT INTO workspace.t VALUES (1), (2); ANALYZE workspace.t")
    monkeypatch.setattr(rows, "COUNT_SECONDS", 0.2)
    async with connection(source, read_only=False) as holder, holder.transaction():
        await holder.execute("LOCK TABLE workspace.t IN ACCESS EXCLUSIVE MODE")
        (reading,) = await asyncio.wait_for(RowWatch(settings_of(source, target))(), 90)
    assert (reading.source, reading.estimated) == (2, True)


async def sessions(side: Endpoint) -> set[int]:
    """The server's processes that serve wsdash, but for the one that is asked."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'wsdash' AND pid <> pg_backend_pid()"
    async with connection(side, read_only=True) as conn:
        return {row["pid"] for row in await conn.fetch(f"{query} AND datname = current_database()")}


async def test_both_sessions_are_kept_from_look_to_look_and_closed_in_the_end(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, TABLE)
    watch = RowWatch(settings_of(source, target))
    await watch()
    first = [await sessions(side) for side in (source, target)]
    await watch()
    assert [await sessions(side) for side in (source, target)] == first
    assert [len(found) for found in first] == [1, 1]
    await watch.close()
    await until(lambda: _none(source, target))


async def _none(*sides: Endpoint) -> bool:
    return not any([await sessions(side) for side in sides])


async def test_a_session_that_the_server_ended_is_opened_anew(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, TABLE + "INSERT INTO workspace.t VALUES (1)")
    clock = FakeClock()
    watch = RowWatch(settings_of(source, target), clock)
    await watch()
    kept = await sessions(source)
    async with connection(source, read_only=False) as admin:
        for pid in kept:
            await admin.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
    await watch()  # unless the driver has seen its end already
    await clock.advance(60)  # counting may cost something again
    (reading,) = await watch()
    await watch.close()
    assert (reading.source, reading.estimated) == (1, False)


async def test_a_look_that_is_cut_off_leaves_no_session_in_the_middle_of_a_question(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, TABLE)
    watch = RowWatch(settings_of(source, target), FakeClock())
    async with connection(source, read_only=False) as holder, holder.transaction():
        await holder.execute("LOCK TABLE workspace.t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watch(), 1)
    (reading,) = await watch()
    await watch.close()
    assert (reading.source, reading.estimated) == (0, False)
