"""The alert rules in Prometheus's words: one file that `promtool check rules` accepts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from wsdash.watch.alerting.itself import rules_of_itself
from wsdash.watch.alerting.rules import AlertRule

HEADER = """\
# Made by `wsdash alerts export`: the first group from config/alerts.yaml (change the rules there, not here),
# the second one is about wsdash itself.
"""


def prometheus_rules(rules: Iterable[AlertRule], *, template: bool = False) -> str:
    """The rules file: these rules, and those about wsdash itself (itself.py). Rules that no metric of the
    stack can tell of are left out; see `untold`.

    template: limits that wsdash.yaml sets stay placeholders (${ALERT_API_SECONDS}), as in config/monitoring.
    """
    group: dict[str, Any] = {"name": "workspace-stack", "rules": []}
    for rule in rules:
        group["rules"] += _entries(rule, _limit(rule, template))
    groups = [group, {"name": "wsdash", "rules": rules_of_itself()}]
    text = yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000, allow_unicode=True)
    return HEADER + text


def untold(rules: Iterable[AlertRule]) -> list[str]:
    """Rules that only wsdash can judge: no metric of the stack says what they are about."""
    return [rule.id for rule in rules if rule.prometheus is None]


def alert_name(rule_id: str) -> str:
    """The alert's name in Prometheus: api-latency is WorkspaceApiLatency."""
    return "Workspace" + "".join(word.capitalize() for word in rule_id.split("-"))


def _limit(rule: AlertRule, template: bool) -> str:
    if template and rule.limit_name:
        return "${" + rule.limit_name.upper() + "}"
    return f"{rule.threshold:.15g}"


def _entries(rule: AlertRule, limit: str) -> list[dict[str, Any]]:
    told = rule.prometheus
    if told is None:
        return []
    labels = {"severity": rule.severity, "rule": rule.id} | ({"guide": rule.guide} if rule.guide else {})
    entry: dict[str, Any] = {"alert": alert_name(rule.id), "expr": told.expr.replace("{threshold}", limit)}
    lasting = told.for_ or (_duration(rule.raise_for) if rule.raise_for else "")
    if lasting:
        entry["for"] = lasting
    entry["labels"] = labels
    entry["annotations"] = {"summary": told.summary or rule.title, "description": rule.explanation}
    if not told.absent:
        return [entry]
    unwatched = {
        "alert": alert_name(rule.id) + "Unwatched",
        "expr": f"absent({told.absent})",
        "for": "15m",
        "labels": {"severity": "info", "rule": rule.id},
        "annotations": {"summary": f"{rule.title}: nobody tells {told.absent}"},
    }
    return [entry, unwatched]


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"
