"""The old service started again behind wsdash's back: nothing that was written there is lost in silence."""

from __future__ import annotations

import signal
import urllib.request

from tests.e2e.test_crash import copying, wait_for_event
from tests.support.world import World

ITEMS = "select count(*) from workspace.workspace_items"
CONTENT = "select md5(string_agg(t::text, '' order by id)) from workspace.workspace_items t"
TITLE = "select title from workspace.workspace_items where title = 'late'"


def write(base: str) -> None:
    """A user creates an item."""
    body = b'{"title": "late", "description": "-", "category": "dashboard", "priority": "low"}'
    request = urllib.request.Request(
        base + "/api/items", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201


def somebody_starts_the_old_service_and_writes(world: World) -> None:
    world.start("apps-workspace")
    write(world.settings.api.old)


def assert_whole(world: World, items: int) -> None:
    assert world.containers()["apps-workspace"].state == "exited"
    assert world.source(ITEMS) == world.target(ITEMS) == items
    assert world.source(CONTENT) == world.target(CONTENT)


def test_started_again_while_a_killed_copy_waits_it_is_stopped_before_the_copy_goes_on(world: World) -> None:
    process = world.program.start("migrate", "--yes")
    wait_for_event(world.program, process, copying)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    somebody_starts_the_old_service_and_writes(world)
    done = world.program.run("migrate", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stop-old no longer holds: apps-workspace is running" in done.stdout
    assert_whole(world, 301)


def test_started_again_after_the_copy_what_was_written_there_is_carried_too(world: World) -> None:
    assert world.program.run("migrate", "--yes", "--until", "verify-data").returncode == 0
    somebody_starts_the_old_service_and_writes(world)
    done = world.program.run("migrate", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_whole(world, 301)


def test_started_again_after_the_new_one_was_opened_it_is_stopped_and_the_difference_is_told(
    world: World,
) -> None:
    assert world.program.run("migrate", "--yes", "--until", "test-api").returncode == 0
    write(world.settings.api.new)
    before = world.target(CONTENT)
    somebody_starts_the_old_service_and_writes(world)
    done = world.program.run("migrate", "--yes")
    assert done.returncode == 1
    told = next(line for line in done.stdout.splitlines() if line.startswith("✗ verify-data"))
    assert "workspace.workspace_items (301 rows now)" in told
    assert world.containers()["apps-workspace"].state == "exited"
    assert world.target(CONTENT) == before


def test_started_again_without_a_write_after_the_new_one_was_opened_nothing_is_amiss(world: World) -> None:
    assert world.program.run("migrate", "--yes", "--until", "test-api").returncode == 0
    write(world.settings.api.new)
    world.start("apps-workspace")
    done = world.program.run("migrate", "--yes")
    assert done.returncode == 0, done.stdout
    assert "changed nothing" in done.stdout
    assert world.target(TITLE) == "late"
