"""`wsdash doctor` on a real stack: the ten checks before it is there, when it is well, when it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.docker.world import SECRETS, DockerWorld, InEngine
from wsdash.review.doctor.connection_test import CHECKS
from wsdash.steps.services.branching import is_ours

pytestmark = pytest.mark.xdist_group("docker")


def ten(wsdash: InEngine, world: DockerWorld) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and the ten findings by the name of their check."""
    done = wsdash.run("doctor", "--json", "--config", str(world.config))
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS.values())
    found = json.loads(done.stdout)["findings"]
    tests = {one["name"].partition(": ")[2]: one for one in found if one["name"].startswith("test ")}
    assert tuple(tests) == CHECKS
    return done.returncode, tests


def others(wsdash: InEngine, world: DockerWorld) -> dict[str, dict[str, Any]]:
    """All findings by their names."""
    done = wsdash.run("doctor", "--json", "--config", str(world.config))
    return {one["name"]: one for one in json.loads(done.stdout)["findings"]}


def guide(wsdash: InEngine, world: DockerWorld) -> dict[str, dict[str, Any]]:
    """The findings of the guide's troubleshooting list, in its order."""
    done = wsdash.run("doctor", "--json", "--config", str(world.config), "--state", str(wsdash.state))
    found = json.loads(done.stdout)["findings"]
    return {one["name"].partition(": ")[2]: one for one in found if one["name"].startswith("guide ")}


def timelines(world: DockerWorld) -> list[str]:
    """Every timeline the pageserver has."""
    tenant = "http://localhost:9898/v1/tenant"
    tenants = [one["id"] for one in world.get(tenant)[1]]
    return [one["timeline_id"] for id in tenants for one in world.get(f"{tenant}/{id}/timeline")[1]]


def test_the_ten_checks_before_with_and_without_a_compute(world: DockerWorld, wsdash: InEngine) -> None:
    code, found = ten(wsdash, world)
    assert code == 0
    assert {one["well"] for one in found.values()} == {None}

    done = wsdash.run("migrate", "--yes", "--until", "migrate-data", "--config", str(world.config))
    assert done.returncode == 0, done.stdout + done.stderr
    code, found = ten(wsdash, world)
    assert {name: one["seen"] for name, one in found.items() if not one["well"]} == {}
    assert code == 0
    assert world.target("select count(*) from pg_class where relname like 'doctor_%'") == 0
    assert not any(is_ours(one) for one in timelines(world))

    made = others(wsdash, world)
    memory, builds = made["memory of workspace-db-pageserver"], made["index builds in workspace-db-compute"]
    assert (memory["well"], builds["well"]) == (True, True)
    assert "320 MiB (10 layers of 32 MiB), the container's limit is 736 MiB" in memory["seen"]
    assert "the container's limit is 672 MiB" in builds["seen"]
    ports = made["ports of the new stack"]
    assert (ports["well"], "5433 by workspace-db-compute" in ports["seen"]) == (True, True)

    world.engine.docker("kill", "workspace-db-compute")
    code, found = ten(wsdash, world)
    assert code == 1
    unwell = {name for name, one in found.items() if not one["well"]}
    assert unwell == set(CHECKS) - {"branching"}
    assert "workspace-db-compute is exited" in found["containers"]["seen"]
    assert found["containers"]["more"] == "docker logs --tail 50 workspace-db-compute"
    assert all(found[name]["more"] for name in unwell)


def test_the_guides_troubleshooting_is_explained_with_commands_that_show_more(
    stack: DockerWorld, wsdash: InEngine
) -> None:
    done = wsdash.run("migrate", "--yes", "--until", "migrate-data", "--config", str(stack.config))
    assert done.returncode == 0, done.stdout + done.stderr
    well = guide(wsdash, stack)
    assert [one["well"] for one in well.values()] == [True, True, True, None]
    assert "wsdash rollback takes back stop-old" in well["way back"]["seen"]

    stack.engine.docker("stop", "-t", "1", "workspace-api")
    backup = next(Path(wsdash.environment["WSDASH__PATHS__BACKUPS"]).glob("*.json"))
    backup.unlink()
    ill = guide(wsdash, stack)
    assert ill["diagnostics"]["well"] is False
    assert ill["diagnostics"]["more"] == "docker logs --tail 50 workspace-api"
    assert ill["way back"]["well"] is False
    assert str(backup) in ill["way back"]["seen"]
    assert ill["way back"]["more"] == f"ls -l {backup}"
