"""Fortnights from a seed: a list of incidents, and what pollers and people would have told of them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from tests.timeline.support import BEGAN, CONTAINERS, PLAN
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ContainerRestarted,
    CriterionConfirmed,
    DecisionRecorded,
    ItemChanged,
    ItemIntended,
    ItemState,
    LatencyReading,
    LoadRung,
    LoadTested,
    Recorded,
    RunStarted,
    TableVerified,
)
from wsdash.model.samples import SampleFold
from wsdash.timeline.story import Story, fold_story

DAY = 86_400
DAYS = 14
FIRST = -2 * DAY
"""Seconds from BEGAN: when the migration that is rolled back ended; the one that counts ended at BEGAN."""
BLOCK = 4 * 3600
"""Seconds: at most one incident falls into each, and none goes on over a day's end."""
KINDS = ("slow", "down", "unseen", "burst", "restart", "disk", "p1", "memory")
MINUTES = {
    "slow": (30, 80, 180),
    "down": (1, 2, 4, 90),
    "unseen": (1, 2, 10, 14, 60, 200),
    "burst": (1, 40),
    "disk": (1, 30),
    "memory": (5,),
}
LIMIT = {"latency": 0.2, "answers": 0.002, "down": 172.8, "errors": 5.0, "disk": 80.0, "memory": 2e9}
"""Of the guide and of config/timeline.yaml."""
LEAST, LONGEST = 0.9, 15
"""The share of a day's minutes that must be watched, and how many at a time may be missed."""
OLD_ANSWERS = 300


@dataclass(frozen=True)
class Incident:
    """since: seconds since BEGAN (negative: in the earlier migration). minutes: how long, 0 for a moment."""

    kind: str
    since: int
    minutes: int = 0
    asked: bool = False


def incidents(seed: int) -> list[Incident]:
    """In each an engine is restarted (a minute unseen), and an operator has a container restarted (a minute
    without an answer); what else happens, and when, is chance."""
    chance = random.Random(seed)
    engine, operator, *others = chance.sample(range(6 * DAYS), 2 + chance.randrange(10))
    blocks = [*others, *chance.sample(range(-11, 0), chance.randrange(3))]
    found = [
        Incident("unseen", engine * BLOCK + 600, 1),
        Incident("restart", operator * BLOCK + 600, asked=True),
        Incident("down", operator * BLOCK + 600, 1),
    ]
    for block in blocks:
        kind = chance.choice(KINDS)
        found.append(Incident(kind, block * BLOCK + 600, chance.choice(MINUTES.get(kind, (0,)))))
    return found


@dataclass(frozen=True)
class Minute:
    """What was so in one minute. latency: seconds; None: no answer."""

    at: int
    unseen: bool
    latency: float | None
    errors: float
    disk: float
    memory: float


class Fortnight:
    """The fortnight of one seed.

    measured: the old service was probed often enough before its stop. said_again: what people said and
    decided of the migration that was rolled back, they said of the next one, too.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.incidents = incidents(seed)
        self.measured = bool(seed % 2)
        self.said_again = bool(seed % 3)

    @cached_property
    def minutes(self) -> list[Minute]:
        chance = random.Random(f"minutes {self.seed}")
        return [self._minute(at, chance) for at in range(FIRST, DAYS * DAY + 60, 60)]

    @cached_property
    def _on(self) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for one in self.incidents:
            for minute in range(max(1, one.minutes)):
                found.setdefault(one.since + 60 * minute, set()).add(one.kind)
        return found

    def _minute(self, at: int, chance: random.Random) -> Minute:
        on = self._on.get(at, ())
        usual = 0.030 * math.exp(chance.gauss(0, 0.2))
        slow = 0.45 * math.exp(chance.gauss(0, 0.1))
        burst = "burst" in on or not at  # the minute before the migration's end was full of errors
        return Minute(
            at,
            "unseen" in on,
            None if "down" in on else slow if "slow" in on else usual,
            float(chance.randrange(6, 30)) if burst else float(chance.random() < 0.01),
            80 + 10 * chance.random() if "disk" in on else 50 + chance.random(),
            2.5e9 if "memory" in on else 5e8 + 1e6 * chance.random(),
        )

    @cached_property
    def old(self) -> list[float]:
        """The old service's answers before the second stop."""
        chance = random.Random(f"old {self.seed}")
        return [0.040 * math.exp(chance.gauss(0, 0.05)) for _ in range(OLD_ANSWERS if self.measured else 20)]

    def samples(self, add: Callable[[str, float, float | None], object], days: int = DAYS) -> None:
        """All samples, latencies by the way of the engine's own recorder."""

        def keep(series: str, at: float, value: float | None, error: str) -> None:
            add(series, at, value)

        recorder = SampleFold(keep)
        for number, seconds in enumerate(self.old):
            add("latency:api-old", BEGAN - 900 + number, seconds)
        for minute in self.minutes:
            if minute.unseen or minute.at > days * DAY:
                continue
            at = BEGAN + minute.at
            recorder.see(Recorded(0, at, LatencyReading("api-new", minute.latency)))
            add("errors:workspace-api", at, minute.errors)
            add("disk:percent", at, minute.disk)
            add("memory:stack", at, minute.memory)
            for name in CONTAINERS:
                add(f"health:{name}", at, 1.0)
                add(f"restarted:{name}", at, 0.0)

    def story(self) -> Story:
        """The journal: a migration, its rollback, another one, and what happened."""
        events = sorted(self._events(), key=lambda pair: pair[0])
        told = [Recorded(number, BEGAN + at, event) for number, (at, event) in enumerate(events, 1)]
        return fold_story(told, PLAN)

    def _events(self) -> Iterator[tuple[float, AnyEvent]]:
        yield FIRST - 600, RunStarted("run", "offline", "h", 1, False)
        yield from _migration(FIRST, 7)
        yield FIRST + 60, DecisionRecorded(7, True, "Ana", "too early", despite=("early",))
        yield FIRST + 70, CriterionConfirmed("rollback-tested", True, "Ana")
        yield -1200, ItemIntended("test-api", "undo", 2)
        yield -1100, ItemChanged("test-api", ItemState.UNDONE)
        yield from _migration(0, 10)
        for person in ("team-comfortable", "team-start-stop"):
            yield 60, CriterionConfirmed(person, True, "Ana")
        if self.said_again:
            yield 60, CriterionConfirmed("rollback-tested", True, "Ana")
            yield 7 * DAY, DecisionRecorded(7, True, "Ana", "calm", despite=("whatever",))
        for one in self.incidents:
            if one.kind == "restart":
                asked = "Bruno" if one.asked else ""
                yield one.since, ContainerRestarted(CONTAINERS[1], "started anew", asked)
            if one.kind == "p1":
                raised = BEGAN + one.since
                yield one.since, AlertChanged("target-down", True, "no", raised, severity="critical")
                yield one.since + 300, AlertChanged("target-down", False, "well", raised + 300)
            if one == self.incidents[0]:
                yield one.since + 60, RunStarted("run", "offline", "h", 2, True)


def _migration(at: float, rows: int) -> Iterator[tuple[float, AnyEvent]]:
    rung = LoadRung(1, 100, 0, 50.0, 0.02, 0.03, 0.03, 0.04)
    for api in ("baseline", "new"):
        yield at - 9, LoadTested(api, "http://x", "read", (rung,))
    yield at - 9, TableVerified("workspace.workspace_items", rows, rows, "a", "a", True)
    for item in PLAN.everything:
        yield at, ItemChanged(item.id, ItemState.DONE, "holds")
