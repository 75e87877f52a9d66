"""How the run's time passes where it is not the machine's, and how a fortnight's is taken up after a crash.

The journal opens on the run's clock by itself (`Journal.clock`); here everybody else learns of it, as a
TimePassing in the journal, before anything is recorded by it.
"""

from __future__ import annotations

import math
import time

import msgspec

from wsdash.clock import Clock, ShiftedClock, VirtualClock
from wsdash.engine.journal.writer import Journal
from wsdash.engine.run.recorder import Recorder
from wsdash.model import ItemState, TimePassing

FORTNIGHT = "fortnight"
"""The fact that holds a Fortnight."""
MINUTE = 60.0


class FortnightBegun(msgspec.Struct, frozen=True):
    """What the newest fortnight began with; from it the same one is lived again, reading by reading.

    begun: the run's time, epoch seconds. usual: seconds for 19 of 20 answers of the old API; None: they
    were not measured. restarts: how often each container had been restarted by then.
    """

    name: str
    seed: int
    scale: float
    begun: float
    usual: float | None = None
    restarts: dict[str, int] = {}


def fortnight_of(fact: object) -> FortnightBegun | None:
    """The fact's value, read; None when there is none."""
    try:
        return msgspec.convert(fact, FortnightBegun)
    except msgspec.ValidationError:
        return None


def under_way(journal: Journal) -> FortnightBegun | None:
    """The fortnight that was begun and not ended."""
    if journal.passing is None or journal.passing.over:
        return None
    return fortnight_of(journal.get(FORTNIGHT))


async def pass_time(recorder: Recorder, passing: TimePassing, clock: Clock) -> None:
    """From here on the run's time passes so."""
    recorder.journal.clock, recorder.journal.passing = clock, passing
    await recorder.record(passing)


async def take_up(recorder: Recorder, *, living: bool) -> None:
    """Go on from where the run's time stood, when an earlier engine left in the middle of a fortnight.

    living: this engine lives the rest of it. Until it does, time stands still; an engine that does something
    else lets it pass as the machine's. A migration that was taken back meanwhile ends its fortnight.
    """
    journal = recorder.journal
    passing = journal.passing
    if passing is None or passing.over:
        return
    stood = max(journal.stood, passing.at)
    machine = time.time()
    taken_back = any(item.state is ItemState.UNDONE for item in recorder.view.items.values())
    if taken_back or under_way(journal) is None:
        await end_days(recorder)
    elif living:
        standing = TimePassing(0.0, stood, machine, passing.fortnight)
        await pass_time(recorder, standing, VirtualClock(stood))
    else:
        alone = TimePassing(1.0, stood, machine, passing.fortnight)
        await pass_time(recorder, alone, ShiftedClock(stood - machine, machine))


async def end_days(recorder: Recorder) -> None:
    """The fortnight is over: the run's time passes as the machine's again, from the next whole minute on.

    Samples are kept by the minute, and none of the fortnight's may share one with what is read afterwards.
    """
    journal = recorder.journal
    assert journal.passing is not None
    machine, stood = time.time(), max(journal.clock.time(), journal.passing.at)
    at = (math.floor(stood / MINUTE) + 1) * MINUTE
    over = TimePassing(1.0, at, machine, journal.passing.fortnight, over=True)
    await pass_time(recorder, over, ShiftedClock(at - machine, machine))
