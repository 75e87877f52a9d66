"""What all questions and panels share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen

from tests.tui.support import halfway, stage
from wsdash.tui.screens.dialogs import SignDialog, TypedDialog
from wsdash.tui.screens.document import DocumentScreen

KINDS: dict[str, Callable[[Path], Screen[Any]]] = {
    "a typed word": lambda _: TypedDialog("Load test", ["x"], "LOAD", "Load"),
    "a signature": lambda _: SignDialog("Skip", "x", "Skip"),
    "a document": lambda place: DocumentScreen("ADR", place / "adr.md"),
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
