"""What a rule makes of a window of samples: one number, or None when there are too few to say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

Samples = Sequence[tuple[float, float]]
"""(epoch seconds, value), oldest first; an infinite value is a probe that got no answer."""

LEAST_SPAN = 0.25
"""A forecast needs samples that span this share of its window."""


def percentile(values: Sequence[float], q: float) -> float:
    """The value that a share q (0..1) of `values` does not exceed (nearest rank). There must be values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def increase(samples: Samples) -> float:
    """By how much a counter grew; when it fell it was started anew, which counts as nothing."""
    return sum(max(0.0, after - before) for (_, before), (_, after) in pairwise(samples))


def forecast(samples: Samples, over: float, horizon: float) -> float | None:
    """The value `horizon` seconds after the newest sample, on the line of least squares.

    None when the samples span less than a quarter of `over` seconds.
    """
    known = [(at, value) for at, value in samples if math.isfinite(value)]
    if len(known) < 2 or known[-1][0] - known[0][0] < LEAST_SPAN * over:
        return None
    middle = sum(at for at, _ in known) / len(known)
    mean = sum(value for _, value in known) / len(known)
    spread = sum((at - middle) ** 2 for at, _ in known)
    slope = sum((at - middle) * (value - mean) for at, value in known) / spread
    return mean + slope * (known[-1][0] + horizon - middle)


def _values(samples: Samples) -> list[float]:
    return [value for _, value in samples]


SIMPLE: dict[str, Callable[[Samples], float]] = {
    "last": lambda samples: samples[-1][1],
    "max": lambda samples: max(_values(samples)),
    "min": lambda samples: min(_values(samples)),
    "sum": lambda samples: sum(_values(samples)),
    "mean": lambda samples: sum(_values(samples)) / len(samples),
    "p50": lambda samples: percentile(_values(samples), 0.5),
    "p90": lambda samples: percentile(_values(samples), 0.9),
    "p95": lambda samples: percentile(_values(samples), 0.95),
    "p99": lambda samples: percentile(_values(samples), 0.99),
    "increase": increase,
}
STATISTICS = (*SIMPLE, "rate", "forecast")


def measure(statistic: str, samples: Samples, over: float, horizon: float = 0.0) -> float | None:
    """The statistic of a window of `over` seconds; None without an answer. rate: increase per minute."""
    if not samples:
        return None
    if statistic == "forecast":
        return forecast(samples, over, horizon)
    if statistic == "rate":
        return increase(samples) / over * 60
    return SIMPLE[statistic](samples)
