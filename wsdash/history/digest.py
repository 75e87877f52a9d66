"""A digest of samples: exact extremes, sum and count, and DDSketch's bins for percentiles right to 1 %.

The bins and their accuracy are those of the ddsketch library (Masson, Rim, Lee: "DDSketch", VLDB 2019); they
are kept sparse, as index -> count, because that is small on disk and quick to merge by the hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ddsketch.mapping import LogarithmicMapping

ACCURACY = 0.01
"""The relative error of a percentile, at most."""
_MAPPING = LogarithmicMapping(ACCURACY)
_SMALLEST: float = _MAPPING.min_possible
_OFFSET = 1 << 16
"""More than any key of the mapping, so that one integer orders negative values, zero and positive values."""


def bin_of(value: float) -> int:
    """The bin of a finite value; bins are ordered as their values are, and zero is bin 0."""
    if value > _SMALLEST:
        return int(_MAPPING.key(value)) + _OFFSET
    if value < -_SMALLEST:
        return -int(_MAPPING.key(-value)) - _OFFSET
    return 0


def value_of(index: int) -> float:
    """The value that represents a bin, at most ACCURACY away from any value in it."""
    if index > 0:
        return float(_MAPPING.value(index - _OFFSET))
    return -float(_MAPPING.value(-index - _OFFSET)) if index < 0 else 0.0


@dataclass
class Digest:
    """Many samples in little space. count: values; failures: samples without one; covered: minutes with any.

    minimum, maximum, total and last mean nothing while count is 0. last_at: epoch seconds of the last value.
    """

    count: int = 0
    failures: int = 0
    covered: int = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    total: float = 0.0
    last: float = 0.0
    last_at: float = -math.inf
    bins: dict[int, int] = field(default_factory=dict)

    def add(self, samples: Iterable[tuple[float, float | None]]) -> None:
        """Take in (at, value) pairs; None is a failure. `covered` is left to the caller."""
        bins = self.bins
        for at, value in samples:
            if value is None:
                self.failures += 1
                continue
            self.count += 1
            self.total += value
            if value < self.minimum:
                self.minimum = value
            if value > self.maximum:
                self.maximum = value
            if at >= self.last_at:
                self.last, self.last_at = value, at
            index = bin_of(value)
            bins[index] = bins.get(index, 0) + 1

    def merge(self, other: Digest) -> None:
        """Take in all that another digest holds, minutes covered included."""
        self.count += other.count
        self.failures += other.failures
        self.covered += other.covered
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if other.last_at >= self.last_at:
            self.last, self.last_at = other.last, other.last_at
        bins = self.bins
        for index, number in other.bins.items():
            bins[index] = bins.get(index, 0) + number

    def percentile(self, q: float) -> float | None:
        """The value at rank q * (count - 1), q in 0..1, right to ACCURACY; None without values."""
        return self.percentiles((q,))[0]

    def percentiles(self, shares: tuple[float, ...]) -> tuple[float | None, ...]:
        """Several percentiles in one walk; `shares` must ascend."""
        if not self.count:
            return (None,) * len(shares)
        found: list[float | None] = []
        ordered = iter(sorted(self.bins.items()))
        index, seen = 0, 0
        for q in shares:
            rank = q * (self.count - 1)
            while seen <= rank:
                index, number = next(ordered)
                seen += number
            found.append(min(self.maximum, max(self.minimum, value_of(index))))
        return tuple(found)
