"""What stands on top of the report: the day, what is said of it, and no good news on a bad run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.review.migrated import migrated
from tests.review.test_report_content import record, words
from wsdash.model import ItemChanged, ItemState, Outcome, TableVerified
from wsdash.review.report.blocks import BAD, GOOD, WAIT
from wsdash.review.report.build import build_report, rendered
from wsdash.review.report.form import AlertReport, DayCriterionReport, DayReport, DecisionReport, Report
from wsdash.review.report.sections import summary, verdict_lines
from wsdash.review.report.verdict import verdict
from wsdash.review.story import read_story

BEGUN = "2026-11-03T10:00:00.000+00:00"


def criterion(name: str, holds: bool | None) -> DayCriterionReport:
    return DayCriterionReport(name, holds, "seen", "wanted", 1.0)


def day(number: int, said: str, *criteria: DayCriterionReport, reached: bool = True) -> DayReport:
    due = f"2026-11-{3 + number:02d}T10:00:00.000+00:00"
    return DayReport(number, f"title {number}", "guide", due, reached, list(criteria), said)


def report(
    *days: DayReport, outcome: Outcome = Outcome.MIGRATED, alerts: list[AlertReport] | None = None
) -> Report:
    told = Report(
        "r", "offline", str(outcome), BEGUN, BEGUN, 12.0, [], [], None, [], list(days), alerts or [], []
    )
    told.verdict = verdict(told)
    return told


def look(told: Report) -> str:
    assert told.verdict is not None
    return verdict_lines(told, told.verdict)[0][1].look


def test_the_newest_day_that_has_come_is_the_verdict() -> None:
    told = report(
        day(0, "go", criterion("a", True)),
        day(1, "no-go", criterion("a", True), criterion("b", False), criterion("c", None)),
        day(3, "go", criterion("a", True), reached=False),
    )
    found = told.verdict
    assert found is not None
    assert found.headline == "Day 1, title 1: No-go. Not held: b"
    assert (found.held, found.failed, found.insufficient, found.criteria) == (1, 1, 1, 3)
    assert found.open_decisions == [0, 1]
    assert look(told) == BAD


def test_a_run_that_is_no_go_has_nothing_green_on_top() -> None:
    told = report(day(1, "no-go", criterion("b", False)))
    assert told.verdict is not None
    assert GOOD not in {cell.look for _, cell in (*verdict_lines(told, told.verdict), *summary(told))}


@pytest.mark.parametrize(
    ("told", "headline", "shown"),
    [
        (report(day(7, "go", criterion("a", True))), "Day 7, title 7: Go", GOOD),
        (
            report(day(7, "insufficient-data", criterion("a", None))),
            "Day 7, title 7: Insufficient data for: a",
            WAIT,
        ),
        (report(day(0, "go", reached=False)), "Migrated; no day after the migration has come yet", WAIT),
        (report(day(0, "go"), outcome=Outcome.FAILED), "No-go: the migration failed", BAD),
        (report(day(7, "go"), outcome=Outcome.ROLLED_BACK), "Rolled back: the old service serves", WAIT),
        (report(outcome=Outcome.INCOMPLETE), "Not migrated yet", WAIT),
    ],
)
def test_each_way_to_stand_is_said_and_only_a_go_is_green(told: Report, headline: str, shown: str) -> None:
    assert told.verdict is not None
    assert told.verdict.headline == headline
    assert look(told) == shown


def test_a_decision_against_the_evidence_stands_in_the_headline() -> None:
    one = day(7, "no-go", criterion("b", False))
    one.decision = DecisionReport(7, "go", "Ada", BEGUN, "we know why", "no-go")
    told = report(one)
    assert told.verdict is not None
    assert told.verdict.headline.endswith("Not held: b; decided go by Ada")
    assert told.verdict.open_decisions == []


def test_p1_incidents_are_critical_alerts_since_the_migration() -> None:
    def alert(at: str, severity: str) -> AlertReport:
        return AlertReport("down", at, None, None, severity=severity)

    alerts = [
        alert("2026-11-02T10:00:00.000+00:00", "critical"),
        alert("2026-11-04T10:00:00.000+00:00", "critical"),
        alert("2026-11-04T10:00:00.000+00:00", "warning"),
    ]
    told = report(day(0, "go"), day(1, "go"), alerts=alerts).verdict
    assert told is not None
    assert told.p1_incidents == 1


def test_what_an_option_ticked_nobody_confirmed(tmp_path: Path) -> None:
    run = migrated(tmp_path)
    record(run, ItemChanged("notify-team", ItemState.DONE, "nobody confirmed: --yes was said", who="--yes"))
    assert "nobody confirmed" in words(build_report(run), "What was done").splitlines()
    assert "by --yes" not in rendered(read_story(run), ".md")


def test_checksums_stand_at_the_end_in_every_form_and_times_name_their_zone(tmp_path: Path) -> None:
    run = migrated(tmp_path)
    sums = ["0123456789abcdef" * 2, "fedcba9876543210" * 2]
    record(run, TableVerified("workspace.some", 1, 1, sums[0], sums[1], False))
    for form in (".md", ".html"):
        text = rendered(read_story(run), form)
        before, _, appendix = text.partition("Appendix: checksums")
        assert all(one in appendix and one not in before for one in sums)
        assert text.index("Criteria") < text.index("Outcome") < text.index("Timeline")
    heads = [cell for line in rendered(read_story(run), ".md").splitlines() for cell in line.split(" | ")]
    assert "when" not in heads
    assert "when (UTC)" in heads
