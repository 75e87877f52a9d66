"""Faults after a migration, seen by a watcher on a real terminal: what the screen says is what is so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.docker.world import CONTENT, ITEMS, STACK, DockerWorld, InEngine
from tests.support.terminal import Terminal

pytestmark = pytest.mark.xdist_group("docker")

API, COMPUTE, PAGESERVER = "workspace-api", "workspace-db-compute", "workspace-db-pageserver"


def line(terminal: Terminal, container: str) -> str:
    """What the containers pane says of a container, in its line."""
    found = [text for text in terminal.text().splitlines() if container in text and "│" in text]
    return found[0] if found else ""


def test_a_watcher_sees_every_fault_of_the_new_stack_and_its_end(
    stack: DockerWorld, wsdash: InEngine, screen: Callable[..., Terminal]
) -> None:
    done = wsdash.run("migrate", "--yes", "--config", str(stack.config))
    assert done.returncode == 0, done.stdout + done.stderr
    monitor = screen("monitor", "--config", str(stack.config), columns=160, rows=48)

    def shows(container: str, word: str, timeout: float = 30) -> None:
        stack.wait_for(lambda: word in line(monitor, container), f"{container} {word}", timeout)

    docker = stack.engine.docker
    for name in STACK:
        shows(name, "healthy")

    docker("pause", PAGESERVER)
    shows(PAGESERVER, "paused")
    docker("unpause", PAGESERVER)
    shows(PAGESERVER, "healthy")

    docker("network", "disconnect", "workspace_network", API)
    shows(API, "unhealthy")
    docker("network", "connect", "workspace_network", API)
    stack.wait_for(lambda: "unhealthy" not in line(monitor, API), "the API is well again")

    docker("kill", COMPUTE)
    shows(COMPUTE, "exited 137")
    docker("start", COMPUTE)
    shows(COMPUTE, "healthy")

    stack.engine.stop()
    monitor.wait_for("does not answer")
    stack.engine.start()
    for name in STACK:
        stack.wait_healthy(name)
        shows(name, "healthy")

    assert stack.source(CONTENT) == stack.target(CONTENT)
    assert stack.get("http://localhost:3200/api/items")[1]["count"] == ITEMS
    assert "Traceback" not in monitor.text()
