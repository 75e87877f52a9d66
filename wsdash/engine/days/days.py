"""The days after the migration, lived by a script: begun, gone on with after a crash, and over."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wsdash.clock import VirtualClock
from wsdash.config import Settings
from wsdash.engine.days.passing import FORTNIGHT, FortnightBegun, end_days, pass_time, under_way
from wsdash.engine.days.relived import Relived
from wsdash.engine.days.script import Life, Script
from wsdash.engine.journal.writer import Journal, JournalReader
from wsdash.engine.run.recorder import Recorder
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    Intent,
    LogLine,
    Notice,
    Outcome,
    Recorded,
    Reply,
    TimelineJudged,
    TimePassing,
)
from wsdash.plan import Plan
from wsdash.timeline.story import fold_story
from wsdash.watch.alerts import Alerts
from wsdash.watch.board import Board
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.sources import Emit
from wsdash.watch.world import rules_of

LOOK_SECONDS = 0.3
ALL = 1_000_000_000
OVER = "the fortnight {name} is over: from here on the world itself is read, at the run's time"
GOES_ON = "the fortnight {name} goes on from where the run's time stood"
LIVED = "the fortnight {name} was lived after this migration: there is none after it"


@dataclass(frozen=True)
class Ways:
    """The ways from the days into the rest of the engine.

    on_log: a line of a log. look, say: the timeline judged, a word of people. end_watch, watch: real pollers.
    caught_up: called when time goes on beyond what an earlier engine lived.
    recaller: where samples that were lost go. backed_up: when the newest backup was proven, epoch seconds.
    perform: carry out an item or test that is not done. tick: a person's word (item, who, note) on one.
    """

    on_log: Callable[[LogLine], None]
    look: Callable[[], Awaitable[TimelineJudged]]
    say: Callable[[Intent], Awaitable[Reply]]
    end_watch: Callable[[], Awaitable[None]]
    caught_up: Callable[[], None]
    watch: Callable[[], None]
    recaller: Callable[[], Callable[[Recorded], None]]
    backed_up: Callable[[], float | None]
    perform: Callable[[str], Awaitable[None]]
    tick: Callable[[str, str, str], Awaitable[None]]


def fitting(script: Script | None, journal: Journal) -> None:
    """Raises InputError when the script is another one than that which is being lived."""
    begun = under_way(journal)
    if script is None or begun is None or (script.name, script.seed) == (begun.name, begun.seed):
        return
    raise InputError(
        f"the fortnight {begun.name} (seed {begun.seed}) is being lived here",
        where=str(journal.path.parent),
        remedy=f"go on with it (--fortnight {begun.name}, or none named), or begin another run with --state",
    )


async def live_after_migration(
    script: Script, settings: Settings, plan: Plan, recorder: Recorder, ways: Ways, state: Path
) -> None:
    """Wait for the migration's end, end the real pollers, live the script on a clock of its own; poll again.

    Once for each migration: days that an earlier engine lived in part are lived to their end.
    """
    journal = recorder.journal
    while under_way(journal) is None and recorder.view.finished is not Outcome.MIGRATED:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
    history = await journal.history()
    if journal.passing is not None and journal.passing.over:
        migrated_at = fold_story(history, plan).migrated_at
        if migrated_at is None or migrated_at <= journal.passing.at:
            journal.emit(Notice("info", LIVED.format(name=journal.passing.fortnight)))
            return
    await ways.end_watch()
    fortnight, relived = under_way(journal), None
    if fortnight is not None:
        events = await asyncio.to_thread(_since, state, fortnight.begun)
        relived = Relived(events, journal.clock.time(), ways.recaller())
        journal.emit(Notice("info", GOES_ON.format(name=script.name)))
    else:
        await ways.look()  # the windows begin at a second of their own, which the history is to keep
        fortnight = await _begin(script, recorder, state)
        relived = Relived((), fortnight.begun)
    await script.live(await _life(script, settings, recorder, ways, fortnight, relived, history))
    await end_days(recorder)
    journal.emit(Notice("info", OVER.format(name=script.name)))
    ways.watch()


async def _begin(script: Script, recorder: Recorder, state: Path) -> FortnightBegun:
    journal = recorder.journal
    begun = journal.clock.time()
    journal.clock = VirtualClock(begun)
    usual, restarts = await asyncio.to_thread(_before, state, begun)
    fortnight = FortnightBegun(script.name, script.seed, script.scale, begun, usual, restarts)
    await recorder.note(FORTNIGHT, msgspec.to_builtins(fortnight))
    return fortnight


async def _life(
    script: Script,
    settings: Settings,
    recorder: Recorder,
    ways: Ways,
    fortnight: FortnightBegun,
    relived: Relived,
    history: list[Recorded],
) -> Life:
    rules = await asyncio.to_thread(rules_of, settings)
    standing = _standing(recorded.event for recorded in _before_days(history, fortnight.begun))

    def alerts(clock: VirtualClock, errors: ErrorCounter, board: Board, emit: Emit) -> Alerts:
        return Alerts(rules, board, errors, emit, clock, standing)

    async def begin(clock: VirtualClock) -> None:
        passing = TimePassing(script.scale, clock.time(), time.time(), script.name)
        await pass_time(recorder, passing, clock)
        ways.caught_up()

    return Life(
        settings,
        recorder.journal,
        alerts,
        ways.on_log,
        ways.look,
        ways.say,
        fortnight,
        script.scale,
        relived,
        begin,
        ways.backed_up,
        ways.perform,
        ways.tick,
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


def _standing(events: Iterable[AnyEvent]) -> list[AlertChanged]:
    """Alerts that the real pollers raised and that have not ended."""
    raised: dict[str, AlertChanged] = {}
    for event in events:
        if isinstance(event, AlertChanged):
            name = event.alert or event.rule
            raised.pop(name, None)
            if event.raised:
                raised[name] = event
    return list(raised.values())
