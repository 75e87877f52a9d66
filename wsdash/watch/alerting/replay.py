"""What rules would have said of a recorded history: the same judgement, over the same samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

from wsdash.model import Recorded
from wsdash.model.standing import AlertSpan, alert_spans
from wsdash.watch.alerting.judge import Judge
from wsdash.watch.alerting.rules import AlertRule

FINE, COARSE = 15.0, 60.0
LONG = 6 * 3600.0
"""Seconds: longer replays are judged once a minute, shorter ones every 15 seconds."""
DETAIL = 10
"""Values that stand for one condensed point."""
CHUNK = 3600.0


class Point(Protocol):
    """A condensed part of a series, as the history tells it."""

    @property
    def at(self) -> float:
        """Where it begins, epoch seconds."""
        ...

    @property
    def minimum(self) -> float | None:
        """The smallest value, in the series' unit; None without one."""
        ...

    @property
    def p50(self) -> float | None:
        """The median, in the series' unit; None without a value."""
        ...

    @property
    def p99(self) -> float | None:
        """The 99th percentile, in the series' unit; None without a value."""
        ...

    @property
    def maximum(self) -> float | None:
        """The largest value, in the series' unit; None without one."""
        ...

    @property
    def count(self) -> int:
        """Values condensed into it."""
        ...

    @property
    def failures(self) -> int:
        """Samples that brought no value."""
        ...


class Past(Protocol):
    """The reading side of a history."""

    def series(self) -> tuple[str, ...]:
        """The names of all series."""
        ...

    def points(self, series: str, since: float, until: float, buckets: int) -> Sequence[Point | None]:
        """The window (epoch seconds) in as many equal parts as `buckets`; None for one without a sample."""
        ...


def replay(rules: Iterable[AlertRule], past: Past, since: float, until: float) -> tuple[AlertSpan, ...]:
    """Every alert that these rules would have raised between two epoch times, by its beginning.

    Recent history is judged sample by sample; where only condensed minutes are left, by values that stand
    for them (their extremes, median and 99th percentile). A window sees nothing before `since`.
    """
    known = past.series()
    step = FINE if until - since <= LONG else COARSE
    events = [event for rule in rules for event in _judged(rule, past, known, since, until, step)]
    events.sort(key=lambda recorded: recorded.at)
    return alert_spans(events)


def _judged(
    rule: AlertRule, past: Past, known: Sequence[str], since: float, until: float, step: float
) -> Iterator[Recorded]:
    names = [name for name in known if rule.matches(name)]
    if rule.share_of and rule.share_of in known:
        names.insert(0, rule.share_of)
    judge = Judge([rule])
    seq = 0
    begin = since
    while begin < until:
        end = min(until, begin + CHUNK)
        buckets = max(1, round((end - begin) / step))
        columns = {name: past.points(name, begin, end, buckets) for name in names}
        for index in range(buckets):
            now = begin + (index + 1) * (end - begin) / buckets
            for name, points in columns.items():
                point = points[index]
                if point is not None:
                    for value in stand_ins(point, rule):
                        judge.add(name, now, value)
            for change in judge.step(now):
                seq += 1
                yield Recorded(seq, now, change)
        begin = end


def stand_ins(point: Point, rule: AlertRule) -> list[float | None]:
    """The values that stand for a condensed point in a rule's statistic, failures as None."""
    failures: list[float | None] = [None] * point.failures
    if point.minimum is None or point.p50 is None or point.p99 is None or point.maximum is None:
        return failures[:DETAIL]
    match rule.statistic:
        case "increase" | "rate":
            return [point.minimum, point.maximum]
        case "sum":  # of what happens now and then: 0 but for single values
            return [point.maximum]
        case "max":
            return [*failures[:1], point.maximum]
        case "min":
            return [*failures[:1], point.minimum]
        case "last" | "mean" | "forecast":
            return [*failures[:1], point.p50]
    total = point.count + point.failures
    failed = -(-DETAIL * point.failures // total) if total > DETAIL else point.failures
    answered = min(point.count, DETAIL - failed) if total > DETAIL else point.count
    corners = ((0.0, point.minimum), (0.5, point.p50), (0.99, point.p99), (1.0, point.maximum))
    values: list[float | None] = [_between(corners, (n + 0.5) / answered) for n in range(answered)]
    return [*failures[:failed], *values]


def _between(corners: Sequence[tuple[float, float]], q: float) -> float:
    for (low, below), (high, above) in pairwise(corners):
        if q <= high:
            return below + (above - below) * (q - low) / (high - low)
    return corners[-1][1]
