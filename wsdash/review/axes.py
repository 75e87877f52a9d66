"""Round numbers and times on the axes of plots."""

from __future__ import annotations

import math
from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
STEPS = (
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 7, 14)),
)
"""Seconds between two times on an axis."""


def round_scale(largest: float, most: int = 5) -> list[float]:
    """0 and equal round steps (1, 2, 2.5 or 5 times a power of ten) up to the first not below `largest`."""
    if largest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(largest / most))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if largest <= power * n * most * (1 + 1e-9))
    return [step * n for n in range(math.ceil(largest / step - 1e-9) + 1)]


def round_times(since: float, until: float, most: int = 9) -> list[tuple[float, str]]:
    """(epoch seconds, label in UTC) of round times between the two: dates where they are days apart."""
    step = next((one for one in STEPS if (until - since) / one <= most), STEPS[-1])
    first = math.ceil(since / step) * step
    count = max(0, math.floor((until - first) / step) + 1)
    found = []
    for at in (first + n * step for n in range(count)):
        when = datetime.fromtimestamp(at, UTC)
        whole_day = at % DAY == 0
        found.append((at, f"{when.day} {when:%b}" if whole_day or step >= DAY else f"{when:%H:%M}"))
    return found


def label(value: float) -> str:
    """A round value as a label."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,g}"
