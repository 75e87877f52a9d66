"""Percentiles and rates out of counters that only grow, over the newest stretch of time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from wsdash.watch.pollers.prometheus import Family

STRETCH = 60.0
"""Seconds over which a percentile or a rate is taken."""


Counters = dict[tuple[str, float | str], float]
"""(family, a bucket's upper bound or a label's value) -> count."""


class Growth:
    """The growth of a page's counters over the newest STRETCH seconds.

    A counter that shrank was reset by a restart: what was before it is forgotten.
    """

    def __init__(self) -> None:
        self._held: deque[tuple[float, Counters]] = deque()

    def put(self, at: float, counters: Counters) -> None:
        """Note the counters as they were read at that time (seconds of any steady clock)."""
        if self._held and any(value < self._held[-1][1].get(key, 0.0) for key, value in counters.items()):
            self._held.clear()
        self._held.append((at, counters))
        # the newest that is old enough stays, so that the stretch is covered as a whole
        while len(self._held) > 2 and self._held[1][0] <= at - STRETCH:
            self._held.popleft()

    def growth(self) -> tuple[float, Counters]:
        """(seconds, growth of each counter over them); 0 seconds while there was only one look."""
        if not self._held:
            return 0.0, {}
        (began, before), (ended, after) = self._held[0], self._held[-1]
        return ended - began, {key: value - before.get(key, 0.0) for key, value in after.items()}


def buckets(family: Family, **labels: str) -> dict[float, float]:
    """Upper bound -> count of a histogram's buckets, over all series that carry these labels."""
    counts: dict[float, float] = {}
    for sample in family.samples:
        if sample.name != f"{family.name}_bucket" or "le" not in sample.labels:
            continue
        if all(sample.labels.get(name) == value for name, value in labels.items()):
            bound = float(sample.labels["le"])
            counts[bound] = counts.get(bound, 0.0) + sample.value
    return counts


def quantile(q: float, grown: Mapping[float | str, float]) -> float | None:
    """The q-th quantile of a histogram's growth, as Prometheus' histogram_quantile; None when nothing grew.

    The values of a bucket are taken as spread evenly in it. Beyond the largest bound that bound is the
    answer.
    """
    bounds = sorted((float(bound), count) for bound, count in grown.items())
    if not bounds or bounds[-1][1] <= 0:
        return None
    rank = q * bounds[-1][1]
    low, below = 0.0, 0.0
    for bound, count in bounds:
        if count >= rank and count > below:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (rank - below) / (count - below)
        low, below = (low if math.isinf(bound) else bound), count
    return low
