"""What a person must see at once, and what may wait for the screen's next second. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wsdash.model import ContainerReading, LogLine
from wsdash.model.fold import RunView
from wsdash.tui.loglines import own_probe
from wsdash.tui.viewstate import LatencySample, ViewState

_COUNTERS = {"run", "seen_at", "reported_at", "last_at", "heartbeat", "past"}
_MEASURES = {"containers", "rows", "latency", "host", "timeline", "metrics_missing", "ports", "branches"}
_AT_ONCE = tuple(name for name in ViewState.__struct_fields__ if name not in _COUNTERS | _MEASURES)
_OF_THE_RUN = tuple(name for name in RunView.__struct_fields__ if name != "seq")


def is_news(before: ViewState, now: ViewState) -> bool:
    """Whether anything happened between the two; a reading that is much like the one before it is no news."""
    if now is before:
        return False
    return (
        _differ(before, now, _AT_ONCE)
        or _differ(before.run, now.run, _OF_THE_RUN)
        or any(_first(before, now, name) for name in _MEASURES)
        or _otherwise(before.containers, now.containers, _standing)
        or _otherwise(before.latency, now.latency, _answers)
        or (now.heartbeat is not None and _revived(before, now))
    )


def pressing_lines(lines: Iterable[LogLine]) -> bool:
    """Whether any of the lines is one that the log pane shows without being asked."""
    return any(not own_probe(line) for line in lines)


def _differ(before: object, now: object, names: Iterable[str]) -> bool:
    for name in names:
        old, new = getattr(before, name), getattr(now, name)
        if old is not new and old != new:
            return True
    return False


def _first(before: ViewState, now: ViewState, name: str) -> bool:
    """Whether something is read of that kind that was not read before."""
    old, new = getattr(before, name), getattr(now, name)
    if isinstance(new, dict):
        return old is not new and old.keys() != new.keys()
    return bool(new) and not old


def _otherwise(before: Mapping[str, Any], now: Mapping[str, Any], look: Any) -> bool:
    return before is not now and any(
        name not in before or (before[name] is not new and look(before[name]) != look(new))
        for name, new in now.items()
    )


def _standing(reading: ContainerReading) -> tuple[object, ...]:
    return reading.state, reading.health, reading.restarts, reading.started_at, reading.instance


def _answers(samples: tuple[LatencySample, ...]) -> bool:
    return bool(samples) and samples[-1].seconds is not None


def _revived(before: ViewState, now: ViewState) -> bool:
    """Whether another engine gives signs of life, or the first one at all."""
    old, new = before.heartbeat, now.heartbeat
    return new is not None and (old is None or (old.pid, old.host) != (new.pid, new.host))
