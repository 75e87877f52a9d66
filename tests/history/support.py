"""What the history's tests share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsdash.history.reader import HistoryReader
from wsdash.history.store import HistoryWriter

HOUR = 3600.0
NOON = 1_800_000_000.0 - 1_800_000_000.0 % HOUR
"""A whole hour of the clock, from where the tests' samples count."""

Samples = list[tuple[float, float | None]]


def exact(values: list[float], q: float) -> float:
    """The percentile as the sketch defines it: the value at rank q * (n - 1), rounded down."""
    return sorted(values)[math.floor(q * (len(values) - 1))]


def record(path: Path, samples: Samples, series: str = "latency:api-new") -> None:
    """A history with these samples, written and closed."""
    writer = HistoryWriter.open(path)
    for at, value in samples:
        writer.add(series, at, value)
    writer.flush()
    writer.close()


@contextmanager
def reading(path: Path) -> Iterator[HistoryReader]:
    """A reader that is closed afterwards."""
    reader = HistoryReader(path)
    try:
        yield reader
    finally:
        reader.close()
