"""When one half of a copy fails, the other ends at once: the server's words are told and nothing hangs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.copying import catalog_of, fetch, ignore, prepare, request_of, run_sql
from tests.support.servers import running_server
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg import transfer as transfer_module
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transfer import Pipe, Stream, transfer
from wsdash.errors import UnreachableError, WsdashError

BIG = (
    "CREATE SCHEMA s; CREATE TABLE s.t (id int, filler text)",
    "INSERT INTO s.t SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, 60000) n",
)
SLOW = (
    "CREATE SCHEMA s; CREATE TABLE s.t (id int, filler text); "
    "INSERT INTO s.t SELECT n, repeat('x', 2000) FROM generate_series(1, 300) n",
)
KILL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND query LIKE 'COPY %{word}%' AND pid <> pg_backend_pid()"
)


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Far below the 300 s after which a copy in which nothing moves is given up."""
    async with asyncio.timeout(90):
        yield


async def fails(source: Endpoint, target: Endpoint) -> WsdashError:
    catalog = await catalog_of(source)
    async with in_time():
        with pytest.raises(WsdashError) as caught:
            await copy_tables(request_of(source, target, catalog, post=False), ignore)
    return caught.value


async def no_session_is_left(*endpoints: Endpoint) -> None:
    query = (
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'wsdash' AND pid <> pg_backend_pid() AND state <> 'idle'"
    )
    for endpoint in endpoints:
        for _ in range(50):
            left = await fetch(endpoint, query)
            if not left:
                break
            await asyncio.sleep(0.1)
        assert left == []


async def test_a_foreign_key_of_the_target_is_told(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, *BIG)
    await run_sql(
        target,
        "CREATE SCHEMA s; CREATE TABLE s.parent (id int PRIMARY KEY)",
        "CREATE TABLE s.t (id int CONSTRAINT t_parent REFERENCES s.parent, filler text)",
    )
    error = await fails(source, target)
    assert "violates foreign key constraint" in error.what
    assert "t_parent" in error.what
    assert str(target.port) in error.where
    await no_session_is_left(source, target)
    assert (await fetch(target, "SELECT count(*) FROM s.t"))[0][0] == 0


async def test_a_check_of_the_target_is_told_though_the_stream_goes_on(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, *BIG)
    await run_sql(target, "CREATE SCHEMA s; CREATE TABLE s.t (id int CHECK (id <> 2), filler text)")
    error = await fails(source, target)
    assert "violates check constraint" in error.what
    await no_session_is_left(source, target)


async def test_a_type_that_does_not_take_the_values_is_told(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, *BIG)
    await run_sql(target, "CREATE SCHEMA s; CREATE TABLE s.t (id uuid, filler text)")
    error = await fails(source, target)
    assert "invalid input syntax for type uuid" in error.what
    assert error.remedy


async def test_a_failing_read_of_the_source_is_told(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, *BIG)
    await prepare(source, target)
    catalog = await catalog_of(source)
    await run_sql(source, "ALTER TABLE s.t RENAME filler TO other")
    async with in_time():
        with pytest.raises(WsdashError, match="filler"):
            await copy_tables(request_of(source, target, catalog, post=False), ignore)


@pytest.mark.parametrize("side", ["source", "target"])
async def test_a_backend_terminated_in_mid_copy_is_told(
    source: Endpoint, target: Endpoint, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, *BIG)
    await prepare(source, target)
    gate = asyncio.Event()
    real = Pipe.put

    async def held(self: Pipe, data: bytes) -> None:
        await real(self, data)
        gate.set()
        await asyncio.sleep(0.02)  # slow enough for the blow to fall in the middle

    monkeypatch.setattr(Pipe, "put", held)

    async def kill() -> None:
        await gate.wait()
        word = "TO STDOUT" if side == "source" else "FROM STDIN"
        async with connection(source if side == "source" else target, read_only=False) as conn:
            for _ in range(500):
                if await conn.fetchval(KILL.format(word=word)):
                    return
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        group.create_task(kill())
        error = await fails(source, target)
    assert isinstance(error, UnreachableError)
    assert ("pg16" if side == "source" else "pg18") in error.what + error.where
    await no_session_is_left(source, target)


async def test_a_killed_target_server_is_told(
    source: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, *BIG)
    real = Pipe.put
    with running_server(18, tmp_path) as server:
        target = await server.fresh_database()
        await prepare(source, target)

        async def deadly(self: Pipe, data: bytes) -> None:
            await real(self, data)
            if server.process is not None:
                await asyncio.to_thread(server.stop, signal.SIGQUIT)

        monkeypatch.setattr(Pipe, "put", deadly)
        error = await fails(source, target)
        assert isinstance(error, UnreachableError)
        assert str(target.port) in error.where
    await no_session_is_left(source)


async def test_a_target_that_stops_reading_does_not_hang_the_copy(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_module, "STALL_SECONDS", 1.0)
    await run_sql(source, *BIG)
    await prepare(source, target)
    async with connection(target, read_only=False) as blocker:
        await blocker.execute("BEGIN; LOCK TABLE s.t IN SHARE MODE")
        error = await fails(source, target)
    assert "did not answer in time" in error.what
    await no_session_is_left(source)


@pytest.mark.parametrize("pieces", [1, 10, 50])
async def test_a_cancelled_copy_ends_at_once_and_leaves_no_session(
    source: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    monkeypatch.setattr("wsdash.data.copy.plan.RANGE_BYTES", 200_000)
    await run_sql(source, *BIG)
    await prepare(source, target)
    catalog = await catalog_of(source)
    real = Pipe.put
    passed = 0
    enough = asyncio.Event()

    async def slow(self: Pipe, data: bytes) -> None:
        nonlocal passed
        await real(self, data)
        passed += 1
        if passed >= pieces:
            enough.set()
        await asyncio.sleep(0.01)

    monkeypatch.setattr(Pipe, "put", slow)
    copying = asyncio.create_task(copy_tables(request_of(source, target, catalog), ignore))
    await enough.wait()
    copying.cancel()
    async with in_time():
        with pytest.raises(asyncio.CancelledError):
            await copying
    await no_session_is_left(source, target)


async def test_a_target_killed_while_we_wait_for_it_to_take_more_does_not_hang(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, *BIG)
    await run_sql(
        target,
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (id int CHECK (id < 2000 OR pg_sleep(0.5) IS NOT NULL), filler text)",
    )
    stream = Stream("s.t", "SELECT * FROM s.t", "s", "t", ("id", "filler"))
    async with connection(source, read_only=True) as old, connection(target, read_only=False) as new:

        async def kill() -> None:
            await asyncio.sleep(1.5)
            await run_sql(target, f"SELECT pg_terminate_backend({new.get_server_pid()})")

        async with in_time(), asyncio.TaskGroup() as group:
            group.create_task(kill())
            with pytest.raises(UnreachableError, match="pg18"):
                await transfer((source, old), (target, new), stream, lambda _: None)


async def test_a_missing_table_in_the_target_is_told(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, *SLOW)
    error = await fails(source, target)
    assert "the target lacks table s.t" in error.what
    assert "init-neon" in error.remedy


async def test_a_rule_that_leaves_rows_out_is_noticed(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, *SLOW)
    await prepare(source, target)
    stream = Stream("s.t", "SELECT * FROM s.t", "s", "t", ("id", "filler"))
    trigger = (
        "CREATE FUNCTION s.leave_out() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF NEW.id = 7 THEN RETURN NULL; END IF; RETURN NEW; END'"
    )
    await run_sql(
        target,
        trigger,
        "CREATE TRIGGER t BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.leave_out()",
    )
    async with connection(source, read_only=True) as old, connection(target, read_only=False) as new:
        with pytest.raises(WsdashError, match="300 rows were read, but the target took 299"):
            await transfer((source, old), (target, new), stream, lambda _: None)


async def test_an_unreachable_target_is_told(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, *SLOW)
    gone = replace(target, port=1)
    error = await fails(source, gone)
    assert isinstance(error, UnreachableError)


async def test_a_pipe_holds_no_more_than_its_limit() -> None:
    pipe = Pipe(limit=1000)
    passed = 0

    async def fill() -> None:
        nonlocal passed
        for _ in range(100):
            await pipe.put(b"x" * 100)
            passed += 100
        pipe.finish()

    taken = 0
    most = 0
    async with asyncio.TaskGroup() as group:
        group.create_task(fill())
        async for data in pipe:
            await asyncio.sleep(0)
            most = max(most, passed - taken)
            taken += len(data)
    assert taken == 10_000
    assert most <= 1100
