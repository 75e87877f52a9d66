"""`wsdash demo --fortnight NAME`: fourteen days after the migration, and the demo's people who decide.

The readings are a stand-in for those of a real stack: seeded, with a daily rhythm, noise and incidents.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from wsdash.demo.days.life import Life
from wsdash.errors import InputError
from wsdash.model import (
    ContainerReading,
    HostReading,
    Intent,
    LatencyReading,
    Liveness,
    LogLine,
    MetricsReading,
    Notice,
    SourceState,
)
from wsdash.steps.trials.checklist import TRIALS

HOUR = 3600.0
DAY = 86_400.0
API = "workspace-api"
COMPUTE = "workspace-db-compute"
QUIET_ERRORS = 0.004
"""Error lines a minute of a service that is well: one in four hours."""

Hit = Callable[[float], bool]


def between(first: float, last: float) -> Hit:
    """Whether a time (seconds since the migration) lies between two days."""
    return lambda at: first * DAY <= at < last * DAY


def never(at: float) -> bool:
    """No time at all."""
    return False


@dataclass(frozen=True)
class Fortnight:
    """How fourteen days go. Times are days since the migration; what says it for people."""

    name: str
    what: str
    slow: Hit = never
    errors: Hit = never
    restarts: tuple[float, ...] = ()
    disk_fills: tuple[float, float] | None = None
    unwatched: Hit = never
    comfortable: bool = True
    comfort_note: str = "nothing to complain about"


FORTNIGHTS = {
    one.name: one
    for one in (
        Fortnight("good", "nothing happens"),
        Fortnight(
            "slow-api",
            "the API is slow for five hours of the second day",
            slow=between(1.4, 1.61),
            comfortable=False,
            comfort_note="the lists were slow on the second day",
        ),
        Fortnight(
            "error-burst",
            "the API logs errors for 40 minutes of the sixth day",
            errors=between(5.4, 5.428),
        ),
        Fortnight("restarts", "the database restarts thrice on the first day", restarts=(0.42, 0.43, 0.45)),
        Fortnight("disk-fills", "from the ninth day on the disk fills up", disk_fills=(8.0, 12.5)),
        Fortnight(
            "incidents",
            "a slow evening, a restart, an error burst and a disk that fills: something to look at",
            slow=between(1.4, 1.61),
            errors=between(5.4, 5.428),
            restarts=(2.3,),
            disk_fills=(8.0, 12.5),
            comfort_note="slow on the second day, well since",
        ),
        Fortnight("gap", "nobody watched on the fifth and the sixth day", unwatched=between(4.0, 6.0)),
    )
}


def chosen(name: str) -> str:
    """The name, when there is such a fortnight. Raises InputError that lists them."""
    if name not in FORTNIGHTS:
        raise InputError(
            f"there is no fortnight {name!r}",
            where="--fortnight",
            remedy="use one of: " + ", ".join(FORTNIGHTS),
        )
    return name


@dataclass
class StandinStack:
    """The readings of one fortnight. base: seconds the API takes when nothing is wrong.

    before: how often each container was restarted before it; a count goes on from there.
    """

    fortnight: Fortnight
    base: float
    seed: int = 1
    before: Mapping[str, int] = field(default_factory=dict)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.fortnight.name} {self.seed}")

    def watched(self, at: float) -> bool:
        """Whether anybody looks at that time (seconds since the migration)."""
        return not self.fortnight.unwatched(at)

    def load(self, at: float) -> float:
        """The share (0.3..1) of the busiest hour's traffic; busiest in the afternoon, calm at night."""
        return 0.65 + 0.35 * math.sin(2 * math.pi * (at / DAY - 0.25))

    def latency(self, at: float) -> float | None:
        """Seconds of one GET /api/items, None while the service restarts."""
        if any(start * DAY <= at < start * DAY + 45 for start in self.fortnight.restarts):
            return None
        usual = self.base * (0.75 + 0.25 * self.load(at)) * math.exp(self._random.gauss(0, 0.12))
        return usual + self._random.uniform(0.45, 0.95) if self.fortnight.slow(at) else usual

    def errors(self, at: float) -> int:
        """Error lines in the minute before."""
        if self.fortnight.errors(at):
            return self._random.randint(9, 24)
        return int(self._random.random() < QUIET_ERRORS)

    def restarts(self, container: str, at: float) -> int:
        """How often a container was restarted so far."""
        before = self.before.get(container, 0)
        if container != COMPUTE:
            return before
        return before + sum(at >= start * DAY for start in self.fortnight.restarts)

    def started(self, container: str, at: float) -> float:
        """When it was started, seconds since the migration; never before it."""
        if container != COMPUTE:
            return 0.0
        return max((start * DAY for start in self.fortnight.restarts if at >= start * DAY), default=0.0)

    def memory(self, container: str, at: float) -> int:
        """Bytes."""
        usual = {COMPUTE: 420, API: 90}.get(container, 180)
        return int((usual * (0.9 + 0.1 * self.load(at)) + self._random.uniform(-3, 3)) * 2**20)

    def disk(self, at: float) -> float:
        """Per cent of the disk in use."""
        percent = 55.0 + 0.15 * at / DAY + self._random.uniform(-0.02, 0.02)
        if self.fortnight.disk_fills is not None:
            first, last = self.fortnight.disk_fills
            percent += 36.0 * min(1.0, max(0.0, (at / DAY - first) / (last - first)))
        return percent


TICK = 30.0
"""Seconds between two probes of the API; everything else is read every second time."""
DAYS = 14
DISK_BYTES = 200 * 2**30
USUAL = 0.05
"""Seconds the API takes at most when nothing is wrong: no more than the old one did."""
PROBED = ("pageserver", "safekeeper", "target-db")
TRIED_AT, SHOWN_AT, COMFORT_AT, WRITTEN_AT = 0.06, 2.0, 2.95, 13.9
"""Days: when the demo's people have tried everything (an hour of logs is watched by then), learnt to run the
stack, say how it feels, and have written it up."""
DECIDED = (0, 1, 3, 7)
TICKED = {
    "team-start-stop": "each of us stopped and started it once",
    "rollback-tested": "tried on the rehearsal's copy",
}
TEAM, LEAD = "Ana (the demo's team)", "Bruno (the demo's lead)"


@dataclass(frozen=True)
class FortnightScript:
    """One fortnight, the same for the same seed.

    scale: 0 as fast as it can, else how many times as fast as the machine's clock.
    """

    name: str
    scale: float = 0.0
    seed: int = 1

    async def live(self, life: Life) -> None:
        """Read, judge, confirm and decide for fourteen days."""
        began = life.fortnight
        usual = USUAL if began.usual is None else min(USUAL, began.usual * 0.8)
        stack = StandinStack(FORTNIGHTS[self.name], usual, self.seed, began.restarts)
        begun = began.begun
        await life.until(begun)
        text = f"from here on the readings are a stand-in's: fortnight {self.name} ({stack.fortnight.what})"
        life.read(Notice("info", text))
        for source in ("containers", "host", *(f"latency:{name}" for name in ("api-new", *PROBED))):
            life.read(SourceState(source, Liveness.LIVE))
        people = _People(life, stack)
        for number in range(int(DAYS * DAY / TICK) + 1):
            at = number * TICK
            await life.until(begun + at)
            if stack.watched(at):
                self._read(life, stack, at, whole=number % 2 == 0)
            await people.act(at, past=life.past)
        await life.finish()
        await life.look()

    def _read(self, life: Life, stack: StandinStack, at: float, *, whole: bool) -> None:
        seconds = stack.latency(at)
        life.read(LatencyReading("api-new", seconds, "" if seconds is not None else "connection refused"))
        if whole:
            for _ in range(stack.errors(at)):
                life.log(LogLine("workspace-api", life.clock.time(), "stderr", "ERROR: the query timed out"))
            life.read(MetricsReading("errors", {"errors:workspace-api": float(life.errors)}))
            for name in life.settings.stack.workspace.services:
                life.read(_container(stack, name, at, life.fortnight.begun))
            percent = stack.disk(at)
            free = int(DISK_BYTES * (1 - percent / 100))
            life.read(HostReading(percent, free, 1.5, 60 << 20, 0.002))
            if self.scale:  # somebody looks: the other panes want something to show too
                for series in PROBED:
                    life.read(LatencyReading(series, stack.base * 0.3))
        life.judge()


def _container(stack: StandinStack, name: str, at: float, begun: float) -> ContainerReading:
    return ContainerReading(
        name,
        "running",
        "healthy",
        "workspace",
        memory_bytes=stack.memory(name, at),
        restarts=stack.restarts(name, at),
        started_at=begun + stack.started(name, at),
    )


class _People:
    """What the demo's people do: one says how the team feels, one decides by what the evidence says."""

    def __init__(self, life: Life, stack: StandinStack) -> None:
        self._life = life
        self._stack = stack
        self._due: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (TRIED_AT, self._try_all),
            (COMFORT_AT, self._feel),
            (WRITTEN_AT, self._write_up),
        ]
        self._due += [(max(day, TRIED_AT) + 0.001, partial(self._decide, day)) for day in DECIDED]
        self._due += [
            (SHOWN_AT + 0.001 * number, partial(self._tick, name, note))
            for number, (name, note) in enumerate(TICKED.items())
        ]
        self._due += [(day + 0.0005, self._look) for day in (1.0, 3.0)]
        self._due.sort(key=lambda pair: pair[0])

    async def act(self, at: float, *, past: bool) -> None:
        """Do what is due; what an earlier engine saw done is not done again."""
        while self._due and at >= self._due[0][0] * DAY:
            do = self._due.pop(0)[1]
            if not past:
                await do()

    async def _look(self) -> None:
        await self._life.look()

    async def _try_all(self) -> None:
        """The testing checklist, and what comes after a migration."""
        for name in [*TRIALS, "benchmarks", "branching"]:
            await self._life.perform(name)
        await self._life.tick("test-kanban", TEAM, "cards stay where they are dropped")

    async def _write_up(self) -> None:
        await self._life.perform("update-docs")

    async def _tick(self, name: str, note: str) -> None:
        await self._life.say(Intent("confirm-criterion", name, TEAM, note, options={"holds": True}))

    async def _feel(self) -> None:
        lived = self._stack.fortnight
        options = {"holds": lived.comfortable}
        intent = Intent("confirm-criterion", "team-comfortable", TEAM, lived.comfort_note, options=options)
        await self._life.say(intent)

    async def _decide(self, number: int) -> None:
        judged = await self._life.look()
        found = next(day for day in judged.days if day.day == number)
        if found.recommendation == "insufficient-data":
            text = f"Day {number} is not decided: the demo's people want to see more than was watched"
            self._life.read(Notice("warning", text))
            return
        go = found.recommendation == "go"
        why = f"the evidence says {found.recommendation}"
        await self._life.say(Intent("decide", who=LEAD, note=why, options={"day": found.day, "go": go}))
