"""How the run's time passes where it is not the machine's, and how it is taken up after a crash.

The journal opens on the run's clock by itself (`Journal.clock`); here everybody else learns of it, as a
TimePassing in the journal, before anything is recorded by it.
"""

from __future__ import annotations

import math
import time

from wsdash.clock import Clock, ShiftedClock, VirtualClock
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.source import EventSource
from wsdash.model import ItemState, TimePassing

MINUTE = 60.0


async def pass_time(recorder: Recorder, passing: TimePassing, clock: Clock) -> None:
    """From here on the run's time passes so."""
    recorder.journal.clock, recorder.journal.passing = clock, passing
    await recorder.record(passing)


async def take_up(recorder: Recorder, source: EventSource | None) -> None:
    """Go on from where the run's time stood, when an earlier engine left while a source told its own.

    source: what tells the rest; until it does, time stands still. Without one time passes as the machine's,
    from there on. A migration that was taken back meanwhile ends the source's time. Raises InputError when
    another source told the time.
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
        standing = TimePassing(0.0, stood, machine, passing.source)
        await pass_time(recorder, standing, VirtualClock(stood))
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
