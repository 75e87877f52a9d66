"""The report inside the app: read from its file, with its age and what it does not tell yet."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tui.support import SIZES, done, halfway, stage
from wsdash.clock import VirtualClock
from wsdash.model import DecisionRecorded, ItemChanged, ItemState
from wsdash.runtime import report_directory
from wsdash.tui.panels.report import ReportFile, read_report


def _write(state: Path, at: float, more: str = "") -> None:
    told = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    directory = report_directory(state)
    directory.mkdir(parents=True, exist_ok=True)
    text = f"# Workspace migration, run run-7\n\n- Written: {told}\n\n| table | rows |\n| --- | ---: |\n"
    (directory / "report.md").write_text(f"{text}| workspace_items | 10,000 |\n\n{more}\n", encoding="utf-8")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("role", ["operator", "monitor"])
async def test_the_report_is_rendered_for_whoever_looks(
    tmp_path: Path, size: tuple[int, int], role: str
) -> None:
    _write(tmp_path, time.time() + 60)
    async with stage(tmp_path, *halfway(), size=size, role=role) as on:
        await on.press("w")
        for word in ("Workspace migration, run run-7", "workspace_items", "10,000", "✓ written"):
            assert word in on.text(), word
        await on.press("escape")
        assert on.app.screen is on.app.main
        assert on.intents == []


async def test_a_long_report_is_turned_section_by_section(tmp_path: Path) -> None:
    _write(tmp_path, time.time() + 60, more="\n## Timeline\n\nfourteen days\n\n## The data\n\nall equal\n")
    async with stage(tmp_path, *halfway(), size=(80, 24), role="monitor") as on:
        await on.press("w")
        assert "Summary (1 of 3)  Timeline ›" in on.text()
        assert "fourteen days" not in on.text()
        await on.press("right")
        assert "‹ Summary  Timeline (2 of 3)  The data ›" in on.text()
        assert "fourteen days" in on.text()
        await on.press("right", "right", "right")
        assert "all equal" in on.text()
        _write(tmp_path, time.time() + 60, more="\n## Timeline\n\nshorter\n")
        await on.until(lambda: "shorter" in on.text())
        await on.press("left", "left")
        await on.until(lambda: "10,000" in on.text())


async def test_before_it_was_written_it_is_said_who_writes_it(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("w")
        assert "○ not written yet: run item update-docs" in on.text()


async def test_a_failed_writing_is_told(tmp_path: Path) -> None:
    failed = ItemChanged("update-docs", ItemState.FAILED, "the disk is full")
    async with stage(tmp_path, *halfway(), failed) as on:
        await on.press("w")
        assert "could not be written: the disk is full" in on.text()


async def test_a_report_older_than_a_decision_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        _write(tmp_path, time.time() + 1)
        await on.press("w")
        assert "✓ written" in on.text()
        decided = DecisionRecorded(7, True, "Ana", "calm", "go")
        on.journal.clock = VirtualClock(time.time() + 3600)
        await on.emit(decided, *done("branching"))
        await on.until(lambda: "before the decision of Day 7, branching: run update-docs again" in on.text())


async def test_a_report_written_anew_is_read_anew(tmp_path: Path) -> None:
    _write(tmp_path, time.time() + 60)
    async with stage(tmp_path, *halfway()) as on:
        await on.press("w")
        _write(tmp_path, time.time() + 60, more="Decided on Day 7")
        await on.until(lambda: "Decided on Day 7" in on.text())


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "report.md").mkdir()
    assert "cannot be read" in read_report(tmp_path, ReportFile()).trouble
