"""Rows that both sides changed, side by side: a side is chosen for each, and sent with the rollback."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.tui.drawing import FRAME, seen, styles
from tests.tui.support import Stage, done, evidence_text, stage, started
from wsdash.model import AnyEvent, ConflictCell, ConflictFound, ConflictsFound, Intent, WayBackBlocked
from wsdash.runtime import user_name
from wsdash.tui.dialogs.conflicts import ConflictsPanel, draw_conflicts
from wsdash.tui.dialogs.questions import AnswerDialog, TypedDialog
from wsdash.tui.panels.databases import MovePanel, OperatorMovePanel

ONLINE = msgspec.structs.replace(started(), mode="online")
NAMES = [f'workspace.workspace_items {{"id": "7d1f-{number}"}}' for number in range(3)]
CELLS = (ConflictCell("title", "'new'", "'old'"), ConflictCell("tags", '["a"]', "NULL"))
ROWS = (
    *(ConflictFound(name, (), CELLS) for name in NAMES[:2]),
    ConflictFound(NAMES[2], (f"{NAMES[2]}: there is no such row",), gone="source"),
)
FOUND = ConflictsFound(ROWS, 3)
EVENTS: list[AnyEvent] = [ONLINE, *done("switch"), FOUND]


async def typed(on: Stage, word: str) -> None:
    await on.until(lambda: isinstance(on.app.screen, TypedDialog))
    await on.press(*(key if key != " " else "space" for key in word), "enter")


async def test_each_row_is_given_a_side_and_the_rollback_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path, *EVENTS) as on:
        await on.press("R", "left", "right", "right", "enter")
        await typed(on, "ROLLBACK")
        keep = {NAMES[0]: "source", NAMES[1]: "target", NAMES[2]: "target"}
        wanted = Intent("rollback", who=user_name(), phrase="ROLLBACK", options={"keep_rows": keep})
        assert on.intents == [wanted]


@pytest.mark.parametrize(("key", "side"), [("less_than_sign", "source"), ("greater_than_sign", "target")])
async def test_one_key_gives_all_rows_the_same_side(tmp_path: Path, key: str, side: str) -> None:
    async with stage(tmp_path, *EVENTS) as on:
        await on.press("R", key, "enter")
        await typed(on, "ROLLBACK")
        assert on.intents[0].options == {"keep_rows": dict.fromkeys(NAMES, side)}


async def test_nothing_goes_on_while_a_row_has_no_side(tmp_path: Path) -> None:
    async with stage(tmp_path, *EVENTS) as on:
        await on.press("R", "left", "enter")
        assert "2 rows have no side yet" in on.text()
        await on.press("escape")
        assert len(on.app.screen_stack) == 1
        assert on.intents == []


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_both_rows_can_be_read_beside_each_other(tmp_path: Path, size: tuple[int, int]) -> None:
    async with stage(tmp_path, *EVENTS, size=size) as on:
        await on.press("R", "right")
        lines = on.text().splitlines()
        (head,) = [line for line in lines if "old database" in line and "new database" in line]
        rows = [line for line in lines if "'old'" in line]
        assert len(rows) == 2
        for word, value in (("old database", "'old'"), ("new database", "'new'")):
            assert {row.index(value) for row in rows} == {head.index(word)}
        assert any(NAMES[0][-9:] in line and "keep the new" in line for line in lines)
        assert any("no such row" in line for line in lines)
        assert "2 to choose" in on.text()


async def test_a_row_below_the_edge_comes_into_sight_with_the_cursor(tmp_path: Path) -> None:
    many = ConflictsFound(tuple(msgspec.structs.replace(ROWS[0], id=f"s.items {n}") for n in range(30)), 30)
    async with stage(tmp_path, ONLINE, *done("switch"), many, size=(80, 24)) as on:
        await on.press("R")
        assert "s.items 25" not in on.text()
        await on.press(*["down"] * 25)
        assert any("❯" in line and "s.items 25" in line for line in on.text().splitlines())


def test_the_row_that_stays_stands_out_and_the_other_fades() -> None:
    asked, _ = draw_conflicts(FOUND, 100, {})
    chosen, _ = draw_conflicts(FOUND, 100, {NAMES[0]: "source"})
    cells = next(line for line in chosen if "'old'" in line.plain)
    assert styles([cells]) > styles([next(line for line in asked if "'old'" in line.plain)])


def test_what_is_not_shown_is_said() -> None:
    lines, _ = draw_conflicts(msgspec.structs.replace(FOUND, total=1_003), 100, {})
    assert "and 1,000 more" in lines[-1].plain


def test_a_monitor_sees_the_rows_and_is_asked_nothing() -> None:
    text = "\n".join(line.plain for line in MovePanel(seen(*EVENTS), FRAME).draw(seen(*EVENTS), FRAME))
    assert "'old'" in text
    assert "choose" not in text


async def test_the_panel_of_the_move_leads_to_the_choice(tmp_path: Path) -> None:
    async with stage(tmp_path, *EVENTS) as on:
        await on.press("M")
        assert isinstance(on.app.screen, OperatorMovePanel)
        await on.press("R")
        await on.until(lambda: isinstance(on.app.screen, ConflictsPanel))


AWAY = WayBackBlocked(
    "workspace-db-compute refuses connections: 1,234 or more changes cannot be carried back"
)


@pytest.mark.parametrize(
    ("button", "word", "options"),
    [("again", "ROLLBACK", {}), ("give-up", "GIVE UP", {"give_up": True})],
)
async def test_a_database_that_is_away_is_waited_for_or_its_writes_are_given_up(
    tmp_path: Path, button: str, word: str, options: dict[str, object]
) -> None:
    async with stage(tmp_path, ONLINE, *done("switch"), AWAY) as on:
        await on.press("R")
        assert isinstance(on.app.screen, AnswerDialog)
        shown = evidence_text(on.app)
        assert AWAY.text in shown
        assert shown.endswith("can be given up: the old database opens as it was at the switch.")
        on.app.screen.query_one(f"#{button}").focus()
        await on.press("enter")
        await typed(on, word)
        assert on.intents == [Intent("rollback", who=user_name(), phrase=word, options=options)]
