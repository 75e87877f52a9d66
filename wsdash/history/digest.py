"""A digest of samples: exact extremes, sum and count, and DDSketch's bins for percentiles right to 1 %.

In the file a digest is bytes: a whole one for an hour, and an hour's sixty minutes compressed together.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

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


MINUTE = 60.0
_WHOLE = struct.Struct("<IIHddddd")
_MINUTE = struct.Struct("<BIIHffff")
_BINS = struct.Struct("<HBi")
_CODES = "BHI"
_LARGEST_SINGLE = 3.4e38


def pack_digest(digest: Digest) -> bytes:
    """A digest, nothing lost."""
    d = digest
    head = _WHOLE.pack(d.count, d.failures, d.covered, d.minimum, d.maximum, d.total, d.last, d.last_at)
    return head + _pack_bins(d.bins)


def unpack_digest(data: bytes) -> Digest:
    """The digest that pack_digest packed."""
    digest = Digest(*_WHOLE.unpack_from(data))
    digest.bins, _ = _unpack_bins(data, _WHOLE.size)
    return digest


def pack_minutes(minutes: dict[int, Digest], begins: float) -> bytes:
    """The minutes (0..59) of the hour that begins then, compressed. Numbers keep seven digits."""
    parts = []
    for number, d in sorted(minutes.items()):
        last_ms = int(max(0.0, min(d.last_at - begins - number * MINUTE, MINUTE)) * 1000) if d.count else 0
        numbers = (_single(value) for value in (d.minimum, d.maximum, d.total, d.last))
        parts.append(_MINUTE.pack(number, d.count, d.failures, last_ms, *numbers))
        parts.append(_pack_bins(d.bins))
    return zlib.compress(b"".join(parts), 6)


def unpack_minutes(packed: bytes, begins: float) -> dict[int, Digest]:
    """The minutes that pack_minutes packed."""
    data = zlib.decompress(packed)
    minutes: dict[int, Digest] = {}
    position = 0
    while position < len(data):
        number, count, failures, last_ms, low, high, total, last = _MINUTE.unpack_from(data, position)
        bins, position = _unpack_bins(data, position + _MINUTE.size)
        last_at = begins + number * MINUTE + last_ms / 1000 if count else float("-inf")
        minutes[number] = Digest(count, failures, 1, low, high, total, last, last_at, bins)
    return minutes


def _single(value: float) -> float:
    if value in (float("inf"), float("-inf")):
        return value
    return max(-_LARGEST_SINGLE, min(_LARGEST_SINGLE, value))


def _pack_bins(bins: dict[int, int]) -> bytes:
    if not bins:
        return _BINS.pack(0, 0, 0)
    ordered = sorted(bins)
    steps = [after - before for before, after in pairwise(ordered)]
    counts = [bins[index] for index in ordered]
    wide, tall = _code(max(steps, default=0)), _code(max(counts))
    head = _BINS.pack(len(ordered), wide * 4 + tall, ordered[0])
    return head + _bytes(_CODES[wide], steps) + _bytes(_CODES[tall], counts)


def _unpack_bins(data: bytes, position: int) -> tuple[dict[int, int], int]:
    number, codes, first = _BINS.unpack_from(data, position)
    position += _BINS.size
    if not number:
        return {}, position
    steps, position = _array(_CODES[codes // 4], data, position, number - 1)
    counts, position = _array(_CODES[codes % 4], data, position, number)
    return dict(zip(accumulate(steps, initial=first), counts, strict=True)), position


def _code(largest: int) -> int:
    return 0 if largest < 1 << 8 else 1 if largest < 1 << 16 else 2


def _bytes(code: str, numbers: list[int]) -> bytes:
    packed = array(code, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _array(code: str, data: bytes, position: int, number: int) -> tuple[array[int], int]:
    found = array(code)
    end = position + number * found.itemsize
    found.frombytes(data[position:end])
    if sys.byteorder == "big":
        found.byteswap()
    return found, end
