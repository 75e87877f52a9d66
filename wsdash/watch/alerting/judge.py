"""The judgement: rules and samples in, changes of alerts out. Pure, and the same for life and replay.

An alert in words says what it is about, how much, and the limit.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from wsdash.model import AlertChanged
from wsdash.model.written import distinct_from
from wsdash.watch.alerting.rules import AlertRule, measure


def amount(value: float | None, unit: str, more: int = 0) -> str:
    """A value with its unit, as people read it; None and infinity are answers that did not come. more: digits
    beyond the usual ones."""
    if value is None or math.isinf(value):
        return "no answer"
    match unit:
        case "seconds":
            return _duration(value, more)
        case "percent":
            return f"{value:.{more}f} %"
        case "share":
            return f"{value:.{more}%}"
        case "bytes":
            return _bytes(value, more)
        case "per-minute":
            return f"{value:.{6 + more}g} a minute"
    return f"{value:.{4 + more}g}"


def describe(rule: AlertRule, series: str, value: float | None) -> str:
    """One line for a raised alert."""
    subject = rule.subject(series) if "*" in rule.series else ""
    said = "no data" if value is None else "" if rule.unit == "flag" else _said(rule, value)
    return f"{rule.title}: {', '.join(part for part in (subject, said) if part)}{_limit(rule)}"


def describe_end(rule: AlertRule, series: str, value: float | None) -> str:
    """One line for an alert that ended."""
    return f"ended: {describe(rule, series, value)}"


def _said(rule: AlertRule, value: float) -> str:
    said = distinct_from(value, rule.threshold, lambda figure, more: amount(figure, rule.unit, more))
    if rule.id == rule.series.partition(":")[0] or rule.statistic in ("last", "max", "min", "mean"):
        return said
    if rule.statistic.startswith("p"):
        return said if math.isinf(value) else f"1 in {_one_in(rule.statistic)} takes {said} or more"
    if rule.statistic == "forecast":
        return f"{said} in {_duration(rule.horizon)} at this rate"
    return f"{said} in {_duration(rule.over)}"


def _one_in(statistic: str) -> str:
    return f"{100 / (100 - int(statistic[1:])):.0f}"


def _limit(rule: AlertRule) -> str:
    if rule.threshold in (0, 1) and rule.unit in ("", "count", "flag"):
        return ""
    return f" (limit {amount(rule.threshold, rule.unit)})"


def _duration(seconds: float, more: int = 0) -> str:
    if abs(seconds) < 1:
        return f"{seconds * 1000:.{more}f} ms"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * length or seconds == length:
            return f"{seconds / length:.{3 + more}g} {unit}"
    return f"{seconds:.{3 + more}g} s"


def _bytes(count: float, more: int = 0) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.{3 + more}g} {unit}"
        value /= 1024
    return f"{value:.{3 + more}g} TiB"


MOST_SAMPLES = 50_000
FORECAST_SAMPLES = 1000
WORSE_BY, WORSE_EVERY = 0.1, 60.0
"""A raised alert is sent again when it got worse by this share, at most once in so many seconds."""


ABSENCE = "absence"
"""The source that names what rightly does not answer; it measures nothing."""
ABSENT = "absent:"
"""Before the name of what a container serves: a series that is 1 while that rightly does not answer."""


class Measured(NamedTuple):
    """What an alert's statistic is now. value: None: nobody measured; infinite: nothing answered."""

    rule: AlertRule
    alert: str
    value: float | None


class AlertJudge:
    """Judges samples by rules. Times are epoch seconds and must not go back.

    raised_before: alerts that an earlier process raised and that did not end; they go on as they are.
    containers: what a container serves -> its name (watch/board.py); what is reported of a container is not
    judged either while what it serves is rightly absent.
    """

    def __init__(
        self,
        rules: Iterable[AlertRule],
        raised_before: Iterable[AlertChanged] = (),
        containers: Mapping[str, str] | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self._containers = dict(containers or {})
        self._serves = {name: series for series, name in self._containers.items()}
        self._away: set[str] = set()
        """What rightly does not answer."""
        self._raised_before = {
            change.alert or change.rule: change for change in raised_before if change.raised
        }
        self._alerts: dict[str, tuple[_Alert, ...]] = {}
        """Series -> the alerts that it may raise."""
        self._divisors = {rule.share_of for rule in self.rules if rule.share_of}
        self._newest: dict[str, float] = {}
        for rule in self.rules:
            if "*" not in rule.series:
                self._known(rule.series)

    def add(self, series: str, at: float, value: float | None) -> None:
        """Note a sample; None is a probe that failed. What rightly does not answer is not judged."""
        if series.startswith(ABSENT):
            self._note_absence(series.removeprefix(ABSENT), bool(value))
            return
        if self._away and self.about(series) in self._away:
            return
        if series in self._divisors and value is not None:
            self._newest[series] = value
        for alert in self._known(series):
            alert.add(at, value)

    def about(self, series: str) -> str:
        """What of PLACES a series tells of, '' for none: api-old of latency:api-old."""
        kind, _, name = series.partition(":")
        if kind in ("latency", "up"):
            return name.partition(":")[0]
        return self._serves.get(name, "") if kind == "errors" else ""

    def begin_anew(self) -> None:
        """Another process judges from here on: what is raised stays raised, and its windows are empty."""
        for alerts in self._alerts.values():
            for alert in alerts:
                alert.forget()

    def measured(self, now: float) -> list[Measured]:
        """What every alert's statistic is now, without judging; what is rightly absent is left out."""
        return [
            Measured(alert.rule, alert.rule.alert(series), alert.measure(now, self._divisor(alert.rule)))
            for series, alerts in self._alerts.items()
            for alert in alerts
            if not alert.is_absent
        ]

    def at_rest(self) -> bool:
        """Whether nothing is raised, and nothing is about to be."""
        return all(alert.at_rest for alerts in self._alerts.values() for alert in alerts)

    def step(self, now: float) -> list[AlertChanged]:
        """Judge everything now; the changes that follow."""
        changes = []
        for alerts in self._alerts.values():
            for alert in alerts:
                change = alert.step(now, self._divisor(alert.rule))
                if change is not None:
                    changes.append(change)
        return changes

    def _divisor(self, rule: AlertRule) -> float | None:
        return self._newest.get(rule.share_of)

    def _note_absence(self, place: str, away: bool) -> None:
        if not away:
            self._away.discard(place)
            return
        self._away.add(place)
        expected = {f"latency:{place}", f"up:{place}", f"errors:{self._containers.get(place, '')}"}
        for series in expected | {name for name in self._alerts if self.about(name) == place}:
            for alert in self._known(series):
                alert.absent()

    def _known(self, series: str) -> tuple[_Alert, ...]:
        if series not in self._alerts:
            self._alerts[series] = tuple(
                _Alert(rule, series, self._raised_before.get(rule.alert(series)))
                for rule in self.rules
                if rule.matches(series)
            )
        return self._alerts[series]


class _Alert:
    """One rule on one series."""

    def __init__(self, rule: AlertRule, series: str, before: AlertChanged | None) -> None:
        self.rule = rule
        self._series = series
        self._samples: deque[tuple[float, float]] = deque(maxlen=MOST_SAMPLES)
        self._before: tuple[float, float] | None = None
        self.is_absent = False
        self._raised = before is not None
        self._since = before.since if before else 0.0
        self._worst = math.nan
        if before is not None:
            self._worst = math.inf if before.worst is None else before.worst
        self._announced_at, self._announced_worst = (-math.inf, self._worst)
        self._bad_since: float | None = None
        self._well_since: float | None = None

    def add(self, at: float, value: float | None) -> None:
        self.is_absent = False
        if value is None:
            if self.rule.failures == "ignore":
                return
            value = math.inf if self.rule.comparison.startswith(">") else -math.inf
        spacing = self.rule.over / FORECAST_SAMPLES if self.rule.statistic == "forecast" else 0.0
        if not spacing or not self._samples or at - self._samples[-1][0] >= spacing:
            self._samples.append((at, value))

    def absent(self) -> None:
        self.is_absent = True
        self.forget()

    def forget(self) -> None:
        """No sample is known any more."""
        self._samples.clear()
        self._before = self._bad_since = self._well_since = None

    @property
    def at_rest(self) -> bool:
        """Nothing is raised, and nothing will be without a further sample."""
        return not self._raised and self._bad_since is None and self.rule.no_data != "raise"

    def step(self, now: float, divisor: float | None) -> AlertChanged | None:
        if self.is_absent:
            return self._end(now, "not meant to run", at_once=True)
        value = self.measure(now, divisor)
        if value is None:
            return self._without_data(now)
        self._note_worst(value)
        bad, well = self.rule.bad(value), self.rule.well(value)
        return self._judge(now, bad, well, value)

    def _judge(self, now: float, bad: bool, well: bool, value: float | None) -> AlertChanged | None:
        self._bad_since = _since(self._bad_since, bad, now)
        self._well_since = _since(self._well_since, well, now)
        if self._bad_since is not None and not self._raised:
            if now - self._bad_since < self.rule.raise_for:
                return None
            self._raised, self._since = True, self._bad_since
            return self._change(True, now, value)
        if self._raised and not well:
            return self._got_worse(now, value)
        return self._end(now, describe_end(self.rule, self._series, value)) if well else None

    def _end(self, now: float, text: str, *, at_once: bool = False) -> AlertChanged | None:
        if not self._raised:
            return None
        if not at_once:
            assert self._well_since is not None
            if now - self._well_since < self.rule.clear_for:
                return None
        worst = self._worst
        self._raised, self._bad_since, self._well_since, self._worst = False, None, None, math.nan
        return self._event(False, now, text, worst)

    def _got_worse(self, now: float, value: float | None) -> AlertChanged | None:
        if value is None or now - self._announced_at < WORSE_EVERY:
            return None
        margin = WORSE_BY * max(abs(self._announced_worst), abs(self.rule.threshold) / 10, 1e-9)
        if math.isnan(self._announced_worst) or (
            self.rule.worse(self._worst, self._announced_worst)
            and not abs(self._worst - self._announced_worst) < margin
        ):
            return self._change(True, now, value)
        return None

    def _without_data(self, now: float) -> AlertChanged | None:
        match self.rule.no_data:
            case "clear":
                return self._judge(now, False, True, None)
            case "raise":
                return self._judge(now, True, False, None)
        # nothing is known: neither duration goes on over a time that nobody saw
        self._bad_since = self._well_since = None
        return None

    def _change(self, raised: bool, now: float, value: float | None) -> AlertChanged:
        self._announced_at, self._announced_worst = now, self._worst
        return self._event(raised, self._since, describe(self.rule, self._series, value), self._worst)

    def _event(self, raised: bool, since: float, text: str, worst: float) -> AlertChanged:
        rule = self.rule
        known = None if math.isnan(worst) or math.isinf(worst) else worst
        return AlertChanged(
            rule.id, raised, text, since, rule.alert(self._series), self._series, rule.severity, known
        )

    def _note_worst(self, value: float) -> None:
        if self._raised or self.rule.bad(value):
            if math.isnan(self._worst) or self.rule.worse(value, self._worst):
                self._worst = value
        else:
            self._worst = math.nan

    def measure(self, now: float, divisor: float | None) -> float | None:
        """The rule's statistic of the window that ends now; None where too little is known."""
        while self._samples and self._samples[0][0] <= now - self.rule.over:
            self._before = self._samples.popleft()
        if len(self._samples) < self.rule.fewest:
            return None
        samples: Sequence[tuple[float, float]] = self._samples
        if self.rule.statistic in ("increase", "rate"):
            # growth since the sample before the window belongs to the window
            samples = [*([self._before] if self._before else []), *self._samples]
        value = measure(self.rule.statistic, samples, self.rule.over, self.rule.horizon)
        if value is None or not self.rule.share_of:
            return value
        if divisor is None:
            return None
        return value / divisor if divisor else math.inf


def _since(before: float | None, holds: bool, now: float) -> float | None:
    if not holds:
        return None
    return now if before is None else before
