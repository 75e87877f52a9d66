"""The rehearsal on the screen: begun and ended by intents, seen by all, with its age before stop-old."""

from __future__ import annotations

from pathlib import Path

from tests.tui.drawing import plain, seen
from tests.tui.support import recorded, stage, started
from wsdash.model import (
    ExpectedDowntime,
    Intent,
    Progress,
    RehearsalOutcome,
    RehearsalProgress,
    Rehearsed,
    RehearsedItem,
)
from wsdash.plan import load_plan
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.lead import lead
from wsdash.tui.panels.trials import draw_rehearsal
from wsdash.tui.panes.checklist import detail_lines

RUNNING = RehearsalProgress("rehearsal-1", "migrate-data", 1, 2)
FOUND = Rehearsed(
    "rehearsal-1",
    RehearsalOutcome.CLEAN,
    1000.0,
    1014.0,
    world="old → new",
    items=(RehearsedItem("migrate-data", "done", (1.5, 1.7), True, "20,010 rows copied"),),
    moved=("workspace.workspace_items: 500 rows when it was copied, 501 now",),
    downtime=ExpectedDowntime(9.0, 10.0, 14.0, "2 measurements of each item"),
)


async def test_h_opens_it_and_the_operator_begins_and_ends_one(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await on.press("H")
        assert "never rehearsed" in on.text()
        await on.press("H")
        assert on.intents == [Intent("rehearse")]
        await on.emit(RUNNING, Progress("rehearsal", "workspace.workspace_items", "copying", 10, 20))
        await on.until(lambda: "rehearsing: migrate-data, round 1 of 2" in on.text())
        await on.until(lambda: "workspace_items" in on.text())
        await on.press("X")
        assert on.intents == [Intent("rehearse"), Intent("stop-rehearsal")]
        await on.emit(FOUND)
        await on.until(lambda: "20,010 rows copied" in on.text())
        assert "from 9 to 14 s" in on.text()


def test_the_leading_line_says_that_a_rehearsal_runs() -> None:
    view, plan = seen(started(), RUNNING), load_plan(None)
    line = lead(plan, view, Frame(view.last_at, 120, operator=True), plan.items[0]).plain
    assert line.endswith("REHEARSING migrate-data, round 1 of 2 H shows it")


def test_before_stop_old_the_newest_rehearsal_and_its_age_are_shown() -> None:
    item = load_plan(None).item("stop-old")
    none = seen(started())
    assert "never rehearsed" in plain(detail_lines(item, none, Frame(none.last_at, 200)))
    view = seen(started(), FOUND)
    text = plain(detail_lines(item, view, Frame(1014.0 + 3 * 3600, 200)))
    assert "rehearsed 3 h ago: clean; downtime about 10 s, from 9 to 14 s" in text


def test_a_monitor_sees_it_without_keys() -> None:
    view = seen(started(), FOUND)
    assert "begins a rehearsal" not in plain(draw_rehearsal(view, Frame(1020.0, 100)))
    assert recorded(FOUND)[0].event == FOUND
