"""The seam for a source that tells what happens in the pollers' place, in a time of its own.

How the run's time passes where it is not the machine's, and how it is taken up after a crash.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wsdash.clock import Clock, ShiftedClock, VirtualClock
from wsdash.config import Settings
from wsdash.engine.journal.writer import Journal
from wsdash.engine.run.recorder import Recorder
from wsdash.model import Intent, ItemState, LogLine, Recorded, Reply, TimelineJudged, TimePassing
from wsdash.plan import Plan


@dataclass(frozen=True)
class RunHandle:
    """What a source may do with the run.

    on_log: a line of a log. look, say: the timeline judged, a word of people. end_watch, watch: the pollers.
    caught_up: called when the source passes the point that it reached in an earlier engine.
    recaller: where samples that were lost go. backed_up: when the newest backup was proven, epoch seconds.
    perform: carry out an item or test that is not done. tick: a person's word (item, who, note) on one.
    """

    settings: Settings
    plan: Plan
    recorder: Recorder
    state: Path
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


class EventSource(Protocol):
    """Tells what happens after the migration. While it has begun and not ended the world is not polled."""

    @property
    def fast(self) -> bool:
        """Whether its time passes faster than the machine's and somebody looks."""
        ...

    def under_way(self, journal: Journal) -> bool:
        """Whether it goes on from an earlier engine's part. Raises InputError when another source made it."""
        ...

    async def run(self, handle: RunHandle) -> None:
        """Tell everything, once; return when it is over and the world is polled again."""
        ...


MINUTE = 60.0


async def pass_time(recorder: Recorder, passing: TimePassing, clock: Clock) -> None:
    """From here on the run's time passes so."""
    recorder.journal.clock, recorder.journal.passing = clock, passing
    await recorder.record(passing)


async def take_up(recorder: Recorder, source: EventSource | None) -> None:
    """Go on from where the run's time stood, when an earlier engine left while a source passed its own.

    source: what reports the rest; until it does, time does not pass. Without one, time passes as the
    machine's from there on. A migration that was taken back meanwhile ends the source's time. Raises
    InputError when another source passed the time.
    """
    journal = recorder.journal
    goes_on = source is not None and source.under_way(journal)
    passing = journal.passing
    if passing is None or passing.over:
        return
    stood = max(journal.stood, passing.at)
    machine = time.time()
    taken_back = any(item.state is ItemState.UNDONE for item in recorder.view.items.values())
    if taken_back or (source is not None and not goes_on):
        await end_own_time(recorder)
    elif goes_on:
        at_rest = TimePassing(0.0, stood, machine, passing.source)
        await pass_time(recorder, at_rest, VirtualClock(stood))
    else:
        alone = TimePassing(1.0, stood, machine, passing.source)
        await pass_time(recorder, alone, ShiftedClock(stood - machine, machine))


async def end_own_time(recorder: Recorder) -> None:
    """The source is over: the run's time passes as the machine's again, from the next whole minute on.

    Samples are kept by the minute, and none of the source's may share one with what is read afterwards.
    """
    journal = recorder.journal
    assert journal.passing is not None
    machine, stood = time.time(), max(journal.clock.time(), journal.passing.at)
    at = (math.floor(stood / MINUTE) + 1) * MINUTE
    over = TimePassing(1.0, at, machine, journal.passing.source, over=True)
    await pass_time(recorder, over, ShiftedClock(at - machine, machine))
