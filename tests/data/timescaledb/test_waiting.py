"""Maintenance that waits for a backup or a copy, and nobody that waits for the maintenance: no deadlock."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.data.backup_world import contents, promised, quiet, value
from tests.data.copying import ignore, prepare, request_of
from tests.data.timescaledb.small import maintain, reader
from wsdash.data.backup import take as backup
from wsdash.data.backup.take import take_backup
from wsdash.data.catalog.read import read_catalog
from wsdash.data.copy import run as copy
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import Endpoint, connection

pytestmark = pytest.mark.timescaledb

EXCLUSIVE = (
    "decompress",
    "decompress a partial chunk",
    "drop_chunks",
    "merge_chunks",
    "compress",
    "vacuum full",
)
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
LONG = "60s"


async def start(endpoint: Endpoint, call: str) -> asyncio.Task[bool]:
    """Start a maintenance call, and return when it waits for a lock."""
    task = asyncio.create_task(maintain(endpoint, call, LONG))
    async with asyncio.timeout(90):
        while not await value(endpoint, WAITING):
            assert not task.done(), "it does not wait"
            await asyncio.sleep(0.05)
    return task


@pytest.mark.parametrize(
    ("role", "call"),
    [*(("reader", call) for call in EXCLUSIVE), ("owner", "decompress"), ("owner", "compress")],
)
async def test_a_backup_ends_while_maintenance_waits_for_it(
    small: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str, role: str
) -> None:
    before = await contents(small, "s")
    tasks: list[asyncio.Task[bool]] = []
    original = backup._freeze

    async def freeze(*arguments: Any) -> Any:
        tasks.append(await start(small, call))
        return await original(*arguments)

    monkeypatch.setattr(backup, "_freeze", freeze)
    source = small if role == "owner" else reader(small)
    async with asyncio.timeout(90):
        manifest = await take_backup(source, "s", tmp_path, item="backup", on_progress=quiet)
        assert promised(manifest) == before
        assert [await task for task in tasks] == [True]


async def test_a_copy_ends_while_maintenance_waits_for_it(
    small: Endpoint, target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await contents(small, "s")
    catalog = await prepare(small, target)
    tasks: list[asyncio.Task[bool]] = []
    original = copy._prepare

    async def planned(*arguments: Any) -> Any:
        tasks.append(await start(small, "decompress"))
        return await original(*arguments)

    monkeypatch.setattr(copy, "_prepare", planned)
    async with asyncio.timeout(90):
        await copy_tables(request_of(reader(small), target, catalog), ignore)
        assert await contents(target, "s") == before
        assert [await task for task in tasks] == [True]


async def test_maintenance_that_waits_already_goes_first(small: Endpoint, tmp_path: Path) -> None:
    """Whoever reads the chunk holds maintenance back; we let it pass when that reader ends, and then read."""
    async with connection(small, read_only=False) as other:
        await other.execute("BEGIN; SELECT count(*) FROM s.t")
        task = await start(small, "decompress")
        taking = asyncio.create_task(
            take_backup(reader(small), "s", tmp_path, item="backup", on_progress=quiet)
        )
        await asyncio.sleep(1.0)
        await other.execute("COMMIT")
        async with asyncio.timeout(90):
            assert await task
            assert (await taking).tables["s.t"].rows == 300


@pytest.mark.parametrize("call", ["decompress", "merge compressed chunks"])
async def test_sizes_are_read_while_maintenance_waits(
    small: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str
) -> None:
    """The catalog is read in the snapshot, chunk by chunk: that session must not wait behind the call."""
    tasks: list[asyncio.Task[bool]] = []
    calls: list[object] = []
    original = read_catalog

    async def reading(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            tasks.append(await start(small, call))
        return await original(*arguments, **options)

    monkeypatch.setattr(backup, "read_catalog", reading)
    async with asyncio.timeout(90):
        manifest = await take_backup(reader(small), "s", tmp_path, item="backup", on_progress=quiet)
        assert manifest.tables["s.t"].rows == 300
        assert [await task for task in tasks] == [True]
