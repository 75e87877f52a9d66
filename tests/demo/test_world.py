"""The embedded world is built whole, goes on after a kill at any stage, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import psutil
import pytest

from wsdash.config import Settings, load_settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.supervisor.main import ask
from wsdash.demo.world import ports as port_room
from wsdash.demo.world import schema
from wsdash.demo.world.build import STAGES, WorldOptions, build_world, remove_world
from wsdash.demo.world.schema import load_items
from wsdash.demo.world.services import NEW_STACK
from wsdash.errors import InputError
from wsdash.model import SetupProgress
from wsdash.plan import load_plan
from wsdash.stack.local.stack import LocalStack
from wsdash.steps.base import endpoint

OPTIONS = WorldOptions(items=300, seed=4)
FINGERPRINT = (
    "select md5(string_agg(i::text, e'\\n' order by i::text)) from workspace.workspace_items i",
    "select md5(string_agg(a::text, e'\\n' order by a::text)) from workspace.workspace_audit_log a",
)
KILLED_BUILD = """
import asyncio, os, signal, sys
from pathlib import Path
from wsdash.demo.world.build import WorldOptions, build_world
def progress(told):
    if told.stage == sys.argv[2] and told.detail.startswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(build_world(Path(sys.argv[1]), WorldOptions(items=300, seed=4), progress))
"""


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Path]:
    """A deep directory (sockets have a length limit); whatever runs in it is stopped."""
    deep = tmp_path / ("deep" * 20) / ("er" * 40)
    deep.mkdir(parents=True)
    yield deep
    await remove_world(deep)
    assert _processes(deep) == []
    shutil.rmtree(deep)


def _processes(directory: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(directory) in word for word in line):
            found.append(" ".join(line)[:200])
    return found


async def _build(directory: Path, options: WorldOptions = OPTIONS) -> tuple[Settings, list[SetupProgress]]:
    told: list[SetupProgress] = []
    config = await build_world(directory, options, told.append)
    return load_settings(config), told


async def _states(directory: Path) -> dict[str, str]:
    stack = LocalStack(directory)
    try:
        return {reading.name: reading.state for reading in await stack.readings()}
    finally:
        await stack.close()


async def _fingerprint(side: Endpoint) -> list[str]:
    async with connection(side, read_only=True) as conn:
        return [await conn.fetchval(query) for query in FINGERPRINT]


async def _count(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/items") as answer:
        count: int = (await answer.json())["count"]
        return count


async def test_a_built_world_serves_the_old_and_leaves_the_new_stack_unstarted(directory: Path) -> None:
    settings, told = await _build(directory)
    assert list(dict.fromkeys(progress.stage for progress in told)) == list(STAGES)
    assert (told[-1].done, told[-1].total) == (len(STAGES), len(STAGES))
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert settings.world == "demo"
    assert load_plan(directory / "config").items
    assert await _count(settings.api.old) == 300
    states = await _states(directory)
    assert [states[name] for name in ("data-timescale", "apps-workspace")] == ["running"] * 2
    assert not port_room.is_free(settings.source.port - 5432 + 3103)
    assert {states[name] for name in NEW_STACK} == {"created"}
    assert all(port_room.is_free(port) for port in settings.ports)
    _check_secrets(directory, settings)


def _check_secrets(directory: Path, settings: Settings) -> None:
    for path in (*(directory / "secrets").iterdir(), directory / "services.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    password = Path(settings.source.password_file).read_text().strip()
    assert password not in (directory / "config" / "wsdash.yaml").read_text()
    assert password not in (directory / "services.json").read_text()


async def test_the_targets_role_may_do_all_that_a_migration_needs(directory: Path) -> None:
    settings, _ = await _build(directory)
    stack = LocalStack(directory)
    try:
        await stack.start(["workspace-db-compute"], lambda _: None)
    finally:
        await stack.close()
    target: Endpoint = endpoint(settings.target)
    async with connection(target, read_only=False) as conn:
        assert await conn.fetchval("select count(*) from pg_namespace where nspname = 'workspace'") == 0
        assert not await conn.fetchval("select rolsuper from pg_roles where rolname = current_user")
        await conn.execute("create database scratch")
        await conn.execute("create role app_workspace nologin")
        await conn.execute("create schema workspace")
        await conn.execute("grant usage on schema workspace to app_workspace")
        await conn.execute("set session_replication_role = replica")


async def test_a_complete_world_is_taken_up_and_what_was_stopped_stays_stopped(directory: Path) -> None:
    settings, _ = await _build(directory)
    before = await _fingerprint(endpoint(settings.source))
    stack = LocalStack(directory)
    try:
        await stack.stop(["apps-workspace"], lambda _: None)
    finally:
        await stack.close()
    again, told = await _build(directory)
    assert again == settings
    assert told[-1].stage == "ready"
    states = await _states(directory)
    assert (states["data-timescale"], states["apps-workspace"]) == ("running", "exited")
    assert await _fingerprint(endpoint(settings.source)) == before


@pytest.mark.parametrize(
    ("stage", "detail"), [("clusters", ""), ("source", ""), ("items", "indexes"), ("target", "")]
)
async def test_a_build_that_was_killed_goes_on_to_the_same_world(
    directory: Path, source: Endpoint, stage: str, detail: str
) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_BUILD, str(directory), stage, detail, stdin=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    settings, told = await _build(directory)
    assert told[-1].done == len(STAGES)
    assert await _count(settings.api.old) == 300
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        await load_items(conn, 300, seed=4)
    assert await _fingerprint(endpoint(settings.source)) == await _fingerprint(source)


async def test_other_options_than_the_worlds_own_are_refused(directory: Path) -> None:
    await _build(directory)
    with pytest.raises(InputError) as refused:
        await _build(directory, WorldOptions(items=301, seed=4))
    assert "300 items" in refused.value.what


async def test_a_world_is_taken_up_again_without_saying_what_it_is(directory: Path) -> None:
    await _build(directory)
    settings, told = await _build(directory, WorldOptions())
    assert told[-1].stage == "ready"
    assert await _count(settings.api.old) == 300


async def test_a_taken_port_moves_the_world_and_the_progress_says_why(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    first = 16_000 + worker * 400
    monkeypatch.setattr(port_room, "OFFSETS", tuple(range(first, first + 400, 10)))
    server = await asyncio.start_server(nobody, "127.0.0.1", 6400 + first)
    async with server:
        settings, told = await _build(directory)
    assert settings.source.port > 5432 + first
    assert any("moved by" in progress.detail for progress in told if progress.stage == "ports")


async def test_traffic_writes_when_asked_to(directory: Path) -> None:
    settings, _ = await _build(directory, WorldOptions(items=50, seed=4, writes_per_second=20))
    async with connection(endpoint(settings.source), read_only=True) as conn:
        for _ in range(100):
            if await _rows_by_traffic(conn):
                return
            await asyncio.sleep(0.1)
    pytest.fail("no row by the traffic within 10 s")


async def _rows_by_traffic(conn: asyncpg.Connection) -> int:
    query = "select count(*) from workspace.workspace_items where 'traffic' = any(tags)"
    count: int = await conn.fetchval(query)
    return count


async def test_a_world_whose_supervisor_was_killed_serves_again_when_taken_up(directory: Path) -> None:
    settings, _ = await _build(directory)
    supervisor = await ask(directory)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    again, _ = await _build(directory)
    assert again == settings
    assert await _count(settings.api.old) == 300
    assert (await _states(directory))["workspace-api"] == "created"
