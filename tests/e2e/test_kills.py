"""kill -9 of any server or service at any moment of a migration or a rollback, again and again on one world.

Each time the run ends by itself with 0 or with 1 and a sentence, the same command once more (as an operator
would) ends it, and what is there is whole. WSDASH_TEST_KILLS says how many kills there are; each kill's seed
stands in the failure.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import psutil
import pytest

from tests.support.program import Program
from tests.support.storm import FIRST, Storm, kills
from tests.support.world import World
from wsdash.demo.world.build import WorldOptions
from wsdash.outside import read_json

KILLS = kills(2)
ITEMS = 3_000
SERVERS = ("data-timescale", "workspace-db-compute")
SERVICES = ("apps-workspace", "workspace-api", "workspace-db-pageserver", "workspace-db-safekeeper")

pytestmark = pytest.mark.timeout(240 + 60 * KILLS)


class LocalStorm(Storm):
    """Kills of processes that the supervisor keeps: it starts them again by itself."""

    items = ITEMS

    def __init__(self, world: World) -> None:
        super().__init__(world.program)
        self.world = world

    def hit(self, chance: random.Random) -> str:
        kind = chance.choice(("server", "backend", "backend", "service"))
        name = chance.choice(SERVICES if kind == "service" else SERVERS)
        if kind == "backend":
            return f"a backend of {name}" if kill(self.backend_of(name, chance)) else ""
        return name if kill(self.process_of(name)) else ""

    def process_of(self, name: str) -> psutil.Process | None:
        """The service's own process, None while there is none."""
        with suppress(OSError, ValueError, KeyError, psutil.Error):
            noted = read_json((self.program.state / "world" / "pids" / f"{name}.json").read_bytes())
            return psutil.Process(int(noted["pid"]))
        return None

    def backend_of(self, name: str, chance: random.Random) -> psutil.Process | None:
        """One of the server's processes: a client's backend where there is one."""
        server = self.process_of(name)
        with suppress(psutil.Error):
            children = server.children() if server is not None else []
            ours = [one for one in children if "127.0.0.1" in " ".join(one.cmdline())]
            return chance.choice(ours or children) if children else None
        return None

    def sides(self) -> Mapping[str, Callable[[str], Any]]:
        source = {"source": self.world.source}
        return source | {"target": self.world.target} if self.there else source

    def served(self) -> Any:
        base = self.world.settings.api.new if self.there else self.world.settings.api.old
        status, body = self.world.get(base, "/api/items")
        return body["count"] if status == 200 else None


def kill(process: psutil.Process | None) -> bool:
    """SIGKILL; whether there was a process."""
    if process is None:
        return False
    with suppress(psutil.Error):
        process.send_signal(signal.SIGKILL)
    return True


@pytest.fixture
def world_options(program: Program) -> WorldOptions:
    return WorldOptions(items=ITEMS, port_offset=program.offset)


def test_kills_at_random_moments_leave_everything_whole(world: World) -> None:
    storm = LocalStorm(world)
    for seed in range(FIRST, FIRST + KILLS):
        told = storm.strike(seed)
        print(told, flush=True)
        storm.whole(told)
