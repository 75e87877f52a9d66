"""Back to the old service, and the guide's two ways of restoring data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.program import Program, read_json
from tests.support.world import World
from wsdash.demo.world.build import WorldOptions


@pytest.fixture
def world_options(program: Program) -> WorldOptions:
    """Without the API's rate limit: each wait for it is a minute of a test that is about something else."""
    return WorldOptions(items=300, port_offset=program.offset, api="simple")


def test_a_rollback_stops_the_stack_and_the_old_service_serves_again(world: World) -> None:
    assert world.program.run("migrate", "--yes").returncode == 0
    report = world.program.state.parent / "report.json"
    done = world.program.run("rollback", "--yes", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_json(report)["outcome"] == "rolled_back"
    states = {name: reading.state for name, reading in world.containers().items()}
    assert states["apps-workspace"] == "running"
    for name in world.settings.stack.workspace.containers:
        assert states[name] != "running"
    status, answer = world.get(world.settings.api.old, "/api/items")
    assert (status, answer["count"]) == (200, 300)
    backup = next(Path(world.settings.paths.backups).glob("backup-*.sql"))
    again = world.program.run("rollback", "--yes", "--restore", str(backup))
    assert again.returncode == 2, again.stdout + again.stderr
    assert "would restore nothing: stop-old is undone" in again.stderr
    assert "--to source" in again.stderr


def test_what_was_decided_ends_with_a_rollback_and_finish_lists_nothing(world: World) -> None:
    assert world.program.run("migrate", "--yes").returncode == 0
    said = ("decide", "--go", "--who", "Ana", "--why", "two calm weeks", "--day")
    early = world.program.run(*said, "14")
    assert early.returncode == 2
    assert "the word AGAINST must be typed" in early.stderr
    for day in ("7", "14"):
        assert world.program.run(*said, day, "--phrase", "AGAINST").returncode == 0
    assert world.program.run("rollback", "--yes").returncode == 0
    done = world.program.run("finish")
    assert done.returncode == 1
    assert "it was rolled back" in done.stdout
    assert "DROP" not in done.stdout


def test_a_rollback_in_the_middle_works_too(world: World) -> None:
    assert world.program.run("migrate", "--yes", "--until", "start-stack").returncode == 0
    done = world.program.run("rollback", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.get(world.settings.api.old, "/health")[0] == 200


def test_rows_written_to_the_new_service_are_kept_in_a_file_by_a_rollback(world: World) -> None:
    assert world.program.run("migrate", "--yes").returncode == 0
    world.target("update workspace.workspace_items set title = 'late' where category = 'dashboard'")
    done = world.program.run("rollback", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = list(Path(world.settings.paths.backups).glob("*target-before-rollback*.sql"))
    assert len(kept) == 1
    assert "late" in kept[0].read_text()


def test_after_a_rollback_the_migration_can_be_run_again(world: World) -> None:
    assert world.program.run("migrate", "--yes").returncode == 0
    assert world.program.run("rollback", "--yes").returncode == 0
    again = world.program.run("migrate", "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert world.get(world.settings.api.new, "/api/items")[1]["count"] == 300


def test_option_a_restores_a_backup_into_the_target(world: World) -> None:
    assert world.program.run("migrate", "--yes").returncode == 0
    world.target("delete from workspace.workspace_items")
    backup = next(Path(world.settings.paths.backups).glob("backup-*.sql"))
    refused = world.program.run("restore", str(backup))
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    done = world.program.run("restore", str(backup), "--replace", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.target("select count(*) from workspace.workspace_items") == 300


@pytest.mark.parametrize("lost", ["true", "priority = 'low'"], ids=["all rows", "some rows"])
def test_option_b_migrates_again_with_force(world: World, lost: str) -> None:
    assert world.program.run("migrate", "--yes").returncode == 0
    world.target(f"delete from workspace.workspace_items where {lost}")
    again = world.program.run("migrate", "--yes", "--from", "migrate-data", "--force")
    assert again.returncode == 0, again.stdout + again.stderr
    assert world.target("select count(*) from workspace.workspace_items") == 300
    assert "compared before" not in again.stdout


def test_a_tampered_backup_is_refused(world: World) -> None:
    assert world.program.run("migrate", "--yes", "--until", "backup").returncode == 0
    backup = next(Path(world.settings.paths.backups).glob("backup-*.sql"))
    backup.write_text(backup.read_text().replace("dashboard", "dashboarb", 1))
    done = world.program.run("restore", str(backup))
    assert done.returncode in (1, 2)
    assert "sha256" in done.stderr
