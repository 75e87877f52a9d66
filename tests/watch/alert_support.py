"""Rules and judgements for the tests of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wsdash.model import AlertChanged
from wsdash.watch.alerting.judge import AlertJudge
from wsdash.watch.alerting.rules import AlertRule

START = 1_760_000_000.0


def rule(**changes: Any) -> AlertRule:
    """More than 10 for 5 s raises, at most 8 for 5 s ends, of the newest value of `load`."""
    basis: dict[str, Any] = {
        "id": "load",
        "title": "Load",
        "series": "load",
        "threshold": 10.0,
        "clear": 8.0,
        "raise_for": 5.0,
        "clear_for": 5.0,
    }
    return AlertRule(**(basis | changes))


def judged(
    one: AlertRule, values: Sequence[float | str | None], series: str = "load"
) -> list[tuple[int, bool]]:
    """(second, raised) of every change, with a sample a second; 'gap' is a second without one."""
    judge = AlertJudge([one])
    return [(second, change.raised) for second, change in changes(judge, values, series)]


def changes(
    judge: AlertJudge, values: Sequence[float | str | None], series: str = "load", start: float = START
) -> list[tuple[int, AlertChanged]]:
    """Every change, with the second in which it came."""
    found = []
    for second, value in enumerate(values):
        if not isinstance(value, str):
            judge.add(series, start + second, value)
        found += [(second, change) for change in judge.step(start + second)]
    return found
