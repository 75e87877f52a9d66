"""What a latency series says in numbers. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wsdash.tui.looks import BAD, DIM, GOOD, WARN, Look
from wsdash.tui.viewstate import HOLE, LatencySample

GET_SECONDS = 0.2
POST_SECONDS = 0.1
ALERT_SECONDS = 0.5
API = ("api-old", "api-new")
ORDER = ("api-old", "api-new", "source-db", "target-db", "pageserver", "safekeeper")


@dataclass(frozen=True)
class LatencySummary:
    """Of the probes that answered: seconds; failed counts the ones that did not."""

    last: LatencySample | None
    p50: float | None
    p99: float | None
    longest: float | None
    failed: int
    probes: int


def summarize(samples: Sequence[LatencySample]) -> LatencySummary:
    """The numbers of a series; holes in the readings count neither as probes nor as failures."""
    probes = [sample for sample in samples if sample.error != HOLE]
    times = sorted(sample.seconds for sample in probes if sample.seconds is not None)
    return LatencySummary(
        last=probes[-1] if probes else None,
        p50=_nearest(times, 0.50),
        p99=_nearest(times, 0.99),
        longest=times[-1] if times else None,
        failed=len(probes) - len(times),
        probes=len(probes),
    )


def _nearest(ordered: Sequence[float], part: float) -> float | None:
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, math.ceil(part * len(ordered)) - 1))]


def verdict(series: str, sample: LatencySample | None) -> Look:
    """The newest probe against the guide's thresholds: 100 and 200 ms are limits, 500 ms is an alert."""
    if sample is None:
        return Look("?", "no probe", DIM)
    if sample.seconds is None:
        return Look("✗", "no answer", BAD)
    if sample.seconds > ALERT_SECONDS:
        return Look("✗", "alert>500", BAD)
    if sample.seconds > GET_SECONDS:
        return Look("▲", "over 200", WARN)
    if sample.seconds > POST_SECONDS:
        return Look("▲", "over 100", WARN)
    return Look("✓", "ok", GOOD)


def ordered(names: Sequence[str]) -> list[str]:
    """Series in their customary order, unknown ones last."""
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
