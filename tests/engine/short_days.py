"""Three hours after a migration instead of fourteen days, with a slow spell, restarts, a gap and a person."""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.engine.small_world import Small
from tests.review.migrated import options
from wsdash.demo.days import Life, ScriptedDays
from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.options import EngineOptions
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    ContainerReading,
    EngineStopped,
    HostReading,
    Intent,
    LatencyReading,
    Notice,
    Recorded,
    RunFinished,
    RunStarted,
    TimelineJudged,
    TimePassing,
)

TICK = 30.0
TICKS = 360
SLOW = range(60, 90)
UNWATCHED = range(200, 230)
RESTARTED = (240, 250, 260)
SPOKEN = 120
AN_ENGINE_CAME = (TimePassing, RunStarted, RunFinished, EngineStopped, Notice, TimelineJudged)
"""What an engine tells of itself, and what is told again whenever it is judged."""


@dataclass
class ShortDays:
    """at_tick: called once a tick is lived and in the journal, but not yet all of it in the history."""

    name: str = "short"
    scale: float = 0.0
    seed: int = 1
    at_tick: dict[int, Callable[[Life], Awaitable[None]]] = field(default_factory=dict)

    async def live(self, life: Life) -> None:
        chance = random.Random(self.seed)
        begun = life.fortnight.begun
        await life.until(begun)
        life.read(Notice("info", "short days begin"))
        for number in range(TICKS):
            await life.until(begun + number * TICK)
            seconds = chance.uniform(0.02, 0.03) + (0.9 if number in SLOW else 0.0)
            if number not in UNWATCHED:
                restarts = sum(number >= tick for tick in RESTARTED)
                life.read(LatencyReading("api-new", seconds))
                life.read(
                    ContainerReading("workspace-api", "running", "healthy", "workspace", restarts=restarts)
                )
                life.read(HostReading(chance.uniform(50, 51), 1 << 30, 1.0, 1 << 20, 0.001))
                life.judge()
            if number == SPOKEN and not life.past:
                options = {"holds": True}
                await life.say(
                    Intent("confirm-criterion", "team-comfortable", "Ana", "calm", options=options)
                )
            if number in self.at_tick:
                await self.at_tick[number](life)
        await life.finish()


def made(directory: Path, script: ShortDays, **changes: object) -> tuple[Small, EngineOptions]:
    """An engine that migrates the small world and lives these days."""
    return options(directory, source=ScriptedDays(script), **changes)


def image(state: Path, copy: Path) -> None:
    """The state as a kill -9 at this moment leaves it on disk."""
    copy.mkdir()
    for file in state.glob("*.db"):
        with closing(sqlite3.connect(file)) as here, closing(sqlite3.connect(copy / file.name)) as there:
            here.backup(there)


def told(state: Path, begun: float) -> list[tuple[float, object]]:
    """What happened on those days: (seconds since they began, event); not what engines say of themselves."""
    found = [(r.at - begun, r.event) for r in history(state) if r.at >= begun]
    return [(at, event) for at, event in found if not isinstance(event, AN_ENGINE_CAME) and at < TICKS * TICK]


def history(state: Path) -> list[Recorded]:
    """All history, in order."""
    reader = JournalReader(state)
    try:
        return reader.history()
    finally:
        reader.close()


def begun_at(state: Path) -> float:
    """When the days began."""
    reader = JournalReader(state)
    try:
        return float(reader.facts()["fortnight"]["begun"])
    finally:
        reader.close()


def samples(state: Path, begun: float) -> dict[str, tuple[tuple[object, ...], ...]]:
    """Every sample of the days that is still raw, and the hours that are packed: exactly what is stored."""
    db = sqlite3.connect(f"file:{state / FILE}?mode=ro", uri=True)
    try:
        raw = db.execute(
            "select name, at, value from raw join series on series.id = series where at >= ? and at < ?"
            " order by name, at",
            (begun, begun + TICKS * TICK),
        ).fetchall()
        packed = db.execute(
            "select name, hour, mask, hours.pack from hours join series on series.id = series order by 1, 2"
        ).fetchall()
    finally:
        db.close()
    return {"raw": tuple(raw), "hours": tuple(packed)}


def minutes(state: Path, begun: float) -> dict[str, list[tuple[float, int, int, float] | None]]:
    """What the history tells of every whole minute of the days, by series; the same once hours are packed."""
    reader = HistoryReader(state / FILE)
    since = (begun // 60 + 1) * 60
    count = int(TICKS * TICK // 60) - 1
    try:
        return {
            name: [
                None if p is None else (p.at, p.count, p.failures, single(p.maximum or 0.0))
                for p in reader.points(name, since, since + count * 60, count)
            ]
            for name in reader.series()
        }
    finally:
        reader.close()


def single(value: float) -> float:
    """The seven digits that a packed minute keeps."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])
