"""Plots of the run's samples as inline SVG: no script, readable light, dark and printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from wsdash.config import Thresholds
from wsdash.history.reader import HistoryReader, Point
from wsdash.history.store import FILE
from wsdash.review.story import KnownStory
from wsdash.timeline.evidence import DAY

MINUTE, HOUR = 60.0, 3600.0
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


WIDTH, HEIGHT = 860, 190
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 20, 26
BUCKETS = 280
LEAST = 3600.0
"""Seconds: the shortest window that is drawn."""


@dataclass(frozen=True)
class Shape:
    """What one plot shows: middle, judged value and upper edge of each bucket, in `unit`, and the limit."""

    series: str
    title: str
    unit: str
    scale: float
    limit: float
    middle: Callable[[Point], float | None]
    upper: Callable[[Point], float | None]
    judged: Callable[[Point], float | None]
    """What the criterion or the alert is about."""


@dataclass(frozen=True)
class Axes:
    """Seconds and values to places on the paper. scale: the round values on the left, 0 first."""

    since: float
    until: float
    scale: tuple[float, ...]

    @property
    def top(self) -> float:
        """The value at the upper edge."""
        return self.scale[-1]

    def x(self, at: float) -> float:
        """Where a time is."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - self.since) / (self.until - self.since)

    def y(self, value: float) -> float:
        """Where a value is."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, self.top) / self.top


def shapes(limits: Thresholds) -> tuple[Shape, ...]:
    """The plots of a report."""
    return (
        Shape(
            "latency:api-new",
            "API response time: 95th percentile, which is judged; band from the median to the 99th",
            "ms",
            1000.0,
            limits.get_seconds,
            lambda point: point.p50,
            lambda point: point.p99,
            lambda point: point.p95,
        ),
        Shape(
            "errors:workspace-api",
            "Error lines a minute in the API's log: the most, which is judged; band from the median",
            "",
            1.0,
            limits.alert_errors_per_minute,
            lambda point: point.p50,
            lambda point: point.maximum,
            lambda point: point.maximum,
        ),
        Shape(
            "disk:percent",
            "Disk in use: the largest, which is judged; band from the median",
            "%",
            1.0,
            limits.alert_disk_percent,
            lambda point: point.p50,
            lambda point: point.maximum,
            lambda point: point.maximum,
        ),
        Shape(
            "memory:stack",
            "Memory of the stack: the largest, which is judged; band from the median",
            "MiB",
            1 / 2**20,
            limits.stack_memory_bytes,
            lambda point: point.p50,
            lambda point: point.maximum,
            lambda point: point.maximum,
        ),
    )


def plots(known: KnownStory, limits: Thresholds) -> list[tuple[str, str]]:
    """(title, svg) of every series that has samples, from the run's start to its end or Day 14."""
    begun = known.story.started_at
    if begun is None:
        return []
    end = known.now
    if known.story.migrated_at is not None:
        end = min(end, known.story.migrated_at + known.spec.days[-1].day * DAY)
    end = max(end, begun + LEAST)
    history = HistoryReader(known.state / FILE)
    try:
        drawn = []
        for shape in shapes(limits):
            points = history.points(shape.series, begun, end, BUCKETS)
            if any(point is not None for point in points):
                drawn.append((shape.title, draw(shape, points, known, begun, end)))
        return drawn
    finally:
        history.close()


def draw(shape: Shape, points: Sequence[Point | None], known: KnownStory, since: float, until: float) -> str:
    """One plot. A gap in the samples is a gap in the line, and is said so in the picture."""
    uppers = [shape.upper(point) or 0.0 for point in points if point is not None]
    axes = Axes(since, until, tuple(round_scale(max([*uppers, shape.limit * 1.1]) * shape.scale)))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(shape.title)}">',
        *_gaps(points, axes, since, until),
        *_alerts(known, axes),
        *_grid(axes, shape),
        *_days(known, axes),
        *_series(shape, points, axes, since, until),
        _limit(shape, axes),
        "</svg>",
    ]
    return "\n".join(parts)


def _series(
    shape: Shape, points: Sequence[Point | None], axes: Axes, since: float, until: float
) -> list[str]:
    width = (until - since) / len(points)
    lines: list[str] = []
    run: list[tuple[float, float, float, float]] = []

    def end() -> None:
        if run:
            top = " ".join(f"{x:.1f},{axes.y(high):.1f}" for x, _, _, high in run)
            back = " ".join(f"{x:.1f},{axes.y(low):.1f}" for x, low, _, _ in reversed(run))
            line = " ".join(f"{x:.1f},{axes.y(judged):.1f}" for x, _, judged, _ in run)
            lines.append(f'<polygon class="band" points="{top} {back}"/>')
            lines.append(f'<polyline class="line" points="{line}"/>')
            run.clear()

    for index, point in enumerate(points):
        values = () if point is None else (shape.middle(point), shape.judged(point), shape.upper(point))
        known = [value * shape.scale for value in values if value is not None]
        if len(known) < 3:
            end()
        else:
            run.append((axes.x(since + (index + 0.5) * width), known[0], known[1], known[2]))
    end()
    return lines


def _gaps(points: Sequence[Point | None], axes: Axes, since: float, until: float) -> list[str]:
    width = (until - since) / len(points)
    return [
        _box("gap", axes, since + index * width, since + (index + 1) * width)
        for index, point in enumerate(points)
        if point is None
    ]


def _alerts(known: KnownStory, axes: Axes) -> list[str]:
    spans = [span for span in known.story.alerts if span.severity != "info"]
    return [
        _box("alert", axes, max(span.begun, axes.since), min(span.ended or axes.until, axes.until))
        for span in spans
        if span.begun < axes.until and (span.ended or axes.until) > axes.since
    ]


def _box(kind: str, axes: Axes, since: float, until: float) -> str:
    left = axes.x(since)
    width = max(1.0, axes.x(until) - left)
    height = HEIGHT - TOP - BOTTOM
    return f'<rect class="{kind}" x="{left:.1f}" y="{TOP}" width="{width:.1f}" height="{height}"/>'


def _grid(axes: Axes, shape: Shape) -> list[str]:
    lines = []
    for value in axes.scale:
        y = axes.y(value)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        text = f"{label(value)} {shape.unit}".strip()
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    bottom = HEIGHT - BOTTOM
    for at, text in round_times(axes.since, axes.until):
        x = axes.x(at)
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        if LEFT + 10 < x < WIDTH - RIGHT - 40:
            lines.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>')
    lines.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">UTC</text>')
    return lines


def _days(known: KnownStory, axes: Axes) -> list[str]:
    lines = []
    for day in known.judged.days:
        if day.at is not None and axes.since < day.at <= axes.until and axes.until - axes.since > DAY:
            x = axes.x(day.at)
            lines.append(f'<line class="day" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
            anchor, place = ("end", x - 4) if x > WIDTH - 60 else ("start", x + 4)
            name = f'<text x="{place:.1f}" y="{TOP - 4}" text-anchor="{anchor}">Day {day.day}</text>'
            lines.append(name)
    return lines


def _limit(shape: Shape, axes: Axes) -> str:
    y = axes.y(shape.limit * shape.scale)
    text = f"limit {label(round(shape.limit * shape.scale, 3))} {shape.unit}".strip()
    return (
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="limit-label" x="{WIDTH - RIGHT - 4}" y="{y - 4:.1f}" text-anchor="end">{text}</text>'
    )
