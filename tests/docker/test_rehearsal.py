"""The rehearsal on a real engine: the migration's own steps, and everything as it was afterwards."""

from __future__ import annotations

import json

import pytest

from tests.docker.world import CONTENT, STACK, DockerWorld, InEngine

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(900)]


def test_it_is_clean_and_the_old_service_serves_all_the_time(world: DockerWorld, wsdash: InEngine) -> None:
    before = world.source(CONTENT)
    began = world.engine.docker("inspect", "-f", "{{.State.StartedAt}}", "apps-workspace").stdout
    done = wsdash.run("rehearse", "--rounds", "1", "--json", "--config", str(world.config), timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["outcome"], found["blocked"], found["differed"], found["left"]) == ("clean", [], [], [])
    assert found["downtime"]["likely"] > 0
    assert world.state("apps-workspace") == ("running", "healthy")
    assert world.engine.docker("inspect", "-f", "{{.State.StartedAt}}", "apps-workspace").stdout == began
    assert world.source(CONTENT) == before
    assert {world.state(name)[0] for name in STACK} <= {"exited", "created", "missing", ""}
