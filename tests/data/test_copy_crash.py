"""Killed for good, server or copier, at any moment: what the book says is here, and the next ends exact."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.data.copy_child import RANGE_BYTES
from tests.data.copying import checksums, fetch, ignore, prepare, request_of, run_sql
from tests.data.test_copy_resume import TABLES, broken_off, complete, equal
from tests.support.servers import Server, running_server
from wsdash.data.catalog.read import Catalog
from wsdash.data.copy import load as copy_load
from wsdash.data.copy.manifest import finish_range, inspect_target
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.errors import UnreachableError, WsdashError

SLOW_INDEX = """
CREATE FUNCTION s.slowly(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql
  AS $$ BEGIN PERFORM pg_sleep(CASE WHEN n = 0 THEN 0.03 ELSE 0 END); RETURN n; END $$;
CREATE INDEX slow_one ON s.keyless (s.slowly(a));
"""
BUILDING = (
    "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' "
    "AND query LIKE '%INDEX slow_one%'"
)
FEW = TABLES.replace("6000", "1500").replace("2000", "500")
FINISHED = "SELECT count(*) FROM wsdash.load_ranges WHERE finished_at IS NOT NULL"
LATE_WAL = """
wal_writer_delay = '10s'
wal_writer_flush_after = '1GB'
wal_buffers = '64MB'
bgwriter_lru_maxpages = 0
autovacuum = off
synchronous_commit = on
"""
"""What is committed and not waited for stays in memory so long that a crash really takes it."""


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsdash.data.copy.plan.RANGE_BYTES", RANGE_BYTES)


async def rows_and_book_agree(target: Endpoint, catalog: Catalog) -> bool:
    """Every row is of a transaction in the book, and every transaction of the book has all its rows."""
    async with connection(target, read_only=True) as conn:
        return await inspect_target(conn, catalog.tables, "run-1") == []


def blow(server: Server, how: str) -> None:
    """End a server as a crash does: nothing is written any more."""
    assert server.process is not None
    if how == "immediate shutdown":
        server.stop(signal.SIGQUIT)
        return
    postmaster = psutil.Process(server.process.pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    server.stop(signal.SIGKILL)
    psutil.wait_procs(family, timeout=10)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("mortal")
    directory.chmod(0o755)
    with running_server(18, directory) as server:
        server.stop()
        with (server.data / "postgresql.auto.conf").open("a") as conf:
            conf.write(LATE_WAL)
        server.start()
        yield server


@pytest.mark.parametrize("how", ["kill -9", "immediate shutdown"])
async def test_a_target_server_that_dies_takes_rows_and_their_lines_together(
    source: Endpoint, mortal: Server, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, TABLES)
    target = await mortal.fresh_database()
    catalog = await prepare(source, target)
    lost = 0
    for blows in (3, 7, 11):
        committed = 0

        async def until(*arguments: object, blows: int = blows) -> None:
            nonlocal committed
            await finish_range(*arguments)  # type: ignore[arg-type]
            committed += 1
            if committed == blows:
                blow(mortal, how)

        monkeypatch.setattr(copy_load, "finish_range", until)
        before = await finished(target)
        with pytest.raises(UnreachableError):
            await copy_tables(request_of(source, target, catalog), ignore)
        mortal.start()
        assert await rows_and_book_agree(target, catalog)
        lost += before + committed - await finished(target)
    assert lost > 0, "no crash took anything: this test proves nothing"
    monkeypatch.setattr(copy_load, "finish_range", finish_range)
    await copy_tables(request_of(source, target, catalog), ignore)
    blow(mortal, how)
    mortal.start()
    assert await complete(target, catalog), "what was told as copied did not outlive the server"
    assert await equal(source, target, catalog)


async def finished(target: Endpoint) -> int:
    there = await fetch(target, "SELECT to_regclass('wsdash.load_ranges') IS NOT NULL")
    return (await fetch(target, FINISHED))[0][0] if there[0][0] else 0


@asynccontextmanager
async def copier(source: Endpoint, target: Endpoint) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that copies, for the length of a block; killed at its end at the latest."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.data.copy_child",
        json.dumps([asdict(source), asdict(target)]),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def told(process: asyncio.subprocess.Process, word: str, times: int = 1) -> None:
    """Wait until the process has told a word so many times."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while times:
            line = await process.stdout.readline()
            assert line, "the copy ended before the blow"
            times -= line.decode().strip() == word


async def test_a_copier_killed_among_the_rows_is_followed_by_an_exact_one(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, TABLES)
    catalog = await prepare(source, target)
    for ranges in (1, 5):
        async with copier(source, target) as process:
            await told(process, "range", ranges)
        assert await rows_and_book_agree(target, catalog)
    assert not await complete(target, catalog)
    kept = await finished(target)
    assert kept >= 6
    await copy_tables(request_of(source, target, catalog), ignore)
    assert await complete(target, catalog)
    assert await equal(source, target, catalog)


async def building(target: Endpoint) -> bool:
    """Whether a session works on the slow index."""
    async with connection(target, read_only=True) as conn:
        return bool(await conn.fetchval(BUILDING, timeout=10))


async def test_an_index_build_of_a_killed_copier_is_not_in_the_way_of_the_next(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, TABLES, SLOW_INDEX)
    catalog = await prepare(source, target)
    async with copier(source, target) as process:
        await told(process, "indexing")
        async with asyncio.timeout(60):
            while not await building(target):  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.05)
    await copy_tables(request_of(source, target, catalog), ignore)
    assert await complete(target, catalog)
    assert await equal(source, target, catalog)


async def test_a_range_that_somebody_else_finished_is_not_finished_twice(
    source: Endpoint, target: Endpoint
) -> None:
    """The session of a killed copier may commit after the next one has read the book."""
    await run_sql(source, TABLES)
    catalog = await prepare(source, target)
    await broken_off(source, target, catalog)
    table = next(one for one in catalog.tables if one.name == "keyless")
    left = await fetch(
        target,
        "SELECT number FROM wsdash.load_ranges WHERE table_name = 'keyless' AND finished_at IS NULL LIMIT 1",
    )
    number, before = left[0][0], (await checksums(target, catalog))["keyless"].rows
    async with connection(target, read_only=False) as late, connection(target, read_only=False) as next_one:
        for conn in (late, next_one):
            await conn.execute("BEGIN; INSERT INTO s.keyless VALUES (1, 'x')")
        await finish_range(late, "run-1", table, number, "snap", (1, 10, 0.1))
        with pytest.raises(WsdashError, match=f"s.keyless: another session .* range {number}"):
            await finish_range(next_one, "run-1", table, number, "snap", (1, 10, 0.1))
    assert (await checksums(target, catalog))["keyless"].rows == before + 1
    assert await rows_and_book_agree(target, catalog)


@dataclass
class Cut:
    """The network to one server fails at the nth thing that is asked of it.

    how: 'before' the question is sent, with the question 'under way', or 'after' the server has done it and
    before the answer is known.
    """

    port: int
    nth: int
    how: str
    asked: int = 0
    sessions: set[asyncpg.Connection] = field(default_factory=set)

    async def ask(self, real: Any, conn: asyncpg.Connection, arguments: Any, named: Any) -> Any:
        """Take the place of a method of asyncpg.Connection."""
        if getattr(conn, "_addr")[1] != self.port:  # noqa: B009 - not in its stubs
            return await real(conn, *arguments, **named)
        self.sessions.add(conn)
        self.asked += 1
        if self.asked < self.nth:
            return await real(conn, *arguments, **named)
        if self.how == "after":
            await real(conn, *arguments, **named)
        elif self.how == "under way":
            asking = asyncio.create_task(real(conn, *arguments, **named))
            await asyncio.sleep(0)
            self._cut()
            with suppress(Exception):
                await asking
        self._cut()
        raise ConnectionResetError("cut")

    def _cut(self) -> None:
        for session in self.sessions:
            # not terminate(), which takes the session apart from within, as no network does
            getattr(session, "_transport").abort()  # noqa: B009 - not in its stubs


CUTS = st.tuples(st.integers(1, 70), st.sampled_from(["before", "under way", "after"]))
CRASHES = settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),  # a case is small as it is
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@CRASHES
@given(cuts=st.lists(CUTS, min_size=1, max_size=3))
async def test_cut_off_at_any_question_nothing_is_lost_and_nothing_twice(
    source: Endpoint, target: Endpoint, cuts: list[tuple[int, str]]
) -> None:
    await run_sql(source, "DROP SCHEMA IF EXISTS s CASCADE", FEW)
    await run_sql(target, "DROP SCHEMA IF EXISTS s CASCADE", "DROP SCHEMA IF EXISTS wsdash CASCADE")
    catalog = await prepare(source, target)
    for nth, how in cuts:
        with pytest.MonkeyPatch.context() as patch:
            cut = Cut(target.port, nth, how)
            for name in ("execute", "fetch", "fetchval", "fetchrow", "copy_to_table"):
                real = getattr(asyncpg.Connection, name)

                def asks(conn: Any, *arguments: Any, _real: Any = real, _cut: Cut = cut, **named: Any) -> Any:
                    return _cut.ask(_real, conn, arguments, named)

                patch.setattr(asyncpg.Connection, name, asks)
            with suppress(WsdashError):
                await copy_tables(request_of(source, target, catalog, workers=2), ignore)
    for _ in range(3):
        # a session that was cut off may end its work only now, and then the next one gives way to it
        with suppress(WsdashError):
            await copy_tables(request_of(source, target, catalog), ignore)
            break
    assert await complete(target, catalog)
    assert await rows_and_book_agree(target, catalog)
    assert await equal(source, target, catalog)
