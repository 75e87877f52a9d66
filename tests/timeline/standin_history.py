"""A stand-in for HistoryReader that keeps every sample in memory.

Compared with the real one, window by window, in test_seeded_fortnights: counts, failures, coverage, gaps,
extremes and percentiles to the 1 % of the real one's digests.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field

MINUTE = 60.0


@dataclass(frozen=True)
class StandinSummary:
    """What SummaryLike asks."""

    count: int
    failures: int
    coverage: float
    minimum: float | None
    maximum: float | None
    mean: float | None
    last: float | None


@dataclass
class StandinHistory:
    """at, values: a series' samples in the order of time."""

    at: dict[str, list[float]] = field(default_factory=dict)
    values: dict[str, list[float | None]] = field(default_factory=dict)

    def add(self, series: str, at: float, value: float | None) -> None:
        """One sample; None: a failure."""
        self.at.setdefault(series, []).append(at)
        self.values.setdefault(series, []).append(value)

    def series(self) -> tuple[str, ...]:
        """All series."""
        return tuple(sorted(self.at))

    def _inside(self, series: str, since: float, until: float) -> tuple[list[float], list[float | None]]:
        times = self.at.get(series, [])
        first, last = bisect_left(times, since), bisect_left(times, until)
        return times[first:last], self.values.get(series, [])[first:last]

    def summary(self, series: str, since: float, until: float) -> StandinSummary:
        """One series in a window."""
        times, samples = self._inside(series, since, until)
        known = [value for value in samples if value is not None]
        minutes = -int(-until // MINUTE) - int(since // MINUTE)
        held = len({int(at // MINUTE) for at in times})
        coverage = min(1.0, held / minutes) if minutes > 0 else 0.0
        if not known:
            return StandinSummary(0, len(samples), coverage, None, None, None, None)
        mean = sum(known) / len(known)
        failures = len(samples) - len(known)
        return StandinSummary(len(known), failures, coverage, min(known), max(known), mean, known[-1])

    def percentile(self, series: str, q: float, since: float, until: float) -> float | None:
        """The value at rank q * (count - 1), rounded down."""
        known = sorted(value for value in self._inside(series, since, until)[1] if value is not None)
        return known[math.floor(q * (len(known) - 1))] if known else None

    def gaps(
        self, series: str, since: float, until: float, shortest: float = 120.0
    ) -> tuple[tuple[float, float], ...]:
        """Times without a sample, right to a minute."""
        found, edge = [], since
        for minute in sorted({int(at // MINUTE) for at in self._inside(series, since, until)[0]}):
            if minute * MINUTE - edge >= shortest:
                found.append((edge, minute * MINUTE))
            edge = max(edge, (minute + 1) * MINUTE)
        if until - edge >= shortest:
            found.append((edge, until))
        return tuple(found)
