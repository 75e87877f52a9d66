"""Each day is judged by what was stored: what was measured, over which window, with which coverage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.timeline.support import BEGAN, at_day, calm, criterion, lived, migrated, recommendations
from wsdash.history.reader import HistoryReader
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ContainerRestarted,
    CriterionConfirmed,
    DecisionRecorded,
    ItemChanged,
    ItemState,
)
from wsdash.timeline.evidence import DAY

HOUR = 3600.0
COMFORTABLE: tuple[float, AnyEvent] = (2.5 * DAY, CriterionConfirmed("team-comfortable", True, "Ana"))


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> HistoryReader:
    return lived(tmp_path_factory.mktemp("calm") / "history.db", 3)


def test_day_0_is_go_when_all_tests_passed_and_no_row_was_lost() -> None:
    assert recommendations(at_day(migrated(), None, 0))[0] == "go"


def test_day_0_is_no_go_when_a_table_differs() -> None:
    judged = at_day(migrated(match=False), None, 0)
    assert recommendations(judged)[0] == "no-go"
    assert criterion(judged, 0, "zero-data-loss").measured == "0 of 1 tables equal by content"


def test_calm_days_are_go(three_days: HistoryReader) -> None:
    found = recommendations(at_day(migrated(COMFORTABLE), three_days, 3))
    assert (found[1], found[3]) == ("go", "go")


def test_a_day_that_has_not_come_is_never_a_pass(three_days: HistoryReader) -> None:
    found = recommendations(at_day(migrated(COMFORTABLE), three_days, 3))
    assert (found[7], found[14]) == ("insufficient-data", "insufficient-data")


def test_without_any_sample_every_later_day_is_insufficient() -> None:
    found = recommendations(at_day(migrated(), None, 14))
    assert set(found.values()) == {"go", "insufficient-data"}
    assert found[0] == "go"


def test_before_the_migration_nothing_is_told() -> None:
    from wsdash.timeline.story import Story

    assert set(recommendations(at_day(Story(), None, 0)).values()) == {"insufficient-data"}


def test_the_team_must_say_that_it_is_comfortable(three_days: HistoryReader) -> None:
    silent = at_day(migrated(), three_days, 3)
    assert recommendations(silent)[3] == "insufficient-data"
    uneasy = CriterionConfirmed("team-comfortable", False, "Ana", "the lists feel slow")
    judged = at_day(migrated((2.5 * DAY, uneasy)), three_days, 3)
    assert recommendations(judged)[3] == "no-go"
    assert "the lists feel slow" in criterion(judged, 3, "team-comfortable").measured


def test_one_slow_day_does_not_drown_in_fast_ones(tmp_path: Path) -> None:
    def slow(at: float) -> float:
        return 0.4 if 1.2 * DAY < at < 1.4 * DAY else calm(at)

    judged = at_day(migrated(COMFORTABLE), lived(tmp_path / "history.db", 3, latency=slow), 3)
    assert recommendations(judged)[1] == "go"
    found = criterion(judged, 3, "api-latency")
    assert found.holds is False
    assert "24 h no. 2" in found.measured
    assert "200 ms" in found.threshold


def test_a_day_watched_too_little_is_insufficient_and_says_so(tmp_path: Path) -> None:
    history = lived(tmp_path / "history.db", 3, watched=lambda at: not DAY < at < DAY + 4 * HOUR)
    judged = at_day(migrated(COMFORTABLE), history, 3)
    found = criterion(judged, 3, "api-latency")
    assert recommendations(judged)[1] == "go"
    assert recommendations(judged)[3] == "insufficient-data"
    assert found.holds is None
    assert found.coverage == pytest.approx(68 / 72, abs=0.01)
    assert "1 of 3 × 24 h watched too little (first: 24 h no. 2, 83% of the minutes" in found.measured


def test_two_minutes_without_anybody_looking_are_forgiven(tmp_path: Path) -> None:
    history = lived(tmp_path / "history.db", 1, watched=lambda at: not HOUR < at < HOUR + 150)
    assert recommendations(at_day(migrated(), history, 1))[1] == "go"


def test_a_hole_is_not_what_the_tolerance_is_for(tmp_path: Path) -> None:
    history = lived(tmp_path / "history.db", 1, watched=lambda at: not HOUR <= at < 3 * HOUR + 1200)
    judged = at_day(migrated(), history, 1)
    assert recommendations(judged)[1] == "insufficient-data"
    latency, downtime = (criterion(judged, 1, name) for name in ("api-latency", "no-downtime"))
    assert (latency.coverage or 0) > 0.9
    assert "nobody looked for 2 h 20 min, at most 15 min may pass" in latency.measured
    assert (downtime.holds, "0 s down; nobody looked for 2 h 20 min" in downtime.measured) == (None, True)


@pytest.mark.parametrize(("slow_share", "holds"), [(0.07, None), (0.12, False)])
def test_a_day_seen_by_three_fifths_is_bad_only_where_the_rest_could_not_mend_it(
    tmp_path: Path, slow_share: float, holds: bool | None
) -> None:
    seen = 0.6 * DAY  # 7 % of it are 4.2 % of the day, and its 95 % could be fast; 12 % are 7.2 %
    history = lived(
        tmp_path / "history.db",
        1,
        latency=lambda at: 0.4 if at < slow_share * seen else calm(at),
        watched=lambda at: at < seen,
    )
    assert criterion(at_day(migrated(), history, 1), 1, "api-latency").holds is holds


def test_a_bad_day_is_bad_however_little_else_was_watched(tmp_path: Path) -> None:
    history = lived(tmp_path / "history.db", 2, latency=lambda at: 0.5, watched=lambda at: at < DAY)
    assert criterion(at_day(migrated(), history, 3), 3, "api-latency").holds is False


def test_an_alert_in_the_window_is_an_incident(three_days: HistoryReader) -> None:
    raised = AlertChanged("target-down", True, "no answer", BEGAN + 5 * HOUR, severity="critical")
    ended = AlertChanged("target-down", False, "well again", BEGAN + 6 * HOUR)
    judged = at_day(migrated((5 * HOUR, raised), (6 * HOUR, ended)), three_days, 3)
    assert recommendations(judged)[1] == "no-go"
    assert criterion(judged, 1, "no-p1-incidents").measured == "1: target-down"


def test_an_alert_that_ended_before_the_migration_is_not_counted(three_days: HistoryReader) -> None:
    raised = AlertChanged("target-down", True, "the old service", BEGAN - 200, severity="critical")
    ended = AlertChanged("target-down", False, "well again", BEGAN - 100)
    judged = at_day(migrated((-200.0, raised), (-100.0, ended)), three_days, 3)
    assert recommendations(judged)[1] == "go"


@pytest.mark.parametrize(
    ("seen", "holds", "measured"),
    [
        ([(5 * HOUR, "")], False, "workspace-db-compute: 1"),
        ([(5 * HOUR, ""), (6 * HOUR, "Ana")], False, "workspace-db-compute: 1, 1 asked for"),
        ([(5 * HOUR, "Ana")], True, "0, 1 asked for, in 4 containers"),
        ([(-20.0, ""), (DAY + 1, "")], True, "0, in 4 containers"),
    ],
)
def test_restarts_are_counted_as_they_were_seen_but_for_those_asked_for(
    three_days: HistoryReader, seen: list[tuple[float, str]], holds: bool, measured: str
) -> None:
    events = [(at, ContainerRestarted("workspace-db-compute", "started anew", who)) for at, who in seen]
    found = criterion(at_day(migrated(*events), three_days, 3), 1, "no-restarts")
    assert (found.holds, found.measured) == (holds, measured)


def test_probes_without_an_answer_are_no_answer(tmp_path: Path) -> None:
    def flaky(at: float) -> float | None:
        return None if at % 6000 == 0 else calm(at)

    found = criterion(
        at_day(migrated(), lived(tmp_path / "history.db", 1, latency=flaky), 1), 1, "api-answers"
    )
    assert found.holds is False
    assert found.threshold == "≤ 0.20% of probes unanswered in every 24 h"


def test_a_rollback_begins_the_timeline_anew() -> None:
    story = migrated((HOUR, ItemChanged("test-api", ItemState.UNDONE)))
    assert story.migrated_at is None
    assert recommendations(at_day(story, None, 3))[0] == "insufficient-data"


def test_an_item_proven_again_does_not_move_the_days() -> None:
    again = (
        (HOUR, ItemChanged("test-api", ItemState.RUNNING)),
        (HOUR, ItemChanged("test-api", ItemState.DONE)),
    )
    assert migrated(*again).migrated_at == BEGAN


def test_the_newest_decision_counts() -> None:
    no = DecisionRecorded(7, False, "Ana", "too slow", "no-go")
    yes = DecisionRecorded(7, True, "Bruno", "fixed since", "no-go")
    judged = at_day(migrated((7 * DAY, no)), None, 14)
    assert criterion(judged, 14, "go-recorded").holds is False
    judged = at_day(migrated((7 * DAY, no), (8 * DAY, yes)), None, 14)
    found = criterion(judged, 14, "go-recorded")
    assert (found.holds, found.who) == (True, "Bruno")


def test_the_board_has_the_guides_three_lists(three_days: HistoryReader) -> None:
    board = at_day(migrated(), three_days, 3).board
    assert {name: [found.title for found in list_] for name, list_ in board.items()} == {
        "technical": [
            "All 4 containers running and healthy",
            "API response time ≤ 200ms (p95)",
            "Zero data loss",
            "Database branching functional",
        ],
        "operational": [
            "Team can start/stop stack independently",
            "Monitoring integrated",
            "Documentation complete",
            "Rollback tested",
        ],
        "business": ["No user-facing downtime", "All features working", "Performance maintained or improved"],
    }


def test_performance_is_compared_with_the_old_service(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    from wsdash.history.store import HistoryWriter

    writer = HistoryWriter.open(path)
    for second in range(300):
        writer.add("latency:api-old", BEGAN - 300 + second, 0.020)
    writer.flush()
    writer.close()
    story = migrated()
    slower = {c.id: c for c in at_day(story, lived(path, 0.5), 0.5).board["business"]}["performance-kept"]
    assert slower.holds is False
    assert slower.measured == "20 ms before, 40 ms in 24 h no. 1"


def test_a_handful_of_answers_of_the_old_service_is_no_comparison(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    from wsdash.history.store import HistoryWriter

    writer = HistoryWriter.open(path)
    for second in range(8):
        writer.add("latency:api-old", BEGAN - 300 + second, 0.9)
    writer.flush()
    writer.close()
    kept = {c.id: c for c in at_day(migrated(), lived(path, 0.5), 0.5).board["business"]}["performance-kept"]
    assert kept.holds is None
    assert kept.measured == "8 answers of the old service, wanted 100; no load test of the old one"
