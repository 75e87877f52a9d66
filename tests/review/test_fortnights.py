"""Six fortnights, lived on a virtual clock, one also by an engine: each ends as it is to be judged."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.review.days_in_memory import DaysInMemory
from tests.review.migrated import lived
from wsdash.demo.days.fortnight import FortnightScript
from wsdash.engine.journal.writer import JournalReader
from wsdash.model import ItemChanged, ItemState, Notice, TimelineJudged
from wsdash.review.report.build import build_report
from wsdash.tui.state.viewstate import fold_all as fold_view

GO, NO_GO, INSUFFICIENT = "go", "no-go", "insufficient-data"

WANTED = {
    "good": {0: GO, 1: GO, 3: GO, 7: GO, 14: GO},
    "slow-api": {0: GO, 1: GO, 3: NO_GO, 7: NO_GO, 14: NO_GO},
    "error-burst": {0: GO, 1: GO, 3: GO, 7: NO_GO, 14: NO_GO},
    "restarts": {0: GO, 1: NO_GO, 3: NO_GO, 7: NO_GO, 14: NO_GO},
    "disk-fills": {0: GO, 1: GO, 3: GO, 7: GO, 14: NO_GO},
    "gap": {0: GO, 1: GO, 3: GO, 7: INSUFFICIENT, 14: INSUFFICIENT},
}
SUSPECTS = {
    "slow-api": {"api-latency", "team-comfortable", "go-recorded"},
    "error-burst": {"error-rate", "go-recorded"},
    "restarts": {"no-p1-incidents", "no-restarts", "api-answers", "go-recorded"},
    "disk-fills": {"disk", "no-p1-incidents"},
}
ALERTS = {
    "good": set[str](),
    "slow-api": {"api-latency"},
    "error-burst": {"error-rate"},
    "restarts": {"container-restarts", "target-down", "api-latency"},
    "disk-fills": {"disk", "disk-forecast"},
    "gap": set[str](),
}


@pytest.mark.parametrize("name", WANTED)
async def test_a_fortnight_is_recommended_as_it_went(name: str) -> None:
    days = DaysInMemory(FortnightScript(name))
    judged = await days.live()
    assert {day.day: day.recommendation for day in judged.days} == WANTED[name]
    broken = {one.id for day in judged.days for one in day.criteria if one.holds is False}
    assert broken <= SUSPECTS.get(name, set())
    weighty = {span.rule for span in days.alerts if span.severity != "info"}
    assert weighty <= ALERTS[name]
    assert bool(weighty) == bool(ALERTS[name])
    decided = {made.day: (made.go, made.recommendation) for _, made in days.story.decisions}
    told = {day: (word == GO, word) for day, word in WANTED[name].items() if day != 14}
    assert decided == {day: said for day, said in told.items() if said[1] != INSUFFICIENT}
    if name == "gap":
        _gap_is_told(judged)


async def test_days_after_an_online_move_are_recommended_with_its_relay() -> None:
    judged = await DaysInMemory(FortnightScript("good"), relay="workspace-api-relay").live()
    assert {day.day: day.recommendation for day in judged.days} == WANTED["good"]


async def test_the_engine_lives_a_fortnight_to_its_end(tmp_path: Path) -> None:
    state = await asyncio.to_thread(lived, tmp_path, FortnightScript("good"))
    report: dict[str, Any] = msgspec.to_builtins(build_report(state))
    days = {day["day"]: day for day in report["timeline"]}
    assert {number: day["recommendation"] for number, day in days.items()} == WANTED["good"]
    assert all(day["reached"] for day in days.values())
    assert [alert for alert in report["alerts"] if alert["severity"] != "info"] == []
    decisions = {made["day"]: made for made in report["decisions"]}
    assert {day: made["decision"] for day, made in decisions.items()} == {0: GO, 1: GO, 3: GO, 7: GO}
    began, decided = (datetime.fromisoformat(at) for at in (report["started_at"], decisions[7]["at"]))
    assert (decided - began).total_seconds() == pytest.approx(7 * 86_400, abs=600)
    _monitored(state)
    _over_is_told(state)


def _gap_is_told(judged: TimelineJudged) -> None:
    latency = next(one for one in judged.days[-1].criteria if one.id == "api-latency")
    assert latency.holds is None
    assert latency.coverage == pytest.approx(12 / 14, abs=0.01)
    assert "2 of 14 × 24 h watched too little" in latency.measured


def _monitored(state: Path) -> None:
    reader = JournalReader(state)
    try:
        events = [recorded.event for recorded in reader.history()]
    finally:
        reader.close()
    done = [e for e in events if isinstance(e, ItemChanged) and e.item == "monitor-24h"]
    assert [e.state for e in done] == [ItemState.DONE]
    assert "without an alert, 100% of the minutes watched" in done[0].evidence


def _over_is_told(state: Path) -> None:
    """When the days are over the run's time goes on from there, and every screen says so."""
    reader = JournalReader(state)
    view = fold_view(reader.events(0, 1_000_000))
    reader.close()
    assert view.run.passing is not None
    assert view.run.passing.over
    last = view.notices[-1].event
    assert isinstance(last, Notice)
    assert last.text.startswith("the fortnight good is over: from here on the world itself is read")
