"""The past of the latencies, as the latency pane shows it: a window of the history in equal parts.

`read_past` asks the history and belongs in a thread; the rest is pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # the history's reader takes time to import, and no first frame waits for it
    from wsdash.history.reader import HistoryReader

PREFIX = "latency:"
PARTS = 60
SHORTEST_PART = 5.0
"""Seconds: in a shorter one a slow poller would seem to have a gap."""
FAILING = 0.1
"""A part of which so much got no answer is drawn as a failure."""


class Part(msgspec.Struct, frozen=True):
    """One part of the window. slowest: seconds, None when nothing answered. probes counts the failed too."""

    slowest: float | None
    failed: int
    probes: int

    @property
    def failing(self) -> bool:
        """Whether too much of it got no answer to be drawn as a value."""
        return self.slowest is None or self.failed >= FAILING * self.probes


class SeriesPast(msgspec.Struct, frozen=True):
    """A series over the window: parts (None: nobody measured), and its numbers in seconds."""

    parts: tuple[Part | None, ...]
    p50: float | None
    p99: float | None
    longest: float | None
    failed: int


class Past(msgspec.Struct, frozen=True):
    """What the history holds of one window (an index of trends.WINDOWS); times in epoch seconds.

    since: where the window begins, or the history when that is later (whole). trouble: why it is not read.
    """

    window: int
    since: float
    until: float
    series: dict[str, SeriesPast] = {}
    whole: bool = False
    trouble: str = ""


def read_past(reader: HistoryReader, window: int, until: float) -> Past:
    """Ask the history for every latency. Raises InputError. Blocks for I/O."""
    from wsdash.tui.trends import WINDOWS, begins_within

    since = until - WINDOWS[window][1]
    begins = begins_within(reader, since, until)
    start = since if begins is None else begins
    if start >= until:
        return Past(window, since, until)
    found = {}
    count = max(1, min(PARTS, int((until - start) / SHORTEST_PART)))
    for name in reader.series():
        series = name.removeprefix(PREFIX)
        if series == name or ":" in series:  # the parts of a response time have a view of their own
            continue
        summary = reader.summary(name, start, until)
        points = reader.points(name, start, until, count)
        parts = tuple(
            None if p is None else Part(p.maximum, p.failures, p.count + p.failures) for p in points
        )
        found[series] = SeriesPast(parts, summary.p50, summary.p99, summary.maximum, summary.failures)
    return Past(window, start, until, found, begins is not None)


def spread(parts: Sequence[Part | None], cells: int) -> list[Part | None]:
    """The parts in at most `cells` cells, oldest first: a cell is as slow as its slowest part."""
    count = min(cells, len(parts))
    return [
        _together(parts[cell * len(parts) // count : (cell + 1) * len(parts) // count])
        for cell in range(count)
    ]


def _together(parts: Sequence[Part | None]) -> Part | None:
    seen = [part for part in parts if part is not None]
    if not seen:
        return None
    slowest = max((part.slowest for part in seen if part.slowest is not None), default=None)
    return Part(slowest, sum(part.failed for part in seen), sum(part.probes for part in seen))
