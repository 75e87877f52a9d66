"""What all questions and panels share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content
from textual.screen import Screen

from tests.tui.drawing import FRAME
from tests.tui.support import halfway, stage
from wsdash.plan import load_plan
from wsdash.tui.dialogs.document import DocumentScreen
from wsdash.tui.dialogs.questions import HOLDS_OR_NOT, AnswerDialog, SignDialog, TypedDialog
from wsdash.tui.panels.alerts import OperatorAlertsPanel
from wsdash.tui.panels.evidence import OperatorEvidencePanel
from wsdash.tui.state.viewstate import ViewState

PLAN, VIEW = load_plan(), ViewState()

KINDS: dict[str, Callable[[Path], Screen[Any]]] = {
    "a typed word": lambda _: TypedDialog("Load test", ["x"], "LOAD", "Load"),
    "an answer": lambda _: AnswerDialog("Judge", Content("x"), HOLDS_OR_NOT),
    "a signature": lambda _: SignDialog("Skip", "x", "Skip"),
    "a document": lambda place: DocumentScreen("ADR", place / "adr.md"),
    "evidence": lambda _: OperatorEvidencePanel(VIEW, FRAME, PLAN, PLAN.items[0], lambda item: None),
    "alerts": lambda _: OperatorAlertsPanel(VIEW, FRAME, lambda intent: None),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_is_closed_as_it_opens_leaves_the_screen_standing(tmp_path: Path, kind: str) -> None:
    (tmp_path / "adr.md").write_text("# Decided")
    async with stage(tmp_path, *halfway()) as on:
        on.app.push_screen(KINDS[kind](tmp_path))
        on.app.pop_screen()
        await on.settle()
        assert on.app.screen is on.app.main
        on.app.push_screen(again := KINDS[kind](tmp_path))
        await on.settle()
        assert on.app.screen is again


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turns", range(4))
async def test_leaving_as_one_opens_is_no_failure(tmp_path: Path, kind: str, turns: int) -> None:
    """turns: of the loop that pass in between, so that it is composed, mounted or neither."""
    (tmp_path / "adr.md").write_text("# Decided")
    async with stage(tmp_path, *halfway()) as on:
        on.app.push_screen(KINDS[kind](tmp_path))
        for _ in range(turns):
            await asyncio.sleep(0)
        on.app.exit()
    assert not on.app.failure
