"""What the report says in all of its forms: latencies, tests, loads, alerts; what is lacking is said."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.review.migrated import migrated
from wsdash.engine.journal.redact import Redactor
from wsdash.engine.journal.writer import Journal
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import (
    AlertAcknowledged,
    AlertChanged,
    AnyEvent,
    DecisionRecorded,
    Downtime,
    ItemChanged,
    ItemState,
    LoadRung,
    LoadTested,
    OldPortClient,
    OldPortClients,
)
from wsdash.review.report.blocks import Cell
from wsdash.review.report.build import build_report, rendered
from wsdash.review.report.folder import write_folder
from wsdash.review.report.form import Report
from wsdash.review.report.render import literal
from wsdash.review.report.sections import sections, verdict_lines
from wsdash.review.report.verdict import latencies
from wsdash.review.story import read_story
from wsdash.timeline.evidence import FEWEST

FORMS = (".md", ".html", ".json")
STEP = 5.0
"""Seconds between two samples: windows of many minutes, so that a minute cut off at an edge weighs little."""
SECRET = "tr0ub4dor&3 <x>"


def record(state: Path, *events: AnyEvent) -> None:
    """Write events as if nothing stood between them and the journal."""

    async def write() -> None:
        journal = Journal.open(state)
        journal.redactor = Redactor()
        for event in events:
            await journal.record(event)
        await journal.close()

    asyncio.run(write())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return migrated(tmp_path)


def words(report: Report, title: str) -> str:
    """All that one section says."""
    section = next(section for section in sections(report) if section.title == title)
    lines = [*section.lead]
    for part in (section, *section.below):
        lines += [part.title, *part.lead]
        cells: list[Cell] = [cell for grid in part.grids for row in grid.rows for cell in row]
        lines += [cell.text for cell in cells]
    return "\n".join(lines)


def _samples(state: Path, series: str, values: list[float], until: float) -> None:
    writer = HistoryWriter.open(state / FILE)
    for number, value in enumerate(reversed(values)):
        writer.add(series, until - 0.5 - number * STEP, value)
    writer.close()


def _measured(state: Path, old: list[float], new: list[float]) -> None:
    """The old API's answers up to its stop, and the new one's from the migration on, one every STEP."""
    known = read_story(state)
    begun, migrated_at = known.story.started_at, known.judged.migrated_at
    assert begun is not None
    assert migrated_at is not None
    stopped = begun + len(old) * STEP
    record(state, Downtime(False, stopped, stopped + 5))
    _samples(state, "latency:api-old", old, stopped)
    _samples(state, "latency:api-new", new, migrated_at + len(new) * STEP)


def test_latencies_are_those_of_the_samples_within_one_per_cent(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded = random.Random(5)
    old = [seeded.uniform(0.02, 0.2) for _ in range(400)]
    new = [seeded.uniform(0.01, 0.1) for _ in range(400)]
    _measured(run, old, new)
    migrated_at = read_story(run).judged.migrated_at
    assert migrated_at is not None
    monkeypatch.setattr("wsdash.review.story.time.time", lambda: migrated_at + 400 * STEP)
    told = latencies(read_story(run))
    for row, values in zip(told.windows, (old, new), strict=True):
        exact = sorted(values)
        assert row.samples == 400
        assert row.coverage > 0.9
        assert row.lacking == ""
        for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            assert getattr(row, name) == pytest.approx(exact[int(q * 399)], rel=0.02)
    assert told.ratios is not None
    assert told.ratios["p50"] == pytest.approx(0.5, rel=0.15)
    report = build_report(run)
    assert "p50 0." in words(report, "Latencies before and after")
    assert "new API, first 24 hours" in rendered(read_story(run), ".html")


def test_too_few_answers_are_insufficient_and_nothing_is_compared(run: Path) -> None:
    _measured(run, [0.02] * 5, [0.02] * 5)
    told = latencies(read_story(run))
    assert told.ratios is None
    assert f"5 answers, wanted {FEWEST}" in told.verdict
    assert told.verdict.startswith("insufficient data")


def test_a_window_that_was_watched_too_little_is_insufficient(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _measured(run, [0.02] * 200, [0.02] * 200)
    migrated_at = read_story(run).judged.migrated_at
    assert migrated_at is not None
    monkeypatch.setattr("wsdash.review.story.time.time", lambda: migrated_at + 86_400 * 3)
    told = latencies(read_story(run))
    assert [row.window for row in told.windows if row.api == "new"] == [
        "first 24 hours",
        "newest 24 hours",
        "all 3 days",
    ]
    assert "of its minutes were watched, wanted 90%" in told.verdict


@pytest.mark.parametrize("form", FORMS)
def test_what_was_not_measured_is_said_not_left_blank(run: Path, form: str) -> None:
    text = rendered(read_story(run), form).lower()
    if form == ".json":
        report = json.loads(text)
        assert report["latencies"]["verdict"].startswith("insufficient data")
        assert report["branching"]["proven"] is None
        assert report["load_test"] == []
    else:
        assert "insufficient data: no load test was run" in text
        assert "insufficient data: no branch was made" in text
        assert "not tried yet" in text
        assert "none was raised" in text
        assert "none was recorded" in text


def _rung(clients: int, p95: float) -> LoadRung:
    return LoadRung(clients, 300, 0, 100.0, p95 / 2, p95, p95, p95)


@pytest.mark.parametrize("form", [".md", ".html"])
def test_the_load_test_stands_beside_its_baseline(run: Path, form: str) -> None:
    baseline = LoadTested("baseline", "http://old", "read", (_rung(1, 0.04), _rung(8, 0.2)))
    new = LoadTested("new", "http://new", "read", (_rung(1, 0.01), _rung(8, 0.3)))
    record(run, baseline, new, LoadTested("new", "http://new", "mixed", (_rung(1, 0.02),)))
    text = rendered(read_story(run), form)
    for word in ("0.25x", "1.50x", "80 % reads", "old API before", "http://new"):
        assert word in text, word


def test_a_load_test_without_a_baseline_says_so(run: Path) -> None:
    record(run, LoadTested("new", "http://new", "read", (_rung(1, 0.01),)))
    told = words(build_report(run), "Load test")
    assert "Not measured (reads): the old API before the migration." in told
    assert "Insufficient data: both sides were not measured" in told


def test_a_load_test_of_the_old_api_alone_says_that_the_new_one_is_lacking(run: Path) -> None:
    record(run, LoadTested("baseline", "http://old", "read", (_rung(1, 0.04),)))
    told = words(build_report(run), "Load test")
    assert "Not measured (reads): the new API." in told


def test_alerts_tell_from_to_worst_and_who_looked_after_them(run: Path) -> None:
    raised = AlertChanged(
        "api-latency", True, "API slow", 1_760_000_000.0, "api-latency/api-new", worst=0.994
    )
    acknowledged = AlertAcknowledged("api-latency/api-new", "Ana", "looking")
    ended = AlertChanged("api-latency", False, "", 1_760_000_600.0, "api-latency/api-new", worst=0.994)
    open_one = AlertChanged("disk", True, "full", 1_760_000_700.0, "disk", severity="critical", worst=91.0)
    record(run, raised, acknowledged, ended, open_one)
    told = words(build_report(run), "Alerts")
    for word in ("2025-10-09 08:53", "2025-10-09 09:03", "994 ms", "by Ana: looking", "goes on", "by nobody"):
        assert word in told, word
    alert = json.loads(rendered(read_story(run), ".json"))["alerts"][0]
    assert alert["worst"] == 0.994
    assert alert["acknowledged_by"] == "Ana"
    assert alert["to"].startswith("2025-10-09T09:03")


def test_every_test_of_the_checklist_is_told_with_what_was_seen(run: Path) -> None:
    hour = ItemChanged("test-no-errors", ItemState.INSUFFICIENT, "insufficient data: 3 of 60 minutes")
    record(run, ItemChanged("test-kanban", ItemState.DONE, "confirmed by Ana: dragged it", who="Ana"), hour)
    told = words(build_report(run), "Testing checklist")
    assert "1 of 15 hold, 0 failed; insufficient data for 1" in told
    assert "? insufficient data" in told
    assert "confirmed by Ana: dragged it" in told
    assert told.count("not tried yet") == 13


def test_who_when_and_on_which_evidence_is_told_of_every_item(run: Path) -> None:
    report = build_report(run)
    assert all(item.at for item in report.items if item.state == "done")
    told = words(report, "What was done")
    for word in ("4 of 4 files", "--yes", "wsdash", "Migration Steps"):
        assert word in told
    assert report.hosts


def test_a_report_that_is_being_written_says_of_its_item_that_it_is_the_report(run: Path) -> None:
    record(run, ItemChanged("update-docs", ItemState.RUNNING))
    report = build_report(run)
    item = next(item for item in report.items if item.id == "update-docs")
    criterion = next(one for one in report.criteria if one.id == "documentation-complete")
    assert item.evidence == criterion.measured
    assert item.evidence.startswith("this report")
    assert criterion.holds is None


def _told_secret(state: Path) -> None:
    rung = LoadRung(1, 1, 1, 1.0, 0.1, 0.1, 0.1, 0.1, first_error=f"refused: {SECRET}")
    url = f"postgres://timescale:{SECRET}@db/x"
    record(
        state,
        DecisionRecorded(7, False, f"Ana {SECRET}", f"the password is {SECRET}"),
        ItemChanged("branching", ItemState.FAILED, f"cannot connect: {url}", note=SECRET),
        ItemChanged("test-list", ItemState.FAILED, f"curl -u x:{SECRET}"),
        AlertChanged("disk", True, f"full {SECRET}", 1_760_000_000.0, "disk"),
        AlertAcknowledged("disk", "Ana", SECRET),
        LoadTested("new", url, "read", (rung,)),
    )


@pytest.mark.parametrize("way", ["environment", "pgpass", "file"])
def test_no_password_stands_in_any_form(
    run: Path, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("WSDASH_SOURCE_PASSWORD", "WSDASH_TARGET_PASSWORD", "PGPASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    held = tmp_path / "held"
    match way:
        case "environment":
            monkeypatch.setenv("WSDASH_TARGET_PASSWORD", SECRET)
        case "pgpass":
            held.write_text(f"db:5432:*:ana:{SECRET}\n")
            monkeypatch.setenv("PGPASSFILE", str(held))
        case "file":
            held.write_text(f"{SECRET}\n")
            held.chmod(0o600)
            monkeypatch.setenv("WSDASH__SOURCE__PASSWORD_ENV", '""')
            monkeypatch.setenv("WSDASH__SOURCE__PASSWORD_FILE", str(held))
    _told_secret(run)
    for file in write_folder(read_story(run), tmp_path / "report"):
        text = file.read_text(encoding="utf-8")
        assert "tr0ub4dor" not in text, file.name
        if file.suffix != ".ics":
            assert "***" in text.replace("\\", ""), file.name


SIGNS = "_*`[]()<>&#+-=~|\\!1.) a\n'{}:/"


@settings(max_examples=200)
@given(st.text(SIGNS) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_markdown_takes_every_word_literally(text: str) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    table = f"| a | b |\n| --- | --- |\n| {literal(text)} | x |"
    tokens = parser.parse(table)
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    said = "".join(child.content for child in cells[2].children or [])
    assert said == " ".join(text.split())
    alone = parser.parse(literal(text))
    assert [token.type for token in alone if token.type != "inline"] in (
        [],
        ["paragraph_open", "paragraph_close"],
    )


def test_the_write_downtime_leaves_out_what_the_old_service_ran_in_between(run: Path) -> None:
    (first,) = build_report(run).write_downtime_stretches
    begun = read_story(run).story.started_at
    assert begun is not None
    record(run, Downtime(False, begun + 600, begun + 608.5))
    report = build_report(run)
    assert report.write_downtime_stretches == [first, 8.5]
    assert report.write_downtime_seconds == pytest.approx(first + 8.5, abs=0.002)
    assert report.verdict is not None
    told = [cell.text for _, cell in verdict_lines(report, report.verdict)]
    assert f"{first + 8.5:.1f} s in 2 stretches" in told


def test_who_still_comes_to_the_old_port_is_named_the_busiest_first(run: Path) -> None:
    came = (OldPortClient("10.0.0.4", 3, 1_790_000_000.0), OldPortClient("10.0.0.9", 1_200, 1_790_000_060.0))
    record(run, OldPortClients(1_789_000_000.0, came))
    report = build_report(run)
    assert [(one.address, one.requests) for one in report.old_port_clients] == [
        ("10.0.0.9", 1_200),
        ("10.0.0.4", 3),
    ]
    shown = rendered(read_story(run), ".md")
    assert "10.0.0.9 (1,200 requests, last 2026-09-21 14:14), 10.0.0.4 (3 requests" in shown
