"""The report's directory proves itself: whole, of this run, of one writing, and not older than the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from icalendar import Calendar

from tests.review.migrated import migrated
from wsdash.cli import main
from wsdash.engine.journal.writer import Journal
from wsdash.model import CriterionConfirmed, ItemChanged, ItemState, LatencyReading, Notice, TableVerified
from wsdash.review.report.folder import NAMES, prove, write_folder
from wsdash.review.story import read_story

ITEMS = "workspace.workspace_items"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("folder"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return migrated(tmp_path)


def _record(state: Path, *events: object) -> None:
    async def record() -> None:
        journal = Journal.open(state)
        for event in events:
            await journal.record(event)  # type: ignore[arg-type]
        await journal.close()

    asyncio.run(record())


def test_what_was_written_is_proven(state: Path, tmp_path: Path) -> None:
    known = read_story(state)
    assert not prove(known, tmp_path / "report").holds
    files = write_folder(known, tmp_path / "report")
    assert [file.name for file in files] == list(NAMES)
    assert prove(read_story(state), tmp_path / "report").holds


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _gone(file: Path) -> None:
    file.unlink()


def _foreign(file: Path) -> None:
    file.write_bytes(b"\xff\xfe something else")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("harm", [_empty, _gone, _foreign])
def test_a_file_that_was_harmed_is_no_proof(
    state: Path, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    known = read_story(state)
    write_folder(known, tmp_path)
    harm(tmp_path / name)
    assert not prove(known, tmp_path).holds


@pytest.mark.parametrize("name", [name for name in NAMES if name != "report.md"])
def test_half_a_file_is_no_proof(state: Path, tmp_path: Path, name: str) -> None:
    known = read_story(state)
    write_folder(known, tmp_path)
    _cut(tmp_path / name)
    assert not prove(known, tmp_path).holds


def test_files_of_two_writings_are_no_proof(state: Path, tmp_path: Path) -> None:
    write_folder(read_story(state), tmp_path)
    page = (tmp_path / "report.html").read_bytes()
    write_folder(read_story(state), tmp_path)
    (tmp_path / "report.html").write_bytes(page)
    assert "report.html was not written together" in prove(read_story(state), tmp_path).text


def test_another_runs_report_is_no_proof(state: Path, run: Path, tmp_path: Path) -> None:
    write_folder(read_story(state), tmp_path / "there")
    assert "another run" in prove(read_story(run), tmp_path / "there").text


@pytest.mark.parametrize(
    ("event", "older"),
    [
        (TableVerified(ITEMS, 10, 9, "aa", "bb", False), "the newest verification"),
        (CriterionConfirmed("team-comfortable", True, "Ana"), "the newest tick"),
        (ItemChanged("benchmarks", ItemState.FAILED, "slow"), "the items' results"),
        (ItemChanged("test-list", ItemState.DONE, "count 3"), "the newest test"),
    ],
)
def test_it_is_older_than_what_was_proven_since(run: Path, tmp_path: Path, event: object, older: str) -> None:
    write_folder(read_story(run), tmp_path / "there")
    _record(run, event)
    proof = prove(read_story(run), tmp_path / "there")
    assert not proof.holds
    assert older in proof.text


def test_readings_and_notices_do_not_make_it_old(run: Path, tmp_path: Path) -> None:
    write_folder(read_story(run), tmp_path / "there")
    _record(run, Notice("info", "hello"), LatencyReading("api-new", 0.02))
    _record(run, ItemChanged("update-docs", ItemState.DONE, "written"))
    assert prove(read_story(run), tmp_path / "there").holds


def test_the_command_writes_it_and_says_whether_it_holds(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "--state", str(run)]
    there = str(tmp_path / "there")
    assert main([*words, "--check", there]) == 1
    assert "not written yet" in capsys.readouterr().out
    assert main([*words, "--directory", there]) == 0
    assert [Path(line).name for line in capsys.readouterr().out.split()] == list(NAMES)
    assert main([*words, "--check", there]) == 0


def test_the_calendar_comes_with_the_report(run: Path, tmp_path: Path) -> None:
    assert main(["report", "--state", str(run), "--output", str(tmp_path / "adr-007.html")]) == 0
    calendar = Calendar.from_ical((tmp_path / "adr-007.ics").read_bytes())
    assert len(calendar.walk("VEVENT")) == 5


def test_a_directory_that_cannot_be_made_is_told(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["report", "--state", str(state), "--directory", str(tmp_path / "file" / "x")]) == 2
    assert "cannot be made" in capsys.readouterr().err
