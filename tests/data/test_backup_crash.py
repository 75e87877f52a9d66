"""Whatever ends a backup in the middle, no file is left that looks like one, and memory stays flat."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.backup_world import back_up, make_workspace, names, run_sql
from wsdash.data.backup.take import find_backups
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import UnreachableError
from wsdash.model import Progress

TAKE = """
import asyncio, os, resource, sys
from pathlib import Path
from wsdash.data.backup.take import take_backup
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import WsdashError

def on_progress(progress):
    if progress.activity == "dumping":
        {at_dump}

source = Endpoint("pg16", "127.0.0.1", int(sys.argv[1]), sys.argv[2], "postgres", sys.argv[3])
{before}
try:
    work = take_backup(source, "workspace", Path(sys.argv[4]), item="backup", on_progress=on_progress)
    manifest = asyncio.run(work)
    print(manifest.file, manifest.bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
except WsdashError as error:
    print(error)
"""


async def take(
    source: Endpoint, directory: Path, *, at_dump: str = "pass", before: str = ""
) -> subprocess.CompletedProcess[str]:
    """take_backup in a process of its own."""
    arguments = [str(source.port), source.database, source.password_env, str(directory)]
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", TAKE.format(at_dump=at_dump, before=before), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=dict(os.environ),
    )


def end_sessions(source: Endpoint) -> None:
    """End every session of the source's database, before anything else happens here."""
    program = (
        "import asyncio, asyncpg, sys\n"
        "async def main():\n"
        "    conn = await asyncpg.connect(host='127.0.0.1', port=int(sys.argv[1]), user='postgres',\n"
        "                                 password=sys.argv[3], database='postgres')\n"
        "    await conn.execute('SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity '\n"
        '                       "WHERE datname = \'" + sys.argv[2] + "\'")\n'
        "asyncio.run(main())\n"
    )
    arguments = [str(source.port), source.database, source.password() or ""]
    subprocess.run([sys.executable, "-c", program, *arguments], timeout=60, check=True)


async def test_a_killed_backup_leaves_no_visible_file_and_the_next_one_tidies_up(
    source: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=20)
    killed = await take(source, tmp_path, at_dump="os.kill(os.getpid(), 9)")
    assert killed.returncode == -9
    (left,) = names(tmp_path)
    assert left.startswith(".")
    assert find_backups(tmp_path) == []
    manifest = await back_up(source, tmp_path)
    assert names(tmp_path) == [manifest.manifest_path.name, manifest.path.name]


async def test_a_full_disk_in_the_middle_says_so_and_leaves_nothing(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=3000)
    done = await take(
        source, tmp_path, before="resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    )
    assert "stopped after 293 KiB" in done.stdout
    assert str(tmp_path) in done.stdout
    assert names(tmp_path) == []


async def test_a_cancelled_backup_leaves_nothing(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=50)
    dumping = asyncio.Event()

    def on_progress(progress: Progress) -> None:
        if progress.activity == "dumping":
            dumping.set()

    task = asyncio.create_task(back_up(source, tmp_path, on_progress=on_progress))
    await dumping.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(tmp_path) == []


async def test_a_lost_source_is_told_and_leaves_nothing(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=50)

    def on_progress(progress: Progress) -> None:
        if progress.activity == "checking":
            end_sessions(source)

    with pytest.raises(UnreachableError, match="lost"):
        await asyncio.wait_for(back_up(source, tmp_path, on_progress=on_progress), 60)
    assert names(tmp_path) == []


async def test_a_source_lost_once_all_is_read_leaves_the_whole_backup_or_nothing(
    source: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=50)
    tables = len((await back_up(source, tmp_path / "whole")).tables)
    dumped: list[str] = []

    def on_progress(progress: Progress) -> None:
        if progress.activity == "dumping" and progress.finished:
            dumped.append(progress.subject)
            if len(dumped) == tables:
                end_sessions(source)

    try:
        await asyncio.wait_for(back_up(source, tmp_path / "cut", on_progress=on_progress), 60)
    except UnreachableError:
        assert names(tmp_path / "cut") == []
    else:
        assert len(names(tmp_path / "cut")) == 2
    assert len(dumped) == tables


@pytest.mark.parametrize("during", [0, 1, 2, 3])
async def test_a_backup_cancelled_while_it_gets_its_name_leaves_nothing(
    source: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, during: int
) -> None:
    await make_workspace(source, count=20)
    task = asyncio.ensure_future(back_up(source, tmp_path))
    loop, call = asyncio.get_running_loop(), 0
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal call
        if call == during:
            loop.call_soon_threadsafe(task.cancel)
        call += 1
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert call == 4
    assert names(tmp_path) == []


async def test_memory_does_not_grow_with_the_table(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=1)
    small = await take(source, tmp_path)
    await run_sql(
        source,
        "CREATE TABLE workspace.large AS SELECT repeat(md5(i::text), 1000) x FROM generate_series(1, 3000) i",
    )
    large = await take(source, tmp_path)
    assert int(large.stdout.split()[1]) > 90_000_000
    assert int(large.stdout.split()[2]) - int(small.stdout.split()[2]) < 40_000


async def test_one_huge_value_is_held_only_a_few_times(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=1)
    small = await take(source, tmp_path)
    await run_sql(source, "CREATE TABLE workspace.huge AS SELECT repeat(md5('x'), 1500000) AS x")
    huge = await take(source, tmp_path)
    assert int(huge.stdout.split()[1]) > 48_000_000
    assert int(huge.stdout.split()[2]) - int(small.stdout.split()[2]) < 48_000 * 4
