"""Both lists of the guide from a real TimescaleDB, by the real engine: compression, retention, a continuous
aggregate, a user-defined job, views, late updates in compressed chunks; killed in the middle of the backup.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import UNHURRIED
from tests.steps.test_timescaledb_source import MD5
from tests.support.program import Program, read_json
from tests.support.servers import PASSWORD_ENV, Server, free_port
from tests.support.timescaledb import SETTINGS, SKIPPED, find_binaries, make_field_schema
from tests.support.world import World
from wsdash.data.pg.sql import ident
from wsdash.demo.traffic.judge import witness
from wsdash.demo.world import postgres
from wsdash.demo.world.build import WorldOptions, build_world, remove_world
from wsdash.demo.world.files import ensure_secret
from wsdash.demo.world.postgres import SOURCE_DATABASE, SOURCE_USER
from wsdash.engine.journal.reader import JournalReader
from wsdash.model import Notice
from wsdash.plan import load_plan
from wsdash.steps.base import endpoint

pytestmark = [pytest.mark.timescaledb, pytest.mark.timeout(900)]

SCHEDULED = "SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000 AND scheduled"
WRITES_PER_SECOND = 30.0
JOBS = 4
"""Retention, compression of two hypertables, and one of the user's own."""
PARTIAL = "SELECT count(*) FROM _timescaledb_catalog.chunk WHERE status & 8 > 0"
PROGRAMS = postgres.programs


async def fill(server: Server, *, aggregate: bool) -> None:
    """The field's schema and rows, in the source's database."""
    await server.execute(f"CREATE DATABASE {ident(SOURCE_DATABASE)}")
    await make_field_schema(server.endpoint(SOURCE_DATABASE), items=1000, aggregate=aggregate)


@contextmanager
def world_on_timescaledb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, online: bool) -> Iterator[World]:
    """The embedded world, whose source is a real TimescaleDB that holds the field's rows. online: with users
    at work, and without the continuous aggregate, with which mode online does not begin."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(SKIPPED)
    tmp_path.chmod(0o755)
    program = Program(tmp_path / "state", environment=dict(UNHURRIED))
    directory = program.state / "world"
    directory.mkdir(parents=True)
    password = ensure_secret(directory / "secrets" / "source")
    monkeypatch.setenv(PASSWORD_ENV, password)
    version, port = int(binaries.parent.name), free_port()
    data = directory / "source"
    postgres.make_cluster(
        version, data, superuser=SOURCE_USER, password=password, port=port, binaries=binaries
    )
    with (data / "postgresql.auto.conf").open("a") as conf:
        conf.write(SETTINGS)
    server = Server(version, data, port, binaries=binaries, user=SOURCE_USER)
    server.start()
    try:
        asyncio.run(fill(server, aggregate=not online))
    finally:
        server.stop()
    monkeypatch.setattr(postgres, "programs", lambda one: binaries if one == 16 else PROGRAMS(one))
    try:
        options = WorldOptions(
            items=1000,
            port_offset=program.offset,
            api="simple" if online else "real-shape",
            writes_per_second=WRITES_PER_SECOND if online else 0.0,
            online=online,
        )
        asyncio.run(build_world(directory, options, lambda _: None))
        yield World(program)
    finally:
        asyncio.run(remove_world(directory))
        program.sweep()


@pytest.fixture
def real_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world of mode offline."""
    with world_on_timescaledb(tmp_path, monkeypatch, online=False) as world:
        yield world


@pytest.fixture
def online_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """And of mode online."""
    with world_on_timescaledb(tmp_path, monkeypatch, online=True) as world:
        yield world


def notices(program: Program) -> str:
    reader = JournalReader(program.state)
    try:
        return "\n".join(one.event.text for one in reader.history() if isinstance(one.event, Notice))
    finally:
        reader.close()


def test_both_lists_are_green_and_its_jobs_are_as_before(real_world: World) -> None:
    world, program = real_world, real_world.program
    assert world.source(PARTIAL) > 0, "the late updates made no chunk partial"

    rehearsed = program.run("rehearse", "--rounds", "1")
    assert rehearsed.returncode == 0, rehearsed.stdout + rehearsed.stderr
    assert world.source(SCHEDULED) == JOBS, "a rehearsal changes nothing at the source"

    killed = program.start("migrate", "--yes", "--until", "backup")
    deadline = time.monotonic() + 120
    while world.source(SCHEDULED) == JOBS:
        assert time.monotonic() < deadline, program.output()
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(10)
    assert world.source(SCHEDULED) == 0
    told = program.run("doctor").stdout
    assert "✗ unwell  background jobs" in told
    assert "paused by this run" in told

    report = program.state.parent / "report.json"
    compared = program.run("migrate", "--yes", "--until", "verify-data")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert world.source(SCHEDULED) == JOBS
    assert notices(program).count("put back, and read again") == 2, "after the kill, and at the end"
    assert world.target(MD5) == world.source(MD5)
    again = program.run("verify")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "paused, and read again: job 1000" in again.stderr
    assert world.source(SCHEDULED) == JOBS

    done = program.run("migrate", "--yes", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_json(report)
    assert found["outcome"] == "migrated"
    wanted = {item.id for item in load_plan().items if item.phase != "post"}
    assert {item["id"] for item in found["items"] if item["state"] == "done"} >= wanted
    assert all(table["match"] for table in found["tables"])
    assert found["backup"]["restore_proven"]

    back = program.run("rollback", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert world.get(world.settings.api.old, "/health")[0] == 200
    assert world.source(SCHEDULED) == JOBS


def test_it_moves_while_it_serves_and_comes_back_without_losing_a_write(online_world: World) -> None:
    world, program = online_world, online_world.program
    assert world.source(PARTIAL) > 0
    report = program.state.parent / "report.json"
    done = program.run("migrate", "--yes", "--mode", "online", "--report", str(report), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_json(report)
    assert found["outcome"] == "migrated"
    assert found["write_downtime_seconds"] > 0
    assert world.source(SCHEDULED) == JOBS, "its jobs are put back when the rows were read"

    back = program.run("rollback", "--yes", "--report", str(report), timeout=300)
    assert back.returncode == 0, back.stdout + back.stderr
    carried = read_json(report)["rollback"]
    assert carried["changes_carried"] > 0
    assert carried["conflicts"] == 0
    source = endpoint(world.settings.source)
    judged = asyncio.run(witness(program.state / "world", source, "source", None))
    assert judged is not None
    assert (judged.lost, judged.duplicated, judged.wrong, judged.unknown) == (0, 0, 0, 0), judged.findings
    assert judged.acknowledged > 100
    gone = program.run("finish", "--remove-traces", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "exactly those of before the capture" in gone.stdout
