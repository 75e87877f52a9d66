"""The report as files for people, programs and calendars; decisions through the command line's own path."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from icalendar import Calendar

from tests.review.migrated import migrated
from wsdash.cli import main
from wsdash.engine.journal.writer import Journal
from wsdash.errors import InputError
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import Notice
from wsdash.review.report.build import build_report, rendered
from wsdash.review.report.folder import calendar_of
from wsdash.review.story import read_story


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = migrated(tmp_path_factory.mktemp("report"))
    begun = read_story(made).judged.migrated_at
    assert begun is not None
    writer = HistoryWriter.open(made / FILE)
    for second in range(0, 1800, 10):
        if not 600 < second < 900:
            writer.add("latency:api-new", begun + second, 0.03)
    writer.close()
    return made


def test_the_calendar_reads_back_as_five_events_a_day_timeline_apart(state: Path) -> None:
    calendar = Calendar.from_ical(calendar_of(read_story(state)))
    events = list(calendar.walk("VEVENT"))
    starts = [event.decoded("dtstart") for event in events]
    assert [start - starts[0] for start in starts] == [timedelta(days=day) for day in (0, 1, 3, 7, 14)]
    assert str(events[3]["summary"]) == "Workspace migration, Day 7: Decision Point"


def test_writing_the_calendar_again_keeps_its_identifiers(state: Path) -> None:
    assert calendar_of(read_story(state)) == calendar_of(read_story(state))


def test_a_run_that_did_not_end_has_no_calendar(tmp_path: Path) -> None:
    async def begin() -> None:
        journal = Journal.open(tmp_path)
        await journal.record(Notice("info", "begun"))
        await journal.close()

    asyncio.run(begin())
    with pytest.raises(InputError, match="the days are not known"):
        calendar_of(read_story(tmp_path))


def test_the_page_is_whole_and_refers_to_nothing_outside(state: Path) -> None:
    page = rendered(read_story(state), ".html")
    for outside in ("<script", "src=", "href=", "@import", "url(", "http-equiv"):
        assert outside not in page
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert drawings
    for drawing in drawings:
        ElementTree.fromstring(drawing)  # noqa: S314 - our own drawing
    assert any('class="gap"' in drawing for drawing in drawings)
    assert "Success criteria" in page
    assert "prefers-color-scheme: dark" in page


def test_markdown_has_every_day_and_its_recommendation(state: Path) -> None:
    text = rendered(read_story(state), ".md")
    # nobody went through the testing checklist
    assert "### Day 0: Migration: insufficient-data" in text
    assert "### Day 14: Final Review: insufficient-data" in text


def test_json_has_the_contracts_timeline(state: Path) -> None:
    report = json.loads(rendered(read_story(state), ".json"))
    assert [day["day"] for day in report["timeline"]] == [0, 1, 3, 7, 14]
    assert {"id", "holds", "measured", "threshold", "coverage"} <= report["timeline"][1]["criteria"][0].keys()
    assert report["alerts"] == []


def test_a_decision_is_recorded_with_name_and_reason_and_holds_the_review(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = migrated(tmp_path)
    words = ["decide", "--state", str(made), "--day", "7", "--no-go", "--who", "Ana <b>", "--why", "slow"]
    assert main(words) == 2  # its day has not come
    assert main([*words, "--phrase", "AGAINST"]) == 0
    report = build_report(made)
    assert [(d.day, d.decision, d.who, d.why) for d in report.decisions] == [(7, "no-go", "Ana <b>", "slow")]
    assert report.decisions[0].recommended == "insufficient-data"
    assert next(item.state for item in report.items if item.id == "go-no-go") == "done"
    page = rendered(read_story(made), ".html")
    assert "Ana &lt;b&gt;" in page
    assert "Ana <b>" not in page
    assert main(["finish", "--state", str(made)]) == 1
    words = ["decide", "--state", str(made), "--day", "14", "--go", "--who", "Ana", "--why", "all well"]
    assert main([*words, "--phrase", "AGAINST"]) == 0
    capsys.readouterr()
    # the world is asked once more, and here there is none
    assert main(["finish", "--state", str(made)]) == 1
    told = capsys.readouterr().out
    assert "DROP SCHEMA" not in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--day", "2", "--go", "--why", "x"], "day 2 is not on the timeline"),
        (["--day", "7", "--go"], "a decision wants a reason"),
        (["--day", "7", "--why", "x"], "add --go or --no-go"),
        (["--why", "x"], "either a day or a criterion"),
        (["--criterion", "api-latency"], "is measured, nobody needs to say so"),
        (["--criterion", "nothing"], "there is no criterion 'nothing'"),
    ],
)
def test_what_cannot_be_decided_is_told(
    state: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decide", "--state", str(state), "--who", "Ana", *words]) == 2
    assert told in capsys.readouterr().err


def test_an_unknown_fortnight_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--auto", "--headless", "--fortnight", "bad"]) == 2
    told = capsys.readouterr().err
    assert "there is no fortnight 'bad'" in told
    assert "good, slow-api, error-burst, restarts, disk-fills" in told
