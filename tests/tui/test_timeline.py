"""The panel of the fourteen days, at every size, for whoever looks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.tui.support import SIZES, halfway, recorded, stage, started
from wsdash.engine.journal import Heartbeat
from wsdash.model import (
    AnyEvent,
    CriterionFound,
    DayFound,
    DecisionRecorded,
    LatencyReading,
    Liveness,
    SourceState,
    TimelineJudged,
    TimePassing,
)
from wsdash.tui.standing import Engine, engine_standing, freshness
from wsdash.tui.viewstate import fold_all, run_time

DAY = 86_400.0


def judged() -> TimelineJudged:
    """Day 5 of a run with a slow second day."""
    begun = time.time() - 5 * DAY
    slow = CriterionFound("api-latency", False, "878 ms in 24 h no. 2", "≤ 200 ms", "API response time", 1.0)
    unseen = CriterionFound("disk", None, "nothing measured", "≤ 80 %", "Disk usage", 0.4)
    fine = CriterionFound("zero-data-loss", True, "4 of 4 tables equal", "equal", "Zero data loss")
    days = (
        DayFound(0, "Migration", "All tests pass, zero data loss", "go", (fine,), begun),
        DayFound(3, "Review", "API latency ≤ 200ms", "no-go", (slow,), begun + 3 * DAY),
        DayFound(14, "Final Review", "Approve", "insufficient-data", (unseen,), begun + 14 * DAY),
    )
    return TimelineJudged(begun, days, {"technical": (fine,), "business": (unseen,)})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("role", ["operator", "monitor"])
async def test_the_days_are_shown_with_what_was_measured(
    tmp_path: Path, size: tuple[int, int], role: str
) -> None:
    events: list[AnyEvent] = [*halfway(), judged(), DecisionRecorded(3, False, "Ana", "too slow", "no-go")]
    async with stage(tmp_path, *events, size=size, role=role) as on:
        await on.press("y")
        text = on.text()
        for word in ("Day 5.0", "Migration", "✓ go", "✗ no-go", "878 ms", "no-go by Ana", "to come"):
            assert word in text, word


async def test_before_the_engine_judged_it_is_said_so(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("y")
        assert "waiting for the engine to judge it" in on.text()


async def test_before_the_migration_ended_no_day_has_begun(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), TimelineJudged(None, (), {})) as on:
        await on.press("y")
        assert "The days begin when the migration has ended." in on.text()


def test_ages_are_told_in_the_machines_seconds_when_time_runs_faster() -> None:
    machine = 1_000_000.0
    events: list[AnyEvent] = [
        started(),
        TimePassing(3600.0, machine, machine, "good"),
        SourceState("latency:api-new", Liveness.LIVE),
        LatencyReading("api-new", 0.01),
    ]
    view = fold_all(recorded(*events, at=machine + 7200))
    beat = Heartbeat(1, "h", machine + 2.5, "", 0.0)
    view = type(view)(**{name: getattr(view, name) for name in view.__struct_fields__} | {"heartbeat": beat})
    now = run_time(view, machine + 3.0)
    assert now == machine + 3 * 3600
    assert engine_standing(view, now) is Engine.LIVE
    assert freshness(view, "latency:api-new", now).live
    later = run_time(view, machine + 60.0)
    assert engine_standing(view, later) is Engine.GONE
    assert not freshness(view, "latency:api-new", later).live
