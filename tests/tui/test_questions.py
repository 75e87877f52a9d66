"""Questions with much to say: all of it can be read, and the answers stay in sight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content

from tests.tui.support import stage, started
from wsdash.tui.dialogs.questions import HOLDS_OR_NOT, AnswerDialog, TypedDialog
from wsdash.tui.modal import Modal

LINES = [f"line {number} " + "of what is at stake " * 5 for number in range(20)]
DIALOGS: dict[str, tuple[Callable[[], Modal[Any]], str]] = {
    "a word is typed": (lambda: TypedDialog("Roll back", LINES, "ROLLBACK", "Do it"), "Do it"),
    "an answer is chosen": (
        lambda: AnswerDialog("Judge", Content("\n".join(LINES)), HOLDS_OR_NOT, reason=True),
        "It does not hold",
    ),
}


@pytest.mark.parametrize("size", [(80, 24), (80, 30), (120, 36), (200, 60)], ids=str)
@pytest.mark.parametrize("name", DIALOGS)
async def test_the_answers_are_in_sight(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    make, button = DIALOGS[name]
    async with stage(tmp_path, started(), size=size) as on:
        on.app.push_screen(make())
        await on.until(lambda: "line 0" in on.text())
        await on.until(lambda: button in on.text() and "Cancel (Esc)" in on.text())


@pytest.mark.parametrize("name", DIALOGS)
async def test_a_dialog_fits_the_terminal_that_becomes_smaller(tmp_path: Path, name: str) -> None:
    make, button = DIALOGS[name]
    async with stage(tmp_path, started(), size=(120, 40)) as on:
        on.app.push_screen(make())
        await on.until(lambda: "line 0" in on.text())
        await on.pilot.resize_terminal(80, 24)
        await on.until(lambda: button in on.text() and "Cancel (Esc)" in on.text())
