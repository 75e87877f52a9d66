"""The samples the timeline reads: what it needs of the history, cut into days, and remembered."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

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


class Evidence:
    """Reads the history, each settled slice only once. Not for several threads at a time."""

    def __init__(self, history: HistoryLike, now: float) -> None:
        self._history = history
        self.now = now
        self._names: tuple[str, ...] | None = None
        self._summaries: dict[tuple[str, float, float], SummaryLike] = {}
        self._percentiles: dict[tuple[str, float, float, float], float | None] = {}

    def at(self, now: float) -> Evidence:
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

    def coverage(self, series: Sequence[str], part: Slice) -> float:
        """The share of a slice's minutes that was watched, of the series watched least; 0 without any."""
        return min((self.summary(name, part).coverage for name in series), default=0.0)
