"""The rehearsal in the report's three forms and in `wsdash status`; none yet is said."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest

from tests.review.migrated import migrated
from tests.review.test_report_content import FORMS, record, words
from wsdash.cli import main
from wsdash.model import ExpectedDowntime, JobsAsked, Notice, RehearsalOutcome, Rehearsed
from wsdash.review.report.build import build_report, rendered
from wsdash.review.story import read_story

CLEAN = Rehearsed(
    "rehearsal-1",
    RehearsalOutcome.CLEAN,
    0.0,
    0.0,
    moved=("workspace.workspace_items: 10 rows when it was copied, 11 now",),
    downtime=ExpectedDowntime(8.0, 9.0, 12.0, "2 measurements of each item"),
)
BLOCKED = Rehearsed(
    "rehearsal-2",
    RehearsalOutcome.BLOCKED,
    0.0,
    0.0,
    where="scratch",
    blocked=("init-neon: collation <b>x</b> is missing",),
)


def at(found: Rehearsed, seconds_ago: float) -> Rehearsed:
    """The same, which ended so long ago."""

    return msgspec.structs.replace(
        found, started_at=time.time() - seconds_ago - 30, finished_at=time.time() - seconds_ago
    )


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    record(tmp_path, Notice("info", "begun"))
    return tmp_path


def test_every_form_of_the_report_tells_what_each_rehearsal_found(tmp_path: Path) -> None:
    run = migrated(tmp_path)
    record(run, at(CLEAN, 7200), at(BLOCKED, 3600))
    told = json.loads(rendered(read_story(run), ".json"))["rehearsals"]
    assert [one["outcome"] for one in told] == ["clean", "blocked"]
    assert told[0]["downtime"] == {
        "low": 8.0,
        "likely": 9.0,
        "high": 12.0,
        "basis": "2 measurements of each item",
    }
    assert told[1]["downtime"] is None
    assert told[1]["blocked"] == ["init-neon: collation <b>x</b> is missing"]
    for form in FORMS:
        text = rendered(read_story(run), form)
        assert "10 rows when it was copied" in text
        assert "is missing" in text
    said = words(build_report(run), "Rehearsals")
    assert "9 s (8 to 12)" in said
    assert "only the schema" in said
    assert "not measured" in said


def test_status_tells_the_newest_rehearsal_with_its_age(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(begun, at(BLOCKED, 90_000), at(CLEAN, 7200))
    assert main(["status", "--state", str(begun)]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if line.startswith("rehearsed ")]
    assert told == [
        "rehearsed 2 h ago: clean; downtime about 9 s, from 8 to 12 s (2 measurements of each item)"
    ]
    assert main(["status", "--json", "--state", str(begun)]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["rehearsals"]] == [
        "rehearsal-2",
        "rehearsal-1",
    ]


def test_status_tells_of_a_question_that_waits(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(begun, JobsAsked("backup", ("job 1000 (retention)",)))
    assert main(["status", "--state", str(begun)]) == 0
    told = capsys.readouterr().out
    assert "backup waits for an answer in `wsdash run`: pause background jobs of the source?" in told
    assert "  job 1000 (retention)" in told


def test_that_nothing_was_rehearsed_is_said(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--state", str(begun)]) == 0
    assert "never rehearsed" in capsys.readouterr().out
    assert build_report(begun).rehearsals == []
    assert "None ended" in words(build_report(begun), "Rehearsals")
