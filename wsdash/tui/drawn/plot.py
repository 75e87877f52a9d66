"""A latency series in numbers and in blocks, on a linear scale of its own, with its threshold. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from textual.content import Content

from wsdash.tui.drawn.looks import BAD, BARS, DIM, GAP, GOOD, HOLE_MARK, WARN, Look
from wsdash.tui.state.viewstate import HOLE, LatencySample

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


SMALLEST = 0.001
"""Seconds: no scale ends below it."""
HEADROOM = 1.25
MOST_OF_THEM = 0.95
"""The part of the samples that a scale is made for: what is slower is drawn up to its edge, and coloured."""
AXIS = 8
"""Cells of a tall plot's axis: a number, its unit, and the line."""


@dataclass(frozen=True)
class Scale:
    """From zero to `top` seconds; threshold: what must not be passed, in seconds."""

    top: float
    threshold: float = ALERT_SECONDS

    @property
    def label(self) -> str:
        """Where the scale ends, with its unit: 5 ms, 2 s."""
        return seconds_text(self.top)


def scale_of(samples: Sequence[LatencySample], threshold: float = ALERT_SECONDS) -> Scale:
    """The series' own scale: where nearly all of it lies, up to the next 1, 2 or 5."""
    values = sorted(sample.seconds for sample in samples if sample.seconds is not None)
    if not values:
        return Scale(SMALLEST, threshold)
    slow = values[min(len(values) - 1, int(MOST_OF_THEM * len(values)))] * HEADROOM
    step = SMALLEST
    while True:
        for factor in (1, 2, 5):
            if step * factor >= slow:
                return Scale(step * factor, threshold)
        step *= 10


def seconds_text(seconds: float) -> str:
    """A scale's number with its unit: 5 ms, 500 ms, 2 s."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def style_of(sample: LatencySample) -> str:
    """The colour of one cell, by the guide's thresholds."""
    if sample.error == HOLE:
        return DIM
    if sample.seconds is None or sample.seconds > ALERT_SECONDS:
        return BAD
    return WARN if sample.seconds > POST_SECONDS else GOOD


def plot(
    samples: Sequence[LatencySample], width: int, rows: int, scale: Scale, *, live: bool = True
) -> list[Content]:
    """`rows` lines of `width` cells, the newest sample at the right edge.

    A failure is × and a time without readings · on the lowest line. From three lines on there is an axis at
    the left, with a tick at the threshold where it lies on the scale; live False: all of it dim.
    """
    axis = AXIS if rows >= 3 and width >= 4 * AXIS else 0
    cells = samples[-(width - axis) :]
    gap = " " * (width - axis - len(cells))
    lines = []
    looks = [style_of(sample) if live else DIM for sample in cells]
    for row in range(rows):
        signs = [_sign(sample, rows - 1 - row, rows, scale) for sample in cells]
        line = [Content.styled(_axis(row, rows, scale), DIM) if axis else Content(), Content(gap)]
        # cells of one look go together: each piece of a line is drawn for itself
        for look, run in groupby(zip(looks, signs, strict=True), key=itemgetter(0)):
            line.append(Content.styled("".join(sign for _, sign in run), look))
        lines.append(Content("").join(line))
    return lines


def _sign(sample: LatencySample, above: int, rows: int, scale: Scale) -> str:
    """The content of the cell of a line that has `above` lines below it."""
    if sample.seconds is None:
        return (HOLE_MARK if sample.error == HOLE else GAP) if above == 0 else " "
    eighths = min(rows * len(BARS), max(1, round(sample.seconds / scale.top * rows * len(BARS))))
    here = eighths - above * len(BARS)
    if here <= 0:
        return " "
    return BARS[min(here, len(BARS)) - 1]


def _axis(row: int, rows: int, scale: Scale) -> str:
    """The axis beside a line: the top, the threshold's tick, zero."""
    at_threshold = scale.threshold < scale.top and row == rows - 1 - int(scale.threshold / scale.top * rows)
    if row == 0:
        text = scale.label
    elif at_threshold:
        text = seconds_text(scale.threshold)
    else:
        text = "0" if row == rows - 1 else ""
    return f"{text:>{AXIS - 1}}{'╪' if at_threshold else '┤' if text else '│'}"
