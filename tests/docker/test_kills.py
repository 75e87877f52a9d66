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
from tests.support.storm import FIRST, Storm, kills

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

    def hit(self, chance: random.Random) -> str:
        there = [name for name in VICTIMS if name == ENGINE or self.world.state(name)[0] == "running"]
        name, way = chance.choice(there), chance.choice(WAYS)
        if name == ENGINE:
            gone = self.process.poll() is not None
            self.process.kill()
            return "" if gone else ENGINE
        if way == "main process":
            pid = int(self.world.engine.docker("inspect", "-f", "{{.State.Pid}}", name).stdout)
            if not pid:  # it ends just now
                return ""
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        else:
            self.world.engine.docker(
                *(("stop", "-t", "2") if way == "stop" else ("kill",)), name, check=False
            )
        return f"{name} ({way})"

    def ended_clean(self, code: int, told: str) -> None:
        super().ended_clean(1 if ENGINE in told and code == -signal.SIGKILL else code, told)

    def mend(self) -> None:
        """What is not wsdash's to start: the source, and on the way back the database that it looks into."""
        names = (SOURCE, *STACK[:3]) if self.there else (SOURCE,)
        self.world.engine.docker("start", *names)
        for name in names:
            self.world.wait_healthy(name)

    def sides(self) -> Mapping[str, Callable[[str], Any]]:
        if not self.there:
            return {"source": self.world.source}
        return {"source": self.world.source, "target": self.world.target}

    def served(self) -> Any:
        status, body = self.world.get(f"http://localhost:{3200 if self.there else 3201}/api/items")
        return body["count"] if status == 200 else None

    def whole(self, told: str) -> None:
        # hit after the last item that looks at it, it is the operator's: the alerts tell
        self.world.engine.docker("start", SOURCE, *(STACK if self.there else (OLD,)))
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
