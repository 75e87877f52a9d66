"""The days after the migration as a source of events: begun, gone on with after a crash, and over."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wsdash.clock import VirtualClock
from wsdash.demo.days.life import FortnightBegun, Life, Relived, Script
from wsdash.demo.limits import LOOK_SECONDS
from wsdash.engine.journal.writer import Journal, JournalReader
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.source import RunHandle, end_own_time, pass_time
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    Notice,
    Outcome,
    Recorded,
    TimePassing,
)
from wsdash.model.facts import Fact
from wsdash.timeline.story import fold_story
from wsdash.watch.alerts import Alerts
from wsdash.watch.board import Board
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.sources import Emit
from wsdash.watch.world import rules_of

ALL = 1_000_000_000
OVER = "the fortnight {name} is over: from here on the world itself is read, at the run's time"
GOES_ON = "the fortnight {name} goes on from where the run's time stood"
LIVED = "the fortnight {name} was lived after this migration: there is none after it"


FORTNIGHT: Fact[FortnightBegun] = Fact("fortnight", FortnightBegun)
"""What the newest fortnight began with."""


def _under_way(journal: Journal) -> FortnightBegun | None:
    """The fortnight that was begun and not ended."""
    if journal.passing is None or journal.passing.over:
        return None
    return journal.get(FORTNIGHT)


@dataclass(frozen=True)
class ScriptedDays:
    """engine.source.EventSource over a script."""

    script: Script

    @property
    def fast(self) -> bool:
        """As the script's scale says."""
        return bool(self.script.scale)

    def under_way(self, journal: Journal) -> bool:
        """Whether these days are being lived. Raises InputError when others are."""
        begun, script = _under_way(journal), self.script
        if begun is None or (script.name, script.seed) == (begun.name, begun.seed):
            return begun is not None
        raise InputError(
            f"the fortnight {begun.name} (seed {begun.seed}) is being lived here",
            where=str(journal.path.parent),
            remedy=f"go on with it (--fortnight {begun.name}, or none named), or begin another run"
            " with --state",
        )

    async def run(self, handle: RunHandle) -> None:
        """Wait for the migration's end, end the pollers, live the script on a clock of its own; poll again.

        Once for each migration: days that an earlier engine lived in part are lived to their end.
        """
        recorder, script = handle.recorder, self.script
        journal = recorder.journal
        while _under_way(journal) is None and recorder.view.finished is not Outcome.MIGRATED:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        history = await journal.history()
        if journal.passing is not None and journal.passing.over:
            migrated_at = fold_story(history, handle.plan).migrated_at
            if migrated_at is None or migrated_at <= journal.passing.at:
                journal.emit(Notice("info", LIVED.format(name=journal.passing.source)))
                return
        await handle.end_watch()
        fortnight, relived = _under_way(journal), None
        if fortnight is not None:
            events = await asyncio.to_thread(_since, handle.state, fortnight.begun)
            relived = Relived(events, journal.clock.time(), handle.recaller())
            journal.emit(Notice("info", GOES_ON.format(name=script.name)))
        else:
            await handle.look()  # the windows begin at a second of their own, which the history is to keep
            fortnight = await _begin(script, recorder, handle.state)
            relived = Relived((), fortnight.begun)
        await script.live(await _life(script, handle, fortnight, relived, history))
        await end_own_time(recorder)
        journal.emit(Notice("info", OVER.format(name=script.name)))
        handle.watch()


async def _begin(script: Script, recorder: Recorder, state: Path) -> FortnightBegun:
    journal = recorder.journal
    begun = journal.clock.time()
    journal.clock = VirtualClock(begun)
    usual, restarts = await asyncio.to_thread(_before, state, begun)
    fortnight = FortnightBegun(script.name, script.seed, script.scale, begun, usual, restarts)
    await recorder.note(FORTNIGHT, fortnight)
    return fortnight


async def _life(
    script: Script,
    handle: RunHandle,
    fortnight: FortnightBegun,
    relived: Relived,
    history: list[Recorded],
) -> Life:
    rules = await asyncio.to_thread(rules_of, handle.settings)
    raised_before = _raised_before(recorded.event for recorded in _before_days(history, fortnight.begun))

    def alerts(clock: VirtualClock, errors: ErrorCounter, board: Board, emit: Emit) -> Alerts:
        return Alerts(rules, board, errors, emit, clock, raised_before)

    async def begin(clock: VirtualClock) -> None:
        passing = TimePassing(script.scale, clock.time(), time.time(), script.name)
        await pass_time(handle.recorder, passing, clock)
        handle.caught_up()

    return Life(
        handle.settings,
        handle.recorder.journal,
        alerts,
        handle.on_log,
        handle.look,
        handle.say,
        fortnight,
        script.scale,
        relived,
        begin,
        handle.backed_up,
        handle.perform,
        handle.tick,
    )


def _before(state: Path, now: float) -> tuple[float | None, dict[str, int]]:
    """What the days begin with: the old API's usual answer in seconds, and each container's restarts."""
    history = HistoryReader(state / FILE)
    try:
        usual = history.percentile("latency:api-old", 0.95, 0.0, now)
        counted = {
            name.removeprefix("restarts:"): history.summary(name, 0.0, now).last
            for name in history.series()
            if name.startswith("restarts:")
        }
    finally:
        history.close()
    return usual, {name: int(count) for name, count in counted.items() if count and math.isfinite(count)}


def _since(state: Path, begun: float) -> list[Recorded]:
    """All that the journal holds of the days."""
    reader = JournalReader(state)
    try:
        return [recorded for recorded in reader.events(0, ALL) if recorded.at >= begun]
    finally:
        reader.close()


def _before_days(history: Iterable[Recorded], begun: float) -> list[Recorded]:
    before = []
    for recorded in history:
        if isinstance(recorded.event, TimePassing) and recorded.at >= begun:
            break
        before.append(recorded)
    return before


def _raised_before(events: Iterable[AnyEvent]) -> list[AlertChanged]:
    """Alerts that the real pollers raised and that have not ended."""
    raised: dict[str, AlertChanged] = {}
    for event in events:
        if isinstance(event, AlertChanged):
            name = event.alert or event.rule
            raised.pop(name, None)
            if event.raised:
                raised[name] = event
    return list(raised.values())
