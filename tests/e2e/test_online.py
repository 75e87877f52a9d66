"""Mode online through the real engine: killed at every stage of the switch, and back, with every write."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from tests.support.program import Program, read_json
from tests.support.world import World
from wsdash.data.online.switch.cutover import STAGES
from wsdash.data.pg.connect import connection
from wsdash.demo.world.build import WorldOptions
from wsdash.errors import UnreachableError
from wsdash.steps.base import endpoint

PATIENT = {"WSDASH__CUTOVER__MAX_WRITE_DOWNTIME_SECONDS": "30"}
"""A stage lasts until the test has looked at it."""
INSERT = "INSERT INTO workspace.workspace_items (title, category, priority, status) VALUES ($1, $2, $3, $4)"
FOUND = "select array_agg(title order by title) from workspace.workspace_items where title like 'online %'"
STATE = "select state from wsdash.online"
REFUSED = "57P03"
RENAME = "UPDATE workspace.workspace_items SET title = '{}' WHERE id = '{}'"
PAST_THE_GATES = "SET session_replication_role = replica; SET wsdash.applying = 'on'; "
"""How a superuser writes into a closed side, as a restore may."""
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def world_options(program: Program) -> WorldOptions:
    """Without the API's rate limit: each wait for it is a minute of a test that is about something else."""
    return WorldOptions(items=200, port_offset=program.offset, api="simple")


class Writer(threading.Thread):
    """Adds an item every 50 ms on the side that takes it; acknowledged: the titles that were stored."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.sides = (endpoint(world.settings.source), endpoint(world.settings.target))
        self.acknowledged: list[str] = []
        self.faults: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        asyncio.run(self._write())

    async def _write(self) -> None:
        at = 0
        while not self.over.is_set():
            try:
                async with connection(self.sides[at], read_only=False) as session:
                    while not self.over.wait(0.05):
                        await self._one(session)
            except asyncpg.PostgresError as error:
                if error.sqlstate != REFUSED:
                    self.faults.append(str(error))
                at = 1 - at
            except UnreachableError:
                at = 1 - at

    async def _one(self, session: asyncpg.Connection) -> None:
        title = f"online {uuid.uuid4()}"
        await session.execute(INSERT, title, "dashboard", "low", "new")
        self.acknowledged.append(title)


@contextmanager
def writing(world: World) -> Iterator[Writer]:
    writer = Writer(world)
    writer.start()
    try:
        yield writer
    finally:
        writer.over.set()
        writer.join(30)


@contextmanager
def engine(world: World, *more: str) -> Iterator[subprocess.Popen[str]]:
    """The engine whose switch waits at each stage."""
    program = world.program
    words = [sys.executable, "-m", "tests.e2e.online_engine", str(program.state)]
    process = subprocess.Popen(
        [*words, str(program.state / "world" / "config"), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=program.env() | PATIENT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def advance(process: subprocess.Popen[str], stage: str) -> None:
    """Let it go on until it is about to begin that stage."""
    assert process.stdout is not None
    assert process.stdin is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line == f"at {stage}\n":
            return
        if line.startswith("at "):
            process.stdin.write("\n")
            process.stdin.flush()
    raise AssertionError(f"it ended before {stage}:\n{''.join(said)}")


def sides(world: World) -> tuple[str, str]:
    return world.source(STATE), world.target(STATE)


def test_killed_at_every_stage_of_the_switch_it_loses_nothing_and_comes_back(world: World) -> None:
    program = world.program
    with writing(world) as writer:
        done = program.run("migrate", "--yes", "--mode", "online", "--until", "verify-data")
        assert done.returncode == 0, done.stdout + done.stderr
        for stage in STAGES:
            with engine(world) as process:
                advance(process, stage.name)
            assert sides(world) == (("open", "closed") if stage.back else ("closed", "closed")), stage.name
        report = program.state.parent / "report.json"
        done = program.run("migrate", "--yes", "--report", str(report))
        assert done.returncode == 0, done.stdout + done.stderr
        assert sides(world) == ("closed", "open")
    assert not writer.faults
    assert world.target(FOUND) == sorted(writer.acknowledged)
    assert read_json(report)["mode"] == "online"
    item = world.target(
        "select id::text from workspace.workspace_items where title not like 'online %' limit 1"
    )
    world.target(RENAME.format("theirs", item))
    world.source(PAST_THE_GATES + RENAME.format("ours", item))
    stopped = program.run("rollback", "--yes")
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert "title: 'theirs' | 'ours'" in stopped.stdout
    assert sides(world) == ("closed", "open")
    with writing(world) as again:
        done = program.run("rollback", "--yes", "--keep", "target", "--report", str(report))
        assert done.returncode == 0, done.stdout + done.stderr
        assert world.source(STATE) == "open"
    assert not again.faults
    assert world.source(FOUND) == sorted([*writer.acknowledged, *again.acknowledged])
    assert world.source(f"select title from workspace.workspace_items where id = '{item}'") == "theirs"
    told = read_json(report)
    assert told["outcome"] == "rolled_back"
    assert told["rollback"]["conflicts"] == 1
    gone = program.run("finish", "--remove-traces", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "exactly those of before the capture" in gone.stdout


def test_another_mode_is_refused_once_a_run_has_begun(world: World) -> None:
    program = world.program
    done = program.run("migrate", "--yes", "--mode", "online", "--until", "backup")
    assert done.returncode == 0, done.stdout + done.stderr
    refused = program.run("migrate", "--yes", "--mode", "offline")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "begun in mode online" in refused.stderr
