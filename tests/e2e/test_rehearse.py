"""`wsdash rehearse` on the embedded world, with users on the old service; then the migration."""

from __future__ import annotations

import json
import signal
import threading

import pytest

from tests.e2e.test_crash import wait_for_event
from tests.e2e.test_fence import CONTENT, ITEMS, write
from tests.support.program import Program
from tests.support.world import World
from wsdash.demo.world.build import WorldOptions
from wsdash.engine.journal.reader import JournalReader
from wsdash.model import AlertChanged, ContainerRestarted, Notice

DATABASES = (
    "select string_agg(datname || ' ' || oid || ' ' || datallowconn, ',' order by datname) from pg_database"
)
OBJECTS = "select count(*) from pg_class where relnamespace::regnamespace::text in ('workspace', 'wsdash')"
NEW_STACK = ("workspace-db-pageserver", "workspace-db-safekeeper", "workspace-db-compute", "workspace-api")


@pytest.fixture
def world_options(program: Program) -> WorldOptions:
    """Without the API's rate limit: each wait for it is a minute of a test that is about something else."""
    return WorldOptions(items=300, port_offset=program.offset, api="simple")


def assert_as_before(world: World, databases: str) -> None:
    """The old service serves, the new stack is down, and its database is the empty one it was."""
    assert world.get(world.settings.api.old, "/health")[0] == 200
    assert {world.containers()[name].state for name in NEW_STACK} <= {"exited", "created"}
    world.start("workspace-db-compute")
    assert world.target(DATABASES) == databases
    assert world.target(OBJECTS) == 0
    for name in reversed(NEW_STACK):
        world.stop(name)


def assert_nobody_is_alarmed(world: World) -> None:
    """What the rehearsal stopped and started is told as its doing."""
    reader = JournalReader(world.program.state)
    events = [recorded.event for recorded in reader.events(0, limit=1_000_000)]
    reader.close()
    assert [e for e in events if isinstance(e, AlertChanged) and e.raised] == []
    restarted = [e for e in events if isinstance(e, ContainerRestarted)]
    assert {e.asked_by for e in restarted} == {"the rehearsal"}
    warned = [e.text for e in events if isinstance(e, Notice) and e.level == "warning"]
    assert [text for text in warned if "restarted" in text or "by itself" in text] == []


def databases_of(world: World) -> str:
    world.start("workspace-db-compute")
    databases: str = world.target(DATABASES)
    for name in reversed(NEW_STACK):
        world.stop(name)
    return databases


def test_while_users_write_it_is_clean_and_the_migration_goes_as_without_it(world: World) -> None:
    databases = databases_of(world)
    over = threading.Event()

    def users() -> None:
        while not over.wait(0.2):
            write(world.settings.api.old)

    writing = threading.Thread(target=users)
    writing.start()
    try:
        done = world.program.run("rehearse", "--rounds", "2", "--json")
    finally:
        over.set()
        writing.join()
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["outcome"], found["blocked"], found["differed"], found["left"]) == ("clean", [], [], [])
    assert any(line.startswith("workspace.workspace_items: ") for line in found["moved"])
    assert found["downtime"]["low"] <= found["downtime"]["likely"] <= found["downtime"]["high"]
    assert {use["name"] for use in found["resources"]} == {
        "memory of the new stack",
        "disk of the new database",
    }
    assert_nobody_is_alarmed(world)
    assert_as_before(world, databases)
    dry = world.program.run("migrate", "--dry-run")
    assert "rehearsed" in dry.stdout
    migrated = world.program.run("migrate", "--yes", "--until", "test-api")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    assert world.source(ITEMS) == world.target(ITEMS)
    assert world.source(CONTENT) == world.target(CONTENT)
    late = world.program.run("rehearse")
    assert late.returncode == 1
    assert "the migration has begun" in late.stderr


def verifying(event: dict[str, object]) -> bool:
    return event["kind"] == "rehearsal-progress" and event["doing"] == "verify-data"


def test_killed_in_the_middle_the_migration_clears_up_and_goes_on(world: World) -> None:
    databases = databases_of(world)
    process = world.program.start("rehearse")
    wait_for_event(world.program, process, verifying)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert world.containers()["workspace-api"].state == "running"
    backed_up = world.program.run("migrate", "--yes", "--until", "ports-free")
    assert backed_up.returncode == 0, backed_up.stdout + backed_up.stderr
    assert "was killed" in backed_up.stdout
    assert_as_before(world, databases)
    assert world.program.run("migrate", "--yes", "--until", "verify-data").returncode == 0
    assert world.source(CONTENT) == world.target(CONTENT)
