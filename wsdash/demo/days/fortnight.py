"""`wsdash demo --fortnight NAME`: fourteen days after the migration, and the demo's people who decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from wsdash.demo.days.life import Life
from wsdash.demo.days.standin import DAY, FORTNIGHTS, StandinStack
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
from wsdash.steps.testing.checklist import TRIALS

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
            for name in life.settings.stack.workspace.containers:
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
