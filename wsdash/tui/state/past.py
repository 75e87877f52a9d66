"""The past of the latencies, as the latency pane shows it: a window of the history in equal parts. Pure;
past_reader.py reads it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

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
