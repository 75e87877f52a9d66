"""The samples that the timeline reads: cut into days, and remembered.

A window is what a criterion is judged over: its days, and which of them were watched well enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

from wsdash.config import Thresholds

DAY = 86_400.0
FEWEST = 100
"""Answers below which a high percentile says nothing."""
SETTLED = 2 * 3600.0
"""A slice that ended so long ago gets no more samples: it is read once."""


class SummaryLike(Protocol):
    """What the history tells of one series in a window; coverage: share of its minutes with a sample."""

    @property
    def count(self) -> int:
        """Values in the window."""
        ...

    @property
    def failures(self) -> int:
        """Samples that brought no value."""
        ...

    @property
    def coverage(self) -> float:
        """Share (0..1) of the window's minutes with a sample."""
        ...

    @property
    def minimum(self) -> float | None:
        """The smallest value, in the series' unit; None without one."""
        ...

    @property
    def maximum(self) -> float | None:
        """The largest value, in the series' unit; None without one."""
        ...

    @property
    def mean(self) -> float | None:
        """The mean of its values; None without one."""
        ...

    @property
    def last(self) -> float | None:
        """The newest value, in the series' unit; None without one."""
        ...


class HistoryLike(Protocol):
    """The reading side of the samples' store."""

    def series(self) -> tuple[str, ...]:
        """All series."""
        ...

    def summary(self, series: str, since: float, until: float) -> SummaryLike:
        """One series in a window of epoch seconds."""
        ...

    def percentile(self, series: str, q: float, since: float, until: float) -> float | None:
        """A quantile (0..1) of its values; None when there is none."""
        ...

    def gaps(
        self, series: str, since: float, until: float, shortest: float = 120.0
    ) -> tuple[tuple[float, float], ...]:
        """The times (from, to) of at least `shortest` seconds without a sample."""
        ...


class Slice(NamedTuple):
    """A day (or what is left of one) of a window. Times: epoch seconds."""

    since: float
    until: float


def slices(since: float, until: float) -> list[Slice]:
    """The window in days, the last one shorter."""
    found = []
    begin = since
    while begin < until:
        end = min(begin + DAY, until)
        found.append(Slice(begin, end))
        begin = end
    return found


class SampleEvidence:
    """Reads the history, each settled slice only once. Not for several threads at a time."""

    def __init__(self, history: HistoryLike, now: float) -> None:
        self._history = history
        self.now = now
        self._names: tuple[str, ...] | None = None
        self._summaries: dict[tuple[str, float, float], SummaryLike] = {}
        self._percentiles: dict[tuple[str, float, float, float], float | None] = {}
        self._holes: dict[tuple[str, float, float], float] = {}

    def at(self, now: float) -> SampleEvidence:
        """The same evidence at a later time; what can still change is forgotten."""
        self.now = now
        self._names = None
        return self

    def matching(self, pattern: str) -> tuple[str, ...]:
        """The series that a pattern (with * and ?) names."""
        if self._names is None:
            self._names = self._history.series()
        return tuple(name for name in self._names if fnmatchcase(name, pattern))

    def summary(self, series: str, part: Slice) -> SummaryLike:
        """One series in a slice."""
        key = (series, *part)
        if key not in self._summaries:
            found = self._history.summary(series, *part)
            if part.until > self.now - SETTLED:
                return found
            self._summaries[key] = found
        return self._summaries[key]

    def percentile(self, series: str, q: float, part: Slice) -> float | None:
        """A quantile of one series in a slice."""
        key = (series, q, *part)
        if key not in self._percentiles:
            found = self._history.percentile(series, q, *part)
            if part.until > self.now - SETTLED:
                return found
            self._percentiles[key] = found
        return self._percentiles[key]

    def quantile_of_probes(self, series: str, q: float, part: Slice) -> float | None:
        """A quantile (0..1) of all probes, those without an answer slower than any; None without a probe."""
        seen = self.summary(series, part)
        asked = seen.count + seen.failures
        if not asked:
            return None
        rank = q * (asked - 1)
        if rank > seen.count - 1:
            return math.inf
        return self.percentile(series, rank / (seen.count - 1) if seen.count > 1 else 0.0, part)

    def total(self, series: str, part: Slice) -> float:
        """The sum of the values in a slice, 0 without any."""
        seen = self.summary(series, part)
        return seen.count * (seen.mean or 0.0)

    def hole(self, series: Sequence[str], part: Slice) -> float:
        """The longest time in seconds for which one of these series has no sample; all of it without any."""
        return max((self._hole(name, part) for name in series), default=part.until - part.since)

    def _hole(self, series: str, part: Slice) -> float:
        key = (series, *part)
        if key not in self._holes:
            gaps = self._history.gaps(series, *part)
            found = max((end - begin for begin, end in gaps), default=0.0)
            if part.until > self.now - SETTLED:
                return found
            self._holes[key] = found
        return self._holes[key]

    def coverage(self, series: Sequence[str], part: Slice) -> float:
        """The share of a slice's minutes that was watched, of the series watched least; 0 without any."""
        return min((self.summary(name, part).coverage for name in series), default=0.0)


@dataclass(frozen=True)
class Window:
    """From the migration to a day; times are epoch seconds.

    least: the share (0..1) of a day's minutes that must have been watched; longest_hole: for how many seconds
    at a time nobody may have looked. now: nothing after it was seen yet.
    """

    since: float
    until: float
    least: float
    longest_hole: float
    thresholds: Thresholds
    now: float

    @property
    def parts(self) -> list[Slice]:
        """Its days."""
        return slices(self.since, self.until)

    def later(self, seconds: float) -> Window:
        """The same for a series whose values look back that long: not beyond the migration's end."""
        return Window(
            self.since + seconds, self.until, self.least, self.longest_hole, self.thresholds, self.now
        )

    def name(self, part: Slice) -> str:
        """A slice for people: the day after the migration, counted from 1."""
        return f"24 h no. {int((part.since - self.since) // DAY) + 1}"


@dataclass(frozen=True)
class CriterionFinding:
    """A measure's answer."""

    holds: bool | None
    measured: str
    threshold: str
    coverage: float | None = None
    who: str = ""


def watched(evidence: SampleEvidence, series: Sequence[str], window: Window) -> float:
    """The share of the whole window that was watched, of the series watched least."""
    seconds = sum(part.until - part.since for part in window.parts)
    if not seconds:
        return 0.0
    seen = sum(evidence.coverage(series, part) * (part.until - part.since) for part in window.parts)
    return seen / seconds


def seen_enough(evidence: SampleEvidence, series: Sequence[str], part: Slice, window: Window) -> bool:
    """Whether a day was watched well enough for a word on it: enough minutes, and no hole among them."""
    if evidence.coverage(series, part) < window.least:
        return False
    return evidence.hole(series, part) <= window.longest_hole


def unseen(evidence: SampleEvidence, series: Sequence[str], window: Window) -> list[Slice]:
    """The days that were watched too little."""
    return [part for part in window.parts if not seen_enough(evidence, series, part, window)]


def unseen_words(
    parts: Sequence[Slice], evidence: SampleEvidence, series: Sequence[str], window: Window
) -> str:
    """How many days were watched too little, and what was wrong with the first of them."""
    first = parts[0]
    covered, hole = evidence.coverage(series, first), evidence.hole(series, first)
    if first.since >= window.now:
        why = "still to come"
    elif covered < window.least:
        why = f"{covered:.0%} of the minutes, wanted {window.least:.0%}"
    else:
        why = f"nobody looked for {minutes(hole)}, at most {minutes(window.longest_hole)} may pass"
    days = len(window.parts)
    return f"{len(parts)} of {days} × 24 h watched too little (first: {window.name(first)}, {why})"


def minutes(seconds: float) -> str:
    """A time for people: 45 s, 12 min, 2 h 20 min."""
    if round(seconds) < 120:
        return f"{seconds:.0f} s"
    whole = round(seconds / 60)
    if whole < 120:
        return f"{whole} min"
    return f"{whole // 60} h {whole % 60} min" if whole % 60 else f"{whole // 60} h"
