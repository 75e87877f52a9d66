"""Digests as bytes: a whole one for an hour, and an hour's sixty minutes compressed together."""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from itertools import accumulate, pairwise

from wsdash.history.digest import Digest

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
