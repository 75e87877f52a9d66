"""The alert rules in Prometheus's words: one file that `promtool check rules` accepts.

Its second group is what Prometheus alone can tell of wsdash itself: that it does not watch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from wsdash.errors import InputError
from wsdash.watch.alerting.rules import AlertRule
from wsdash.watch.limits import SILENT_SECONDS

JOB = "wsdash"
"""The name of wsdash's own job in config/monitoring/prometheus-scrape.yml."""
PROBED = 'wsdash_newest_reading_timestamp_seconds{kind="probe"}'


def rules_of_itself() -> list[dict[str, Any]]:
    """Entries of a rules file: nothing answers as wsdash, or it answers and measures nothing.

    Warnings, not critical: that nobody watches says nothing of how the stack is. A day counts as watched with
    90 % of its minutes (timeline/spec.py), so there are two hours to put it right.
    """
    return [
        _entry(
            "WorkspaceWsdashDown",
            f'up{{job="{JOB}"}} < 1 or absent(up{{job="{JOB}"}})',
            "5m",
            "wsdash-down",
            "wsdash does not watch: nothing answers as it",
            "No `wsdash watch --metrics-port` answers where metrics.url of wsdash.yaml says. While none"
            " records, the days after the migration have a gap, and what was not watched is insufficient.",
        ),
        _entry(
            "WorkspaceWsdashBlind",
            f"time() - {PROBED} > {SILENT_SECONDS}"
            f' or (up{{job="{JOB}"}} == 1 unless on (job, instance) {PROBED})',
            "2m",
            "wsdash-blind",
            "wsdash answers and measures nothing",
            "No service was probed for minutes. Its screen says why, and engine.log in its state directory;"
            " a full disk is one reason.",
        ),
    ]


def _entry(name: str, expr: str, lasting: str, rule: str, summary: str, description: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expr,
        "for": lasting,
        "labels": {"severity": "warning", "rule": rule},
        "annotations": {"summary": summary, "description": description},
    }


HEADER = """\
# Made by `wsdash alerts export`, for Prometheus 2.42 and later: the first group from config/alerts.yaml
# (change the rules there, not here), over what wsdash's own page tells; the second one for while wsdash does
# not run; the third one about wsdash itself.
"""
VALUE, MEASURED = "wsdash_alert_value", "wsdash_alert_measured"
"""What the page tells of each alert: its statistic; and 1 where there is one, 0 where nobody measured."""
EVERY = 5
"""Seconds: how often Prometheus reads the page and judges: by two of them an alert differs from wsdash's."""
LABELS = "alert, world"
RUNS = f'up{{job="{JOB}"}} == 1'


def prometheus_rules(rules: Iterable[AlertRule], *, template: bool = False) -> str:
    """The rules file: these rules, what of them Prometheus can tell without wsdash, and rules about wsdash
    itself (itself.py). Raises InputError for a rule that cannot be said in Prometheus's words.

    template: limits that wsdash.yaml sets stay placeholders (${ALERT_API_SECONDS}), as in config/monitoring.
    """
    known = list(rules)
    groups = [
        {
            "name": "workspace-stack",
            "interval": f"{EVERY}s",
            "rules": [_judged(rule, template) for rule in known],
        },
        {
            "name": "workspace-stack-without-wsdash",
            "rules": [entry for rule in known for entry in _without_wsdash(rule, template)],
        },
        {"name": "wsdash", "rules": rules_of_itself()},
    ]
    text = yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000, allow_unicode=True)
    return HEADER + text


def untold(rules: Iterable[AlertRule]) -> list[str]:
    """Rules that nobody judges while wsdash does not run: the stack's own metrics do not say the same."""
    return [rule.id for rule in rules if rule.prometheus is None]


def alert_name(rule_id: str) -> str:
    """The alert's name in Prometheus: api-latency is WorkspaceApiLatency."""
    return "Workspace" + "".join(word.capitalize() for word in rule_id.split("-"))


def expression(rule: AlertRule, *, template: bool = False) -> str:
    """When the alert is bad, or raised and not well yet, as the judge has it (judge.py)."""
    selector = f'{{rule="{rule.id}"}}'
    value = f"max by ({LABELS}) ({VALUE}{selector})"
    firing = f'max by ({LABELS}) (ALERTS{{alertname="{alert_name(rule.id)}", alertstate="firing"}})'
    nothing = f"max by ({LABELS}) ({MEASURED}{selector}) == 0"
    parts = [f"{value} {rule.comparison} {_limit(rule, template)}"]
    if rule.clear != rule.threshold:
        parts.append(f"({value} {rule.comparison[0]} {_clear(rule, template)} and {firing})")
    match rule.no_data:
        case "hold":
            parts.append(f"({firing} and {nothing})")
        case "raise":
            parts.append(nothing)
    # while wsdash does not run nobody measures: what is raised stays raised
    parts.append(f"({firing} unless on () {RUNS})")
    return " or ".join(parts)


def _judged(rule: AlertRule, template: bool) -> dict[str, Any]:
    for key, seconds in (("for", rule.raise_for), ("clear-for", rule.clear_for)):
        if 0 < seconds < EVERY:
            raise InputError(
                f"rule {rule.id}: {key} is {seconds:g} s, and Prometheus looks every {EVERY} s: it would be"
                " raised or ended in other situations",
                where=f"alerts.yaml, rule {rule.id}, key {key}",
                remedy=f"use 0 or {EVERY}s and more",
            )
    entry: dict[str, Any] = {"alert": alert_name(rule.id), "expr": expression(rule, template=template)}
    if rule.raise_for:
        entry["for"] = _duration(rule.raise_for)
    if rule.clear_for:
        entry["keep_firing_for"] = _duration(rule.clear_for)
    about = ": {{ $labels.alert }}" if "*" in rule.series else ""
    entry["labels"] = _labels(rule)
    entry["annotations"] = {"summary": rule.title + about, "description": rule.explanation}
    return entry


def _without_wsdash(rule: AlertRule, template: bool) -> Iterator[dict[str, Any]]:
    exported = rule.prometheus
    if exported is None:
        return
    expr = exported.expr.replace("{threshold}", _limit(rule, template))
    entry: dict[str, Any] = {
        "alert": alert_name(rule.id) + "WithoutWsdash",
        "expr": f"({expr}) unless on () {RUNS}",
    }
    lasting = exported.for_ or (_duration(rule.raise_for) if rule.raise_for else "")
    if lasting:
        entry["for"] = lasting
    entry["labels"] = _labels(rule)
    entry["annotations"] = {"summary": exported.summary or rule.title, "description": rule.explanation}
    yield entry
    if exported.absent:
        yield {
            "alert": alert_name(rule.id) + "Unwatched",
            "expr": f"absent({exported.absent}) unless on () {RUNS}",
            "for": "15m",
            "labels": {"severity": "info", "rule": rule.id},
            "annotations": {"summary": f"{rule.title}: nobody tells {exported.absent}"},
        }


def _labels(rule: AlertRule) -> dict[str, str]:
    return {"severity": rule.severity, "rule": rule.id} | ({"guide": rule.guide} if rule.guide else {})


def _limit(rule: AlertRule, template: bool) -> str:
    if template and rule.limit_name:
        return "${" + rule.limit_name.upper() + "}"
    return f"{rule.threshold:.15g}"


def _clear(rule: AlertRule, template: bool) -> str:
    if template and rule.limit_name:
        return f"{rule.clear / rule.threshold:.6g} * {_limit(rule, template)}"
    return f"{rule.clear:.15g}"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{1000 * seconds:.0f}ms"
