"""What Prometheus tells of wsdash itself, which wsdash cannot: that it does not watch. Judged there only."""

from __future__ import annotations

from typing import Any

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
