"""What rules would have said of a recorded history: the same judgement, over the same samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import NamedTuple, Protocol

from wsdash.model import Recorded
from wsdash.model.alert_board import AlertSpan, alert_spans
from wsdash.watch.alerting.judge import ABSENT, AlertJudge
from wsdash.watch.alerting.rules import AlertRule

HOUR, MINUTE = 3600.0, 60.0
STEP = 1.0
"""Seconds between judgements, as it is live (watch/world.py)."""
DETAIL = 60
"""Values that represent a condensed minute in which a limit was crossed."""
PLAIN = 10
"""Values that represent one in which it was not."""
ANEW = ""
"""Instead of a series: an engine began."""
NEAR = 0.011
"""A value of a digest is right to 1 %: one that is so near to an extreme may be it."""


class Condensed(Protocol):
    """A minute whose samples are gone, as the history tells it. failures: samples that brought no value;
    minimum to last mean nothing while count is 0."""

    count: int
    failures: int
    minimum: float
    maximum: float
    total: float
    last: float

    def percentiles(self, shares: tuple[float, ...]) -> tuple[float | None, ...]:
        """The values at these ranks, which ascend."""
        ...


class ReplayedPast(Protocol):
    """The reading side of a history."""

    def series(self) -> tuple[str, ...]:
        """The names of all series."""
        ...

    def pieces(
        self, series: str, since: float, until: float
    ) -> Sequence[tuple[float, float | Condensed | None]]:
        """(epoch seconds, value) of each sample, (begin, digest) of each condensed minute; oldest first."""
        ...


class Heard(NamedTuple):
    """A value that the judge is given. judged: whether it judges then, or waits for what comes with it."""

    at: float
    series: str
    value: float | None
    judged: bool = True


def replay(
    rules: Iterable[AlertRule],
    past: ReplayedPast,
    since: float,
    until: float,
    containers: Mapping[str, str] | None = None,
    begun: Iterable[float] = (),
) -> tuple[AlertSpan, ...]:
    """Every alert that these rules would have raised between two epoch times, by its beginning.

    What is recorded sample by sample is judged so, however long the replay. Where only condensed minutes are
    left, values in the right number represent them; a limit crossed for some seconds is seen there too, and
    when is right to a minute. A window sees nothing before `since`, and nothing before the
    newest of `begun`: when an engine began to judge, with empty windows. containers: as Judge's.
    """
    known = past.series()
    starts = sorted(at for at in begun if since < at < until)
    events = [
        event
        for rule in rules
        for name in known
        if rule.matches(name)
        for event in _Replayed(rule, name, past, known, containers or {}, starts).changes(since, until)
    ]
    events.sort(key=lambda recorded: recorded.at)
    return alert_spans(events)


class _Replayed:
    """One rule on one series."""

    def __init__(
        self,
        rule: AlertRule,
        series: str,
        past: ReplayedPast,
        known: Sequence[str],
        containers: Mapping[str, str],
        starts: Sequence[float],
    ) -> None:
        self._starts = starts
        self._rule, self._series, self._past = rule, series, past
        self._judge = AlertJudge([rule], containers=containers)
        place = self._judge.about(series)
        beside = [rule.share_of, ABSENT + place if place else ""]
        self._beside = [name for name in beside if name in known]
        self._bad = False
        self._seq = 0

    def changes(self, since: float, until: float) -> Iterator[Recorded]:
        """What the judge says, in order."""
        before = since
        begin = since
        while begin < until:
            end = min(until, (begin // HOUR + 1) * HOUR)  # whole hours, as the history is kept
            beside = [self._states(name, begin, end) for name in self._beside]
            beside.append(Heard(at, ANEW, None) for at in self._starts if begin <= at < end)
            for heard in merge(*beside, self._values(begin, end), key=lambda one: one.at):
                yield from self._wait(before, heard.at)
                before = max(before, heard.at)
                if heard.series == ANEW:
                    self._judge.begin_anew()
                    continue
                self._judge.add(heard.series, heard.at, heard.value)
                if heard.judged:
                    yield from self._step(heard.at)
            begin = end
        yield from self._wait(before, until)

    def _wait(self, before: float, until: float) -> Iterator[Recorded]:
        """Time passes without a sample: alerts begin and end in it too."""
        if until - before > STEP and self._judge.at_rest():
            yield from self._step(until - STEP / 2)  # what is old has left the window
            return
        now = before + STEP
        longest = self._rule.over + self._rule.raise_for + self._rule.clear_for + 2 * STEP
        while now < min(until, before + longest):
            yield from self._step(now)
            now += STEP

    def _step(self, now: float) -> Iterator[Recorded]:
        for change in self._judge.step(now):
            self._seq += 1
            yield Recorded(self._seq, now, change)

    def _states(self, series: str, since: float, until: float) -> Iterator[Heard]:
        """What is only asked for its newest value; what was absent in a part of a minute was so in it."""
        for at, piece in self._past.pieces(series, since, until):
            if piece is None or isinstance(piece, float | int):
                yield Heard(at, series, piece, judged=False)
            elif piece.count:
                first = piece.maximum if series.startswith(ABSENT) else piece.last
                yield Heard(at, series, first, judged=False)
                yield Heard(at + MINUTE - STEP, series, piece.last, judged=False)

    def _values(self, since: float, until: float) -> Iterator[Heard]:
        for at, piece in self._past.pieces(self._series, since, until):
            if piece is None or isinstance(piece, float | int):
                self._bad = self._is_bad(piece)
                yield Heard(at, self._series, piece)
                continue
            values, apart = self._stand_ins(piece)
            for n, value in enumerate(values):
                last = n == len(values) - 1
                place = at + MINUTE * n / len(values)
                yield Heard(max(place, since), self._series, value, judged=apart or last)

    def _stand_ins(self, minute: Condensed) -> tuple[list[float | None], bool]:
        """The values that represent a condensed minute, and whether each is judged by itself."""
        rule = self._rule
        failures: list[float | None] = [None] * minute.failures
        if not minute.count:
            return failures[:PLAIN], True
        match rule.statistic:
            case "sum":
                return [minute.total], True
            case "forecast":
                return [*minute.percentiles((0.5,))], True
            case "increase" | "rate":
                return [minute.minimum, minute.maximum], True
        crossed = rule.bad(minute.minimum) != rule.bad(minute.maximum)
        crossed = crossed or (rule.failures == "worst" and minute.failures > 0)
        if not crossed and rule.statistic in ("last", "max", "min"):
            self._bad = rule.bad(minute.last)
            ends = [end for end in (minute.minimum, minute.maximum) if end != minute.last]
            return [*failures[:1], *ends, minute.last], True
        most = DETAIL if crossed else PLAIN
        whole = minute.count + minute.failures
        share = min(1.0, most / whole)
        failed = math.ceil(minute.failures * share)
        values = _spread(minute, max(1, min(minute.count, most - failed)))
        return self._in_order([*failures[:failed], *values], minute.last), crossed

    def _in_order(self, values: list[float | None], last: float) -> list[float | None]:
        """What was bad in one piece, at the edge where the minute before, or the last value, was bad."""
        bad = [value for value in values if self._is_bad(value)]
        good = [value for value in values if not self._is_bad(value)]
        began, ends = self._bad, self._rule.bad(last)
        self._bad = ends
        if began and ends:
            return [*bad[: len(bad) // 2], *good, *bad[len(bad) // 2 :]]
        if began:
            return [*bad, *good]
        if ends:
            return [*good, *bad]
        return [*good[: len(good) // 2], *bad, *good[len(good) // 2 :]]

    def _is_bad(self, value: float | None) -> bool:
        return self._rule.failures == "worst" if value is None else self._rule.bad(value)


def _spread(minute: Condensed, number: int) -> list[float | None]:
    """So many values, spread as the minute's were; its extremes among them as they are."""
    if number == 1:
        return [minute.maximum]
    found = minute.percentiles(tuple(n / (number - 1) for n in range(number)))
    values = []
    for value in found:
        near = [end for end in (minute.minimum, minute.maximum) if value is not None and _near(value, end)]
        values.append(near[0] if near else value)
    return [minute.minimum, *values[1:-1], minute.maximum]


def _near(value: float, end: float) -> bool:
    return abs(value - end) <= NEAR * abs(end)
