"""Events of the fourteen days after the migration."""

from __future__ import annotations

import msgspec

from wsdash.model.checklist import Event


class CriterionConfirmed(Event, frozen=True, tag="criterion-confirmed"):
    """A person says that a criterion holds which nothing but a person can judge (or that it does not)."""

    id: str
    holds: bool
    who: str
    note: str = ""


class DecisionRecorded(Event, frozen=True, tag="decision"):
    """The go or no-go of one day (0, 1, 3, 7, 14): who, why, and what the evidence recommended then."""

    day: int
    go: bool
    who: str
    why: str
    recommendation: str = ""
    despite: tuple[str, ...] = ()
    """What spoke against deciding so; it was overridden by the typed word."""


class CriterionFound(msgspec.Struct, frozen=True):
    """One criterion as the stored evidence has it. holds None: not enough was seen. Times: epoch seconds.

    coverage: the share (0..1) of the window's minutes that were watched; None where that means nothing.
    """

    id: str
    holds: bool | None
    measured: str
    threshold: str
    title: str = ""
    coverage: float | None = None
    since: float | None = None
    until: float | None = None
    who: str = ""
    person: bool = False
    """Only a person can say whether it holds."""


class DayFound(msgspec.Struct, frozen=True):
    """One day of the timeline. recommendation: go, no-go or insufficient-data. at: when the day is due."""

    day: int
    title: str
    guide: str
    recommendation: str
    criteria: tuple[CriterionFound, ...]
    at: float | None = None


class TimelineJudged(Event, frozen=True, tag="timeline"):
    """The days and the board of success criteria now; board: list (technical, ...) -> criteria."""

    migrated_at: float | None
    days: tuple[DayFound, ...]
    board: dict[str, tuple[CriterionFound, ...]]


class TimePassing(Event, frozen=True, tag="time-passing", rename={"source": "fortnight"}):
    """From here on the run's time is not the machine's: `at` began at the machine's `machine_at` and passes
    `scale` times as fast (0: as fast as it can). source: what tells the time; only the demo has one.

    over: the source has ended; the run's time passes as the machine's and stays ahead of it, with an
    engine and without. While it is not over the run's time stops when no engine lives.
    """

    scale: float
    at: float
    machine_at: float
    source: str
    over: bool = False


def run_time(passing: TimePassing | None, machine: float, newest: float, *, flowing: bool = False) -> float:
    """The run's time (epoch seconds) when the machine's is `machine`.

    passing: the newest one. newest: the time of the newest event. flowing: an engine lives, and a screen lets
    time pass between two events of a source.
    """
    if passing is None:
        return machine
    if passing.over:
        return passing.at + machine - passing.machine_at
    if not flowing or not passing.scale:
        return max(newest, passing.at)
    return passing.at + (machine - passing.machine_at) * passing.scale
