"""The guide's plan on a real engine: there, back, and there again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.world import CONTENT, ITEMS, SECRETS, STACK, DockerWorld, InEngine
from tests.support.program import read_json

# one engine, one worker; the first test waits for the engine, its image and the old world
pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(900)]


def test_the_whole_plan_then_back_then_there_again(
    world: DockerWorld, wsdash: InEngine, tmp_path: Path
) -> None:
    config = ("--config", str(world.config))
    before = world.source(CONTENT)
    report_file = tmp_path / "report.json"
    done = wsdash.run("migrate", "--yes", "--report", str(report_file), *config)
    assert done.returncode == 0, done.stdout + done.stderr
    report = read_json(report_file)
    assert report["outcome"] == "migrated"
    assert all(table["match"] for table in report["tables"])
    assert {name: world.state(name) for name in STACK} == dict.fromkeys(STACK, ("running", "healthy"))
    assert world.state("apps-workspace")[0] == "exited"
    assert world.source(CONTENT) == world.target(CONTENT) == before
    assert world.get("http://localhost:3200/api/items")[1]["count"] == ITEMS
    for text in (done.stdout, done.stderr, report_file.read_text()):
        assert not any(secret in text for secret in SECRETS.values())

    branch = wsdash.run("test", "--only", "test-branching", "--only", "test-health", *config)
    assert branch.returncode == 0, branch.stdout + branch.stderr
    assert f"do not show on the other, {ITEMS:,} items on it" in branch.stdout
    assert world.source(CONTENT) == world.target(CONTENT) == before

    began = world.engine.docker("inspect", "-f", "{{.State.StartedAt}}", "workspace-api").stdout
    restarted = wsdash.run("container", "restart", "workspace-api", "--who", "Ana", *config)
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert world.state("workspace-api") == ("running", "healthy")
    assert world.engine.docker("inspect", "-f", "{{.State.StartedAt}}", "workspace-api").stdout != began

    back = wsdash.run("rollback", "--yes", *config)
    assert back.returncode == 0, back.stdout + back.stderr
    assert world.state("apps-workspace") == ("running", "healthy")
    assert {world.state(name)[0] for name in STACK} == {"exited"}
    assert world.get("http://localhost:3201/api/items")[1]["count"] == ITEMS
    assert world.source(CONTENT) == before

    again = wsdash.run("migrate", "--yes", *config)
    assert again.returncode == 0, again.stdout + again.stderr
    assert world.source(CONTENT) == world.target(CONTENT) == before


def test_lost_data_comes_back_from_the_backup_into_the_new_database(
    stack: DockerWorld, wsdash: InEngine, tmp_path: Path
) -> None:
    config = ("--config", str(stack.config))
    done = wsdash.run("migrate", "--yes", *config)
    assert done.returncode == 0, done.stdout + done.stderr
    before = stack.source(CONTENT)
    stack.admin("delete from workspace.workspace_items where priority = 'low'", "workspace")
    assert stack.target(CONTENT) != before
    backup = next((tmp_path / "backups").glob("backup-workspace-*.sql"))
    restored = wsdash.run("restore", str(backup), "--replace", "--yes", *config)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert stack.target(CONTENT) == before
    assert stack.get("http://localhost:3200/api/items")[1]["count"] == ITEMS
