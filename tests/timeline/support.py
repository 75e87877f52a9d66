"""A migrated run and days of samples in a real history store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wsdash.config import Thresholds
from wsdash.history.reader import HistoryReader
from wsdash.history.store import HistoryWriter
from wsdash.model import (
    AnyEvent,
    CriterionFound,
    ItemChanged,
    ItemState,
    Phase,
    Recorded,
    RunStarted,
    TableVerified,
    TimelineJudged,
)
from wsdash.plan import load_plan
from wsdash.timeline.evidence import DAY, SampleEvidence
from wsdash.timeline.judge import judge
from wsdash.timeline.spec import load_timeline
from wsdash.timeline.story import Story, fold_story

BEGAN = 1_800_000_000.0
"""When the migration ended."""
PLAN = load_plan()
SPEC = load_timeline()

CONTAINERS = ("workspace-api", "workspace-db-compute", "workspace-db-pageserver", "workspace-db-safekeeper")

Value = Callable[[float], float | None]
"""Seconds since the migration -> a sample's value; None: the probe failed."""


def recorded(*events: tuple[float, AnyEvent]) -> list[Recorded]:
    """Events, each with its seconds since the migration."""
    return [Recorded(n, BEGAN + at, event) for n, (at, event) in enumerate(events, 1)]


def migrated(*more: tuple[float, AnyEvent], match: bool = True) -> Story:
    """A run whose migration ended at BEGAN, and what came afterwards."""
    events: list[tuple[float, AnyEvent]] = [(-300.0, RunStarted("run", "offline", "h", 1, False, "demo"))]
    for item in PLAN.items:
        if item.phase is not Phase.POST:
            events.append((0.0, ItemChanged(item.id, ItemState.DONE, f"{item.id} holds", 1.0)))
    for test in PLAN.tests:
        events.append((0.0, ItemChanged(test.id, ItemState.DONE, f"{test.id} holds", 1.0)))
    events.append((0.0, TableVerified("workspace.workspace_items", 10, 10, "a", "a", match)))
    return fold_story(recorded(*events, *more), PLAN)


def calm(at: float) -> float:
    """A fast API."""
    return 0.040 + 0.000001 * (at % 7)


def lived(
    path: Path,
    days: float,
    left_out: Sequence[str] = (),
    *,
    latency: Value = calm,
    watched: Callable[[float], bool] = lambda at: True,
    **series: Value,
) -> HistoryReader:
    """One sample a minute of every series; series: name with `__` for `:` and `_` for `-`."""
    values: dict[str, Value] = {
        "latency:api-new": latency,
        "errors:workspace-api": lambda at: 0.0,
        **{f"health:{name}": lambda at: 1.0 for name in CONTAINERS},
        **{f"restarted:{name}": lambda at: 0.0 for name in CONTAINERS},
        "disk:percent": lambda at: 50.0,
        "memory:stack": lambda at: 5e8,
    }
    values |= {name.replace("__", ":").replace("_", "-"): value for name, value in series.items()}
    for name in left_out:
        del values[name]
    writer = HistoryWriter.open(path)
    for minute in range(int(days * 1440)):
        at = minute * 60.0
        if watched(at):
            for name, value in values.items():
                writer.add(name, BEGAN + at, value(at))
    writer.flush()
    writer.close()
    return HistoryReader(path)


def at_day(story: Story, history: HistoryReader | None, day: float) -> TimelineJudged:
    """The timeline as it stands so many days after the migration."""
    now = BEGAN + day * DAY
    evidence = SampleEvidence(history, now) if history is not None else None
    return judge(SPEC, story, evidence, Thresholds(), now)


def recommendations(judged: TimelineJudged) -> dict[int, str]:
    """Day -> recommendation."""
    return {day.day: day.recommendation for day in judged.days}


def criterion(judged: TimelineJudged, day: int, name: str) -> CriterionFound:
    """One criterion of one day."""
    of_day = next(found for found in judged.days if found.day == day)
    return next(found for found in of_day.criteria if found.id == name)
