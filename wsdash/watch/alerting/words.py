"""An alert in words: what it is about, how much, and the limit."""

from __future__ import annotations

import math

from wsdash.model.figures import distinct_from
from wsdash.watch.alerting.rules import AlertRule


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
