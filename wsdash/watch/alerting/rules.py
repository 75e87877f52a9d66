"""The alert rules: config/alerts.yaml, typed and checked. Errors name file, key, value and remedy.

A rule makes one number of a window of samples, or None when there are too few to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from wsdash.config import Settings, Thresholds, read_yaml, shipped
from wsdash.errors import InputError

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


FILE = "alerts.yaml"
COMPARISONS = (">", ">=", "<", "<=")
SEVERITIES = ("info", "warning", "critical")
NO_DATA = ("hold", "clear", "raise")
UNITS = ("", "flag", "seconds", "percent", "share", "bytes", "count", "per-minute")
LONGEST = 15 * 86400.0
"""Seconds: what the history keeps."""
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NAME = re.compile(r"[a-z][a-z0-9-]*")
PLACE = re.compile(r"\{([a-z-]+)\}")
PLACES = ("api-old", "api-new", "pageserver", "safekeeper", "source-db", "target-db")
"""What is allowed in braces: the series that a container serves (watch/board.py)."""


class PrometheusExpr(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule in Prometheus's words, over what the stack's /metrics pages and node_exporter tell.

    expr holds {threshold}; for_ is a Prometheus duration, '' for the rule's own. absent: a metric without
    which the rule is blind; its absence raises an alert of its own.
    """

    expr: str
    for_: str = msgspec.field(name="for", default="")
    summary: str = ""
    absent: str = ""


class AlertRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. Durations are seconds, threshold and clear are in the unit of the series.

    Bad: `statistic` over the last `over` seconds of a series compares with `threshold`; raised when bad for
    `raise_for` without a break. Well: back beyond `clear`; ended when well for `clear_for` without a break.
    """

    id: str
    title: str
    series: str
    """A name of the history; with * each series that matches is an alert of its own."""
    share_of: str = ""
    """When set, the statistic is divided by the newest value of this series."""
    statistic: str = "last"
    over: float = 60.0
    horizon: float = 0.0
    """How far a forecast looks ahead."""
    comparison: str = ">"
    threshold: float
    clear: float
    raise_for: float = 0.0
    clear_for: float = 0.0
    severity: str = "warning"
    explanation: str = ""
    no_data: str = "hold"
    """Without samples: hold what is raised, clear counts as well, raise counts as bad."""
    failures: str = "ignore"
    """A sample without a value: ignore, or worst (worse than any limit)."""
    fewest: int = 1
    """Samples below which nothing is said."""
    unit: str = ""
    limit_name: str = ""
    """The key of wsdash.yaml's thresholds that sets the threshold, '' for a number."""
    guide: str = ""
    """The guide's own words for this alert, '' when the guide does not ask for it."""
    prometheus: PrometheusExpr | None = None

    def matches(self, series: str) -> bool:
        """Whether the rule is about this series. A * matches no colon: a probe's parts are others."""
        return fnmatchcase(series, self.series) and series.count(":") == self.series.count(":")

    def alert(self, series: str) -> str:
        """The alert's name: the rule's, and what it is about where there may be several."""
        return f"{self.id}/{self.subject(series)}" if "*" in self.series else self.id

    def subject(self, series: str) -> str:
        """What the series is about, for people: 'api-new' of latency:api-new."""
        return series.partition(":")[2] or series

    def bad(self, value: float) -> bool:
        """Whether a value is beyond the threshold."""
        return compare(value, self.comparison, self.threshold)

    def well(self, value: float) -> bool:
        """Whether a value is back where the alert ends."""
        return value <= self.clear if self.comparison.startswith(">") else value >= self.clear

    def worse(self, one: float, other: float) -> bool:
        """Whether `one` is worse than `other`."""
        return one > other if self.comparison.startswith(">") else one < other


def compare(value: float, comparison: str, limit: float) -> bool:
    """value comparison limit."""
    match comparison:
        case ">":
            return value > limit
        case ">=":
            return value >= limit
        case "<":
            return value < limit
        case _:
            return value <= limit


class _Raw(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"):
    """A rule as the file has it: durations as 30s, 5m, 26h, 14d; limits as numbers or names."""

    id: str
    title: str
    series: str
    share_of: str = ""
    statistic: str = "last"
    over: str | float = 60.0
    horizon: str | float = 0.0
    comparison: str = ">"
    threshold: float | str
    clear: float | str | None = None
    for_: str | float = msgspec.field(name="for", default=0.0)
    clear_for: str | float = 0.0
    severity: str = "warning"
    explanation: str
    no_data: str = "hold"
    failures: str = "ignore"
    fewest: int = 1
    unit: str = ""
    guide: str = ""
    prometheus: PrometheusExpr | None = None


def rules_file(settings: Settings) -> Path:
    """alerts.yaml beside wsdash.yaml, or the shipped one where there is none."""
    own = Path(settings.directory) / FILE if settings.directory else shipped("config", FILE)
    return own if own.exists() else shipped("config", FILE)


def load_rules(
    path: Path, thresholds: Thresholds, containers: Mapping[str, str] | None = None
) -> tuple[AlertRule, ...]:
    """Read and check the rules. containers: series -> container, for {api-new} and its like in `series`.

    Raises InputError naming file, rule, key, value and remedy.
    """
    raw = read_yaml(path)
    entries = raw.get("rules") if isinstance(raw, dict) else None
    if not isinstance(entries, list) or set(raw) - {"rules"}:
        raise InputError(
            f"{path.name} has no list of rules",
            where=f"{path}, key rules",
            remedy="begin it with `rules:` and a list, as the shipped alerts.yaml does",
        )
    rules = [_rule(entry, n, path, thresholds, containers or {}) for n, entry in enumerate(entries)]
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise _refusal(path, rule.id, "id", rule.id, "give each rule an id of its own")
        seen.add(rule.id)
    return tuple(rules)


def _rule(
    entry: Any, number: int, path: Path, thresholds: Thresholds, containers: Mapping[str, str]
) -> AlertRule:
    raw = _typed(entry, number, path)
    check = _Check(path, raw.id)
    check.words(raw)
    over, horizon = check.window(raw)
    threshold, clear = check.limits(raw, thresholds)
    return AlertRule(
        id=raw.id,
        title=raw.title,
        series=check.places("series", raw.series, containers),
        share_of=raw.share_of,
        statistic=raw.statistic,
        over=over,
        horizon=horizon,
        comparison=raw.comparison,
        threshold=threshold,
        clear=clear,
        raise_for=check.duration("for", raw.for_),
        clear_for=check.duration("clear-for", raw.clear_for),
        severity=raw.severity,
        explanation=" ".join(raw.explanation.split()),
        no_data=raw.no_data,
        failures=raw.failures,
        fewest=raw.fewest,
        unit=raw.unit,
        limit_name=raw.threshold.partition(".")[2] if isinstance(raw.threshold, str) else "",
        guide=raw.guide,
        prometheus=raw.prometheus,
    )


def _typed(entry: Any, number: int, path: Path) -> _Raw:
    """An entry with the keys and types of a rule. Raises InputError naming it by id or place."""
    name = str(entry.get("id", f"number {number + 1}")) if isinstance(entry, dict) else f"number {number + 1}"
    try:
        return msgspec.convert(entry, _Raw)
    except msgspec.ValidationError as error:
        message, _, location = str(error).partition(" - at `$")
        key = location.rstrip("`").lstrip(".")
        value = entry.get(key) if isinstance(entry, dict) and key else None
        context = f", key {key}, value {value!r}" if key else ""
        raise InputError(
            f"rule {name}: {message}{context}",
            where=f"{path}, rule {name}{f', key {key}' if key else ''}",
            remedy="the shipped alerts.yaml explains every key",
        ) from error


class _Check:
    """Looks at one rule's values."""

    def __init__(self, path: Path, rule: str) -> None:
        self._path, self._rule = path, rule

    def refusal(self, key: str, value: object, remedy: str) -> InputError:
        return _refusal(self._path, self._rule, key, value, remedy)

    def words(self, raw: _Raw) -> None:
        """Keys whose values are words of a list, and the count."""
        self.name(raw.id)
        self.one_of("statistic", raw.statistic, STATISTICS)
        self.one_of("comparison", raw.comparison, COMPARISONS)
        self.one_of("severity", raw.severity, SEVERITIES)
        self.one_of("no-data", raw.no_data, NO_DATA)
        self.one_of("failures", raw.failures, ("ignore", "worst"))
        self.one_of("unit", raw.unit, UNITS)
        if raw.fewest < 1:
            raise self.refusal("fewest", raw.fewest, "use 1 or more")

    def window(self, raw: _Raw) -> tuple[float, float]:
        """Seconds back, and seconds ahead (0 for whatever is no forecast)."""
        over, horizon = self.duration("over", raw.over), self.duration("horizon", raw.horizon)
        if over <= 0:
            raise self.refusal("over", raw.over, "use a window such as 30s, 5m or 6h")
        if (raw.statistic == "forecast") != (horizon > 0):
            raise self.refusal(
                "horizon", raw.horizon, "a forecast needs how far it looks ahead; nothing else does"
            )
        return over, horizon

    def limits(self, raw: _Raw, thresholds: Thresholds) -> tuple[float, float]:
        """Where the alert begins and where it ends, and that Prometheus's words have a place for it."""
        threshold = self.limit(raw.threshold, thresholds)
        clear = self.clear(raw.clear, threshold)
        if (clear > threshold) if raw.comparison.startswith(">") else (clear < threshold):
            raise self.refusal("clear", raw.clear, "an alert must end on the good side of its threshold")
        if raw.prometheus is not None and "{threshold}" not in raw.prometheus.expr:
            raise self.refusal(
                "prometheus.expr", raw.prometheus.expr, "write {threshold} in place of the limit"
            )
        return threshold, clear

    def name(self, value: str) -> None:
        if not NAME.fullmatch(value):
            raise self.refusal("id", value, "use small letters, digits and hyphens, such as api-latency")

    def one_of(self, key: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise self.refusal(key, value, "use one of " + ", ".join(word or "(nothing)" for word in known))

    def duration(self, key: str, value: str | float) -> float:
        found = DURATION.fullmatch(str(value).strip())
        seconds = float(found[1]) * SECONDS[found[2]] if found else -1.0
        if not 0 <= seconds <= LONGEST:
            raise self.refusal(key, value, "use a time such as 30s, 5m, 26h or 14d, at most 15d")
        return seconds

    def limit(self, value: float | str, thresholds: Thresholds) -> float:
        if not isinstance(value, str):
            return float(value)
        section, _, key = value.partition(".")
        known = msgspec.structs.asdict(thresholds)
        if section != "thresholds" or key not in known:
            names = ", ".join(f"thresholds.{name}" for name in known)
            raise self.refusal("threshold", value, f"use a number or one of {names}")
        return float(known[key])

    def clear(self, value: float | str | None, threshold: float) -> float:
        if value is None:
            return threshold
        if not isinstance(value, str):
            return float(value)
        share = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())
        if share is None:
            raise self.refusal("clear", value, "use a number, or a part of the threshold such as 80%")
        return threshold * float(share[1]) / 100

    def places(self, key: str, value: str, containers: Mapping[str, str]) -> str:
        for place in PLACE.findall(value):
            if place not in PLACES:
                raise self.refusal(key, value, "use one of " + ", ".join(f"{{{n}}}" for n in PLACES))
        # settings without such a container: the rule stays and has nothing to judge
        return PLACE.sub(lambda found: containers.get(found[1], "-" if containers else "*"), value)


def _refusal(path: Path, rule: str, key: str, value: object, remedy: str) -> InputError:
    return InputError(
        f"rule {rule}: {key} has the value {value!r}",
        where=f"{path}, rule {rule}, key {key}",
        remedy=remedy,
    )
