"""A real PostgreSQL as a supervised service: it comes back whatever was killed, and is measured honestly."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from tests.stack.world import World, quiet, sleeper, world_of
from tests.support.processes import is_gone, until
from tests.support.servers import PASSWORD, SUPERUSER, free_port
from wsdash.demo.supervisor.main import spawn
from wsdash.demo.world import postgres


@dataclass
class Database:
    """A cluster under supervision."""

    world: World
    data: Path
    port: int

    async def connect(self) -> asyncpg.Connection:
        """A session."""
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, password=PASSWORD, database="postgres"
        )

    async def value(self, sql: str) -> Any:
        """The first value of a statement."""
        session = await self.connect()
        try:
            return await session.fetchval(sql)
        finally:
            await session.close()

    async def processes(self) -> list[int]:
        """The postmaster and its children."""
        root = psutil.Process(await self.world.pid("db"))
        return [root.pid, *(child.pid for child in root.children(recursive=True))]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    port, data = free_port(), tmp_path / "pg"
    os.chmod(tmp_path, 0o755)  # noqa: S103 - the server's user must get in
    await asyncio.to_thread(
        postgres.make_cluster, 16, data, superuser=SUPERUSER, password=PASSWORD, port=port
    )
    ready = [str(postgres.programs(16) / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
    described = {
        "name": "db",
        "group": "apps",
        "image": "postgres:16",
        "argv": postgres.server_argv(16, data),
        "ports": [port],
        "health": {"kind": "command", "argv": ready},
        "stop_signal": "SIGINT",
    }
    async with world_of(tmp_path, described) as world:
        await world.stack.start(["db"], quiet)
        yield Database(world, data, port)


async def test_a_stop_is_fast_and_clean_though_clients_are_connected(database: Database) -> None:
    session = await database.connect()
    processes = await database.processes()
    await asyncio.wait_for(database.world.stack.stop(["db"], quiet), 90)
    assert (await database.world.reading("db")).exit_code == 0
    assert all(is_gone(pid) for pid in processes)
    assert not (database.data / "postmaster.pid").exists()
    session.terminate()


async def test_a_killed_postmaster_comes_back_with_its_rows(database: Database) -> None:
    await database.value("create table t as select 7 as n")
    os.kill(await database.world.pid("db"), signal.SIGKILL)

    async def is_back() -> bool:
        reading = await database.world.reading("db")
        return reading.restarts == 1 and reading.health == "healthy"

    await until(is_back)
    assert await database.value("select n from t") == 7


async def test_a_killed_supervisor_leaves_no_server_and_the_next_one_brings_it_back(
    database: Database,
) -> None:
    await database.value("create table t as select 7 as n")
    session = await database.connect()
    processes = await database.processes()
    await database.world.kill_supervisor()
    await until(lambda: all(is_gone(pid) for pid in processes))
    await spawn(database.world.directory)
    await database.world.stack.start(["db"], quiet)
    assert await database.value("select n from t") == 7
    session.terminate()


async def test_the_kernel_ends_the_server_when_supervisor_and_guardian_are_killed_together(
    database: Database,
) -> None:
    """Also as root, where the server has changed its user on the way."""
    session = await database.connect()
    processes = await database.processes()
    supervisor = psutil.Process(await database.world.supervisor_pid())
    (guardian,) = [child for child in supervisor.children() if child.cmdline() == supervisor.cmdline()]
    guardian.kill()
    supervisor.kill()
    await until(lambda: all(is_gone(pid) for pid in processes))
    session.terminate()


async def test_a_stale_postmaster_pid_with_a_living_pid_does_not_prevent_the_start(
    database: Database,
) -> None:
    await database.world.stack.stop(["db"], quiet)
    bystander = sleeper({}, postgres.unprivileged())
    try:
        stale = f"{bystander.pid}\n{database.data}\n1700000000\n{database.port}\n\n127.0.0.1\n"
        (database.data / "postmaster.pid").write_text(stale)
        postgres.give(database.data / "postmaster.pid")
        await database.world.stack.start(["db"], quiet)
        assert await database.value("select 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_a_server_that_another_way_started_is_stopped_first(database: Database) -> None:
    """No pid file of ours tells of it, only its own postmaster.pid."""
    await database.world.stack.stop(["db"], quiet)
    other = await asyncio.create_subprocess_exec(
        *postgres.server_argv(16, database.data), stderr=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    await until(lambda: "ready" in _read(database.data / "postmaster.pid"))
    await database.world.stack.start(["db"], quiet)
    assert await asyncio.wait_for(other.wait(), 90) == 0
    assert await database.value("select 1") == 1


async def test_shared_buffers_are_counted_once(database: Database) -> None:
    sessions = [await database.connect() for _ in range(8)]
    fill = "select sum(length(i::text || repeat('x', 500))) from generate_series(1, 20000) i"
    await database.value("create table t as select i, repeat('x', 500) as x from generate_series(1, 40000) i")
    for session in sessions:
        await session.fetchval(fill)
        await session.fetchval("select count(*) from t where x is not null")
    processes = [psutil.Process(pid) for pid in await database.processes()]
    rss = sum(process.memory_info().rss for process in processes)
    pss = sum(process.memory_full_info().pss for process in processes)

    async def is_measured() -> bool:
        measured = (await database.world.reading("db")).memory_bytes or 0
        return pss * 0.6 < measured < min(pss * 1.6, rss * 0.8)

    await until(is_measured)
    for session in sessions:
        session.terminate()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
