"""The key that has both sides compared now: seen by all, with its time, apart from the item's proof."""

from __future__ import annotations

import getpass
import time
from pathlib import Path

from tests.tui.drawing import plain, seen
from tests.tui.support import ITEMS, differing, recorded, stage, started
from wsdash.model import (
    ComparisonBegan,
    Intent,
    Liveness,
    RowsReading,
    SidesCompared,
    SourceState,
    TableCompared,
)
from wsdash.model.run import COMPARE
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.looks import count
from wsdash.tui.panels.evidence import DifferencesPanel, draw_compared
from wsdash.tui.state.viewstate import fold_all

AGAIN = Intent(COMPARE, who=getpass.getuser())
BROKEN = TableCompared(
    "workspace.schema_version", "differs", 4, 4, ("target",), ("version='4': 'x' / 'y'",), 2
)


def compared(*tables: TableCompared, ago: float = 185.0, error: str = "") -> SidesCompared:
    return SidesCompared("Ana", time.time() - ago, tables, error)


async def test_v_has_both_sides_compared_and_shows_them_with_the_time(tmp_path: Path) -> None:
    async with stage(tmp_path, *differing()) as on:
        await on.press("v")
        assert on.intents == [AGAIN]
        assert "What verify-data proved" in on.text(), "the panel opens"
        await on.emit(ComparisonBegan("Ana"))
        assert "both sides are being compared now, for Ana" in on.text()
        await on.emit(compared(TableCompared(ITEMS, "equal", 10_000, 10_000), BROKEN))
        # the longer text is laid out in its own time
        await on.until(lambda: "What verify-data proved" in on.text() and "Compared for" in on.text())
        text = on.text()
        assert "Compared for Ana, read at " in text
        assert "(3:0" in text or "3 min" in text
        asked, proved = text.split("What verify-data proved")
        assert "workspace.workspace_items  ✓ equal by content" in asked
        assert "version='4'" in asked
        assert "written to meanwhile: target" in asked
        assert "✗ differs" in proved, "the item's evidence stays what it was"
        await on.press("v")
        assert on.intents == [AGAIN, AGAIN]


async def test_a_refusal_is_told_and_no_panel_opens(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        on.refuse = "migrate-data is writing the rows"
        await on.press("v")
        assert "migrate-data is writing the rows" in on.text()
        assert on.app.screen is on.app.main


async def test_a_monitor_sees_it_and_has_no_such_key(tmp_path: Path) -> None:
    found = compared(TableCompared(ITEMS, "equal", 10_000, 10_000))
    async with stage(tmp_path, started(), found, role="monitor") as on:
        await on.press("v")
        assert on.app.screen is on.app.main
        await on.press("d")
        assert isinstance(on.app.screen, DifferencesPanel)
        assert "Compared for Ana, read at " in on.text()
        assert "v compares" not in on.text()
        await on.press("v")
        assert on.intents == []


def test_what_moved_since_is_said_by_a_later_count_only() -> None:
    found = compared(TableCompared(ITEMS, "equal", 10_000, 10_000))
    live = SourceState("rows", Liveness.LIVE)
    before = recorded(RowsReading(ITEMS, 9_000, 9_000), live, at=found.began_at - 5)
    view = fold_all(before)
    after = recorded(found, at=found.began_at + 1)
    view = fold_all([r.__class__(r.seq + 10, r.at, r.event) for r in after], view)
    frame = Frame(found.began_at + 60, 120)
    assert "moved since" not in plain(draw_compared(view, frame))
    later = recorded(RowsReading(ITEMS, 10_001, 10_000), at=found.began_at + 30)
    view = fold_all([r.__class__(r.seq + 20, r.at, r.event) for r in later], view)
    assert f"moved since: source {count(10_001)} rows now" in plain(draw_compared(view, frame))


def test_no_answer_is_said_as_none() -> None:
    view = seen(started(), compared(error="nobody answers at 127.0.0.1:5433"))
    text = plain(draw_compared(view, Frame(view.last_at, 120)))
    assert "no answer: nobody answers at 127.0.0.1:5433" in text
    assert "equal" not in text


def test_of_a_table_that_moves_too_fast_nothing_is_claimed() -> None:
    view = seen(started(), compared(TableCompared(ITEMS, "moving", 10, 11, ("source",), (), 3)))
    text = plain(draw_compared(view, Frame(view.last_at, 120)))
    assert "? written to too fast to say" in text
    assert "3 differences had moved when read again" in text
