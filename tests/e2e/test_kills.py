"""kill -9 of any server or service at any moment of a migration or a rollback, again and again on one world.

Each time the run ends by itself with 0 or with 1 and a sentence, the same command once more (as an operator
would) ends it, and what is there is whole. WSDASH_TEST_KILLS says how many kills there are; each kill's seed
stands in the failure.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from tests.e2e.test_crash import BOUNDARIES, history
from tests.support.program import Program
from tests.support.world import World
from wsdash.demo.world.build import WorldOptions
from wsdash.outside import read_json

KILLS = int(os.environ.get("WSDASH_TEST_KILLS", "2"))
FIRST = int(os.environ.get("WSDASH_TEST_KILLS_FROM", "0"))
ITEMS = 3_000
SERVERS = ("data-timescale", "workspace-db-compute")
SERVICES = ("apps-workspace", "workspace-api", "workspace-db-pageserver", "workspace-db-safekeeper")
CONTENT = "select md5(string_agg(t::text, '' order by t::text)) from workspace.{} t"
TABLES = ("workspace_items", "workspace_categories", "workspace_audit_log", "schema_version")
LEFT = {
    "sessions": "select count(*) from pg_stat_activity where application_name like 'wsdash%'"
    " and pid <> pg_backend_pid()",
    "scratch databases": "select count(*) from pg_database where datname like 'wsdash%'",
    "prepared transactions": "select count(*) from pg_prepared_xacts",
}
AGAIN = 4
"""So often the command is given again at most: a server that was killed takes a moment to come back."""

pytestmark = pytest.mark.timeout(240 + 60 * KILLS)


def process_of(world: World, name: str) -> psutil.Process | None:
    """The service's own process, None while there is none."""
    with suppress(OSError, ValueError, KeyError, psutil.Error):
        noted = read_json((world.program.state / "world" / "pids" / f"{name}.json").read_bytes())
        return psutil.Process(int(noted["pid"]))
    return None


def backend_of(world: World, name: str, chance: random.Random) -> psutil.Process | None:
    """One of the server's processes: a client's backend where there is one."""
    server = process_of(world, name)
    with suppress(psutil.Error):
        children = server.children() if server is not None else []
        ours = [one for one in children if "127.0.0.1" in " ".join(one.cmdline())]
        return chance.choice(ours or children) if children else None
    return None


def victims(world: World, chance: random.Random) -> tuple[str, Callable[[], psutil.Process | None]]:
    """Whom it hits, and how to find its process when the moment has come."""
    kind = chance.choice(("server", "backend", "backend", "service"))
    if kind == "service":
        name = chance.choice(SERVICES)
        return name, lambda: process_of(world, name)
    name = chance.choice(SERVERS)
    if kind == "server":
        return name, lambda: process_of(world, name)
    return f"a backend of {name}", lambda: backend_of(world, name, chance)


class Storm:
    """Migrations and rollbacks in turn, each with one kill."""

    def __init__(self, world: World) -> None:
        self.world, self.program = world, world.program
        self.there = False
        """The migration is done: the next command is the way back."""

    def strike(self, seed: int) -> str:
        """One command, one kill, the command again until it holds; what was hit, for people."""
        chance = random.Random(seed)
        command = ("rollback", "--yes") if self.there else ("migrate", "--yes")
        before = len(history(self.program.state))
        name, find = victims(self.world, chance)
        items = ("update-dashboards",) if self.there else BOUNDARIES
        moment, later = chance.choice(items), chance.choice((0.0, 0.02, 0.1, 0.3, 0.8))
        process = self.program.start(*command)
        deadline = time.monotonic() + 120

        def come() -> bool:
            new = history(self.program.state)[before:]
            begun = [one for one in new if one["kind"] == "item-intended"]
            return any(self.there or one["item"] == moment for one in begun)

        while process.poll() is None and not come():
            assert time.monotonic() < deadline, self.program.output()
            time.sleep(0.01)
        time.sleep(later)
        killed = find()
        if killed is not None:
            with suppress(psutil.Error):
                killed.send_signal(signal.SIGKILL)
        told = f"seed {seed}: {name} {'killed' if killed else 'was not there'} {later} s after {moment}, "
        told += " ".join(command)
        code = process.wait(150)
        self.ended_clean(code, told)
        for _ in range(AGAIN):
            if code == 0:
                break
            done = self.program.run(*command, timeout=150)
            code = done.returncode
            assert "Traceback" not in done.stdout + done.stderr, (told, done.stdout, done.stderr)
        assert code == 0, (told, self.program.output()[-3000:], done.stdout[-3000:], done.stderr)
        self.there = not self.there
        return told

    def ended_clean(self, code: int, told: str) -> None:
        """A run that a kill ended says what failed in a sentence; it never ends in a traceback."""
        output = self.program.output()
        assert code in (0, 1), (told, output)
        assert "Traceback" not in output, (told, output)
        assert not (self.program.state / "failures.log").exists(), (
            told,
            (self.program.state / "failures.log").read_text(),
        )

    def whole(self, told: str) -> None:
        """What is there is whole, on both sides, and nothing of ours is left."""
        items = "select count(*) from workspace.workspace_items"
        deadline = time.monotonic() + 120
        sides = (self.world.source, *([self.world.target] if self.there else []))
        for side in sides:
            while True:
                try:
                    left = {what: side(sql) for what, sql in LEFT.items()}
                    counted = side(items)
                except Exception:  # it comes back from the kill
                    assert time.monotonic() < deadline, told
                    time.sleep(0.2)
                    continue
                if not any(left.values()):
                    break
                assert time.monotonic() < deadline, (told, left)
                time.sleep(0.2)
            assert counted == ITEMS, told
        if self.there:
            for table in TABLES:
                sql = CONTENT.format(table)
                assert self.world.source(sql) == self.world.target(sql), (told, table)
        base = self.world.settings.api.new if self.there else self.world.settings.api.old
        while (answer := self.world.get(base, "/api/items"))[0] != 200:
            assert time.monotonic() < deadline, (told, base, answer)
            time.sleep(0.5)
        assert answer[1]["count"] == ITEMS, told


@pytest.fixture
def world_options(program: Program) -> WorldOptions:
    return WorldOptions(items=ITEMS, port_offset=program.offset)


def test_kills_at_random_moments_leave_everything_whole(world: World) -> None:
    storm = Storm(world)
    for seed in range(FIRST, FIRST + KILLS):
        told = storm.strike(seed)
        print(told, flush=True)
        storm.whole(told)
