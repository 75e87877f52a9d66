"""Containers and wsdash itself killed at any moment of a migration or a rollback, on a real Docker engine.

As tests/e2e/test_kills.py does with local processes. A container that `docker kill` or `docker stop` ended
stays down, by Docker's own rule (restart: unless-stopped): the next run starts what is its own to start, and
the rest is started by hand, as an operator would. WSDASH_TEST_KILLS says how many there are; each one's seed
stands in the failure.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from tests.docker.world import ITEMS, STACK, DockerWorld, InEngine
from tests.support.storm import FIRST, Blow, Storm, kills

KILLS = kills(1)
SOURCE, OLD = "data-timescale", "apps-workspace"
ENGINE = "the engine of wsdash"
VICTIMS = (SOURCE, SOURCE, OLD, *STACK, "workspace-db-compute", ENGINE)
WAYS = ("kill", "stop", "main process")

# one engine, one worker; the first test waits for the engine, its image and the old world
pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(900 + 120 * KILLS)]


class DockerStorm(Storm):
    """Blows at containers, and at wsdash itself."""

    items = ITEMS

    def __init__(self, world: DockerWorld, program: InEngine) -> None:
        super().__init__(program, "--config", str(world.config))
        self.world = world

    def blow(self, chance: random.Random) -> Blow:
        name, way = chance.choice(VICTIMS), chance.choice(WAYS)
        if name == ENGINE:
            return Blow(f"{ENGINE} (kill -9)", self.kill_wsdash)
        return Blow(f"{name} ({way})", lambda: self.hit_container(name, way))

    def kill_wsdash(self) -> bool:
        there = self.process.poll() is None
        self.process.kill()
        return there

    def hit_container(self, name: str, way: str) -> bool:
        if self.world.state(name)[0] not in ("running", "restarting"):
            return False
        if way == "stop":
            return self.world.engine.docker("stop", "-t", "2", name, check=False).returncode == 0
        if way == "kill":
            return self.world.engine.docker("kill", name, check=False).returncode == 0
        pid = int(self.world.engine.docker("inspect", "-f", "{{.State.Pid}}", name).stdout)
        if not pid:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def ended_clean(self, code: int, told: str) -> None:
        super().ended_clean(1 if ENGINE in told and code == -signal.SIGKILL else code, told)

    def mend(self) -> None:
        """The source is an operator's to start."""
        self.world.engine.docker("start", SOURCE)
        self.world.wait_healthy(SOURCE)

    def sides(self) -> Mapping[str, Callable[[str], Any]]:
        if not self.there:
            return {"source": self.world.source}
        return {"source": self.world.source, "target": self.world.target}

    def served(self) -> Any:
        status, body = self.world.get(f"http://localhost:{3200 if self.there else 3201}/api/items")
        return body["count"] if status == 200 else None

    def whole(self, told: str) -> None:
        # hit after the last item that looks at it, it is the operator's: the alerts tell
        self.world.engine.docker("start", *(STACK if self.there else (OLD,)))
        super().whole(told)
        running = [name for name in STACK if self.world.state(name)[0] == "running"]
        assert running == (list(STACK) if self.there else []), told
        assert self.world.state(OLD)[0] == ("exited" if self.there else "running"), told


def test_kills_at_random_moments_leave_everything_whole(world: DockerWorld, wsdash: InEngine) -> None:
    storm = DockerStorm(world, wsdash)
    for seed in range(FIRST, FIRST + KILLS):
        told = storm.strike(seed)
        print(told, flush=True)
        storm.whole(told)
