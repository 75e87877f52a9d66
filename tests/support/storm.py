"""Migrations and rollbacks in turn on one world, each hit at a random moment and ended by the command again.

What is hit and how is the world's own affair: tests/e2e/test_kills.py has local servers,
tests/docker/test_kills.py containers of a real engine.
"""

from __future__ import annotations

import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from tests.e2e.test_crash import BOUNDARIES, history
from tests.support.program import Program

FIRST = int(os.environ.get("WSDASH_TEST_KILLS_FROM", "0"))
TABLES = ("workspace_items", "workspace_categories", "workspace_audit_log", "schema_version")
CONTENT = "select md5(string_agg(t::text, '' order by t::text)) from workspace.{} t"
COUNT = "select count(*) from workspace.workspace_items"
LEFT = {
    "sessions": "select count(*) from pg_stat_activity where application_name like 'wsdash%'"
    " and pid <> pg_backend_pid()",
    "scratch databases": "select count(*) from pg_database where datname like 'wsdash%'",
    "prepared transactions": "select count(*) from pg_prepared_xacts",
}
AGAIN = 4
"""So often the command is given again at most: a server that was killed takes a moment to come back."""
SECONDS = 300.0
"""How long anything may take to come to hold before the test gives up; nothing is measured by it."""


def kills(usual: int) -> int:
    """How many kills there are: WSDASH_TEST_KILLS, else `usual`."""
    return int(os.environ.get("WSDASH_TEST_KILLS", usual))


class Storm(ABC):
    """One command, one blow, the command again until it holds; then all must be whole."""

    items: int
    """How many items the source has."""

    def __init__(self, program: Program, *words: str) -> None:
        self.program, self.words = program, words
        self.there = False
        """The migration is done: the next command is the way back."""

    @abstractmethod
    def hit(self, chance: random.Random) -> str:
        """Hit something while the command runs, as self.process; what it was, '' where nothing was there."""

    @abstractmethod
    def sides(self) -> Mapping[str, Callable[[str], Any]]:
        """How SQL is asked: 'source', and 'target' once the migration is done."""

    @abstractmethod
    def served(self) -> Any:
        """How many items the service in use tells; None while it does not answer."""

    def mend(self) -> None:
        """What an operator does by hand before the command that failed is given again."""
        return

    def strike(self, seed: int) -> str:
        """One command, one blow, the command again until it holds; what was hit, for people."""
        chance = random.Random(seed)
        command = ("rollback" if self.there else "migrate", "--yes", *self.words)
        before = len(history(self.program.state))
        moment = "update-dashboards" if self.there else chance.choice(BOUNDARIES)
        later = chance.choice((0.0, 0.02, 0.1, 0.3, 0.8))
        self.process = self.program.start(*command)
        deadline = time.monotonic() + SECONDS

        def come() -> bool:
            new = history(self.program.state)[before:]
            begun = [one for one in new if one["kind"] == "item-intended"]
            return any(self.there or one["item"] == moment for one in begun)

        while self.process.poll() is None and not come():
            assert time.monotonic() < deadline, self.program.output()
            time.sleep(0.01)
        time.sleep(later)
        hit = self.hit(chance) or "nothing that was there"
        told = f"seed {seed}: {hit} hit {later} s after {moment}, {command[0]}"
        code = self.process.wait(SECONDS)
        self.ended_clean(code, told)
        last = ""
        for _ in range(AGAIN):
            if code == 0:
                break
            self.mend()
            done = self.program.run(*command, timeout=SECONDS)
            code, last = done.returncode, done.stdout[-3000:] + done.stderr
            assert "Traceback" not in last, (told, last)
        assert code == 0, (told, self.program.output()[-3000:], last)
        self.there = not self.there
        return told

    def ended_clean(self, code: int, told: str) -> None:
        """A run that a blow ended says what failed in a sentence; it never ends in a traceback."""
        output = self.program.output()
        assert code in (0, 1), (told, output)
        assert "Traceback" not in output, (told, output)
        failures = self.program.state / "failures.log"
        assert not failures.exists(), (told, failures.read_text())

    def whole(self, told: str) -> None:
        """What is there is whole, on both sides, and nothing of ours is left."""
        deadline = time.monotonic() + SECONDS
        for ask in self.sides().values():
            while (left := self._left(ask)) is None or any(left.values()):
                assert time.monotonic() < deadline, (told, left)
                time.sleep(0.2)
            assert ask(COUNT) == self.items, told
        if self.there:
            asked = self.sides()
            for table in TABLES:
                sql = CONTENT.format(table)
                assert asked["source"](sql) == asked["target"](sql), (told, table)
        while (count := self.served()) is None:
            assert time.monotonic() < deadline, (told, "the service does not answer")
            time.sleep(0.5)
        assert count == self.items, told

    def _left(self, ask: Callable[[str], Any]) -> dict[str, int] | None:
        """What is left over on a side; None while the side comes back from a blow."""
        try:
            return {what: int(ask(sql)) for what, sql in LEFT.items()}
        except Exception:  # whatever a server says that is just starting
            return None
