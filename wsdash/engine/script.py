"""Days lived after the migration on a clock of their own: the demo's script drives what pollers would read.

Everything a script says goes the way of real readings: journal, history, alert rules, timeline.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from wsdash.clock import ScaledClock, VirtualClock
from wsdash.config import Settings
from wsdash.engine.recorder import Recorder
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ContainerReading,
    Intent,
    Liveness,
    LogLine,
    Outcome,
    Reply,
    SourceState,
    TimelineJudged,
    TimePassing,
)
from wsdash.watch.alerts import Alerts
from wsdash.watch.board import Board
from wsdash.watch.logs import ErrorCounter
from wsdash.watch.world import rules_of

LOOK_SECONDS = 0.3
MOST_WAITING = 2000
WATCH = "watch"
OVER = "the fortnight {name} is over: it was a stand-in's, and nothing is read any more"
BREATH = 0.002


class Script(Protocol):
    """What is lived. scale: how many times as fast as the machine's clock; 0: as fast as it can."""

    @property
    def name(self) -> str:
        """What the run is called on screens and in its notices."""
        ...

    @property
    def scale(self) -> float:
        """Seconds lived for each of the machine's; 0: no wait at all."""
        ...

    async def live(self, life: Life) -> None:
        """Live all the days."""
        ...


class Life:
    """What a script is handed: time that passes, and the ways into the run."""

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        alerts: Callable[[VirtualClock, ErrorCounter, Board], Alerts],
        on_log: Callable[[LogLine], None],
        look: Callable[[], Awaitable[TimelineJudged]],
        say: Callable[[Intent], Awaitable[Reply]],
        clock: VirtualClock,
        pace: ScaledClock | None,
        usual: float | None,
    ) -> None:
        self.usual = usual
        """Seconds in which the old API gave 19 of 20 answers; None: it was not measured."""
        self.settings = settings
        self.clock = clock
        self._pace = pace
        self.look = look
        self.say = say
        self._journal = recorder.journal
        self._on_log = on_log
        self._board = Board(settings, clock)
        self._errors = ErrorCounter(self._board.container.get("api-new", ""))
        self._alerts = alerts(clock, self._errors, self._board)
        self._restarts: dict[str, int] = {}

    def read(self, event: AnyEvent) -> None:
        """A reading, as a poller has it."""
        if isinstance(event, ContainerReading):
            self._board.put(event)
            for _ in range(event.restarts - self._restarts.setdefault(event.name, event.restarts)):
                self._alerts.restarted(event.name)
            self._restarts[event.name] = event.restarts
        self._alerts.observe(event)
        self._journal.emit(event)

    def log(self, line: LogLine) -> None:
        """A line that a container wrote."""
        self._errors.see(line)
        self._on_log(line)

    @property
    def errors(self) -> int:
        """Lines with errors in the newest minute."""
        return self._errors.count(self.clock.time())

    def judge(self) -> None:
        """Let the alert rules judge what was read."""
        self._alerts.evaluate()

    async def until(self, at: float) -> None:
        """Let time pass until then (epoch seconds of the run)."""
        if self._pace is not None:
            await self._pace.sleep(at - self._pace.time())
        # the run's time goes from tick to tick: a machine that is late must not make minutes that nobody saw
        if (seconds := at - self.clock.time()) > 0:
            await self.clock.advance(seconds)
        while self._journal.waiting > MOST_WAITING:  # noqa: ASYNC110 - its thread is waited for
            await asyncio.sleep(BREATH)


async def live_after_migration(
    script: Script,
    settings: Settings,
    recorder: Recorder,
    on_log: Callable[[LogLine], None],
    look: Callable[[], Awaitable[TimelineJudged]],
    say: Callable[[Intent], Awaitable[Reply]],
    end_watch: Callable[[], Awaitable[None]],
    state: Path,
) -> None:
    """Wait for the migration's end, end the real pollers, and live the script on a clock of its own."""
    while recorder.view.finished is not Outcome.MIGRATED:  # noqa: ASYNC110 - the run is what is waited for
        await asyncio.sleep(LOOK_SECONDS)
    await end_watch()
    journal = recorder.journal
    rules = await asyncio.to_thread(rules_of, settings)
    standing = _standing([recorded.event for recorded in await journal.history()])
    journal.clock = clock = VirtualClock(time.time())
    pace = ScaledClock(script.scale, clock.time()) if script.scale else None
    await recorder.record(TimePassing(script.scale, clock.time(), time.time(), script.name))

    def alerts(clock: VirtualClock, errors: ErrorCounter, board: Board) -> Alerts:
        return Alerts(rules, board, errors, journal.emit, clock, standing)

    usual = await asyncio.to_thread(_usual, state, time.time())
    life = Life(settings, recorder, alerts, on_log, look, say, clock, pace, usual)
    await script.live(life)
    if pace is not None:  # from here on time passes as everywhere
        journal.clock = slow = ScaledClock(1.0, clock.time())
        await recorder.record(TimePassing(1.0, slow.start, slow.began, script.name))
    # the world's own readings would stand fourteen days before the stand-in's: they do not come back
    await recorder.record(SourceState(WATCH, Liveness.DOWN, OVER.format(name=script.name)))


def _usual(state: Path, now: float) -> float | None:
    history = HistoryReader(state / FILE)
    try:
        return history.percentile("latency:api-old", 0.95, 0.0, now)
    finally:
        history.close()


def _standing(events: list[AnyEvent]) -> list[AlertChanged]:
    """Alerts that the real pollers raised and that have not ended."""
    raised: dict[str, AlertChanged] = {}
    for event in events:
        if isinstance(event, AlertChanged):
            name = event.alert or event.rule
            raised.pop(name, None)
            if event.raised:
                raised[name] = event
    return list(raised.values())
