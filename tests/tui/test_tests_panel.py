"""The testing checklist's panel: what it says of each line, and what the operator's sends."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from textual.widgets import Button, Input

from tests.tui.support import done, halfway, recorded, stage, started
from wsdash.model import AnyEvent, Intent, ItemChanged, ItemState
from wsdash.plan import load_plan
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.panels.trials import draw_tests
from wsdash.tui.state.viewstate import fold_all

NOW = 10_000.0
PLAN = load_plan()


def drawn(*events: AnyEvent, selected: str = "test-list", width: int = 110) -> str:
    view = fold_all(recorded(*events, at=NOW))
    lines = draw_tests(PLAN, view, Frame(NOW, width, operator=True), selected)
    return "\n".join(line.plain for line in lines)


def test_every_line_stands_in_its_group() -> None:
    text = drawn()
    for heading in ("Functional Tests", "Performance Tests", "Neon-Specific Tests"):
        assert heading in text
    for test in PLAN.tests:
        assert test.title.replace("`", "")[:30] in text
    assert "0 of 15 hold" in text


def test_the_selected_line_shows_its_evidence() -> None:
    text = drawn(*done("test-list", "count 300, the table holds 300"))
    assert "1 of 15 hold" in text
    assert "count 300" in text


def test_a_failed_line_shows_what_to_do() -> None:
    failed = ItemChanged("test-list", ItemState.FAILED, "count 3", remedy="see the logs")
    text = drawn(failed)
    assert "failed" in text
    assert "→ see the logs" in text


@pytest.mark.parametrize("width", [60, 70, 110])
def test_too_little_data_is_an_answer_of_its_own(width: int) -> None:
    seen = ItemChanged("test-no-errors", ItemState.INSUFFICIENT, "insufficient data: 20 of 60", remedy="wait")
    text = drawn(seen, selected="test-no-errors", width=width)
    line = next(line for line in text.splitlines() if "No errors in logs" in line)
    assert "?" in line
    assert "insufficient" in line
    assert len(line) <= width
    assert "failed" not in text
    assert "→ wait" in text
    assert "0 of 15 hold" in text


def test_what_interrupts_the_service_says_so() -> None:
    assert "interrupts the service" in drawn(selected="test-shutdown")


def test_a_narrow_panel_cuts_no_state() -> None:
    lines = drawn(*done("test-list"), width=70).splitlines()
    assert any("done" in line for line in lines)


async def test_the_operator_tries_one_or_all(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("c", "down", "enter", "a")
        assert on.intents == [Intent("run-item", item="test-create"), Intent("run-tests")]


async def test_the_cursor_moves_on_a_small_screen_too_and_stays_in_sight(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(80, 24)) as on:
        await on.press("c", *["down"] * 13)
        assert any("❯" in line and "Health checks pass" in line for line in on.text().splitlines())


async def test_what_interrupts_the_service_wants_a_word_typed(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("c", *["down"] * 14, "enter")
        await on.press(*"INTERRUPT", "enter")
        assert on.intents == [Intent("run-item", item="test-shutdown")]


@pytest.mark.parametrize(("button", "holds"), [("holds", True), ("fails", False)])
async def test_what_a_person_judges_holds_or_does_not(tmp_path: Path, button: str, holds: bool) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("c", *["down"] * 5, "enter")
        assert "Kanban drag & drop works" in on.text()
        on.app.screen.query_one("#who", Input).value = "Ana"
        await on.press(*"tried")
        on.app.screen.query_one(f"#{button}", Button).focus()
        await on.press("enter")
        wanted = Intent("confirm", "test-kanban", "Ana", "tried", options={"holds": holds})
        await on.until(lambda: on.intents == [wanted])


async def test_the_monitors_panel_tries_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), role="monitor") as on:
        await on.press("c", "down", "enter", "a")
        assert on.intents == []


async def test_a_load_test_of_a_real_world_wants_a_word_typed(tmp_path: Path) -> None:
    production = msgspec.structs.replace(started(), world="production")
    async with stage(tmp_path, production) as on:
        on.app.main.checklist.select("benchmarks")
        await on.press("enter")
        assert on.intents == []
        await on.press(*"LOAD", "enter")
        assert on.intents == [Intent("run-item", item="benchmarks", phrase="LOAD")]
