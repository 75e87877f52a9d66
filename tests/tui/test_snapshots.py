"""Every screen at every size looks as it was last looked at: dark, light, and without colours."""

from __future__ import annotations

import difflib

import pytest

from tests.tui.snapshots.files import file_of, sections_of, written
from tests.tui.snapshots.take import PANELS, SIZES, take_all


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_screen_looks_as_it_did(size: tuple[int, int]) -> None:
    taken = await take_all(size)
    now = written(taken)
    before = sections_of(file_of(size).read_text(encoding="utf-8"))
    assert now.keys() == before.keys()
    differing = [
        line
        for screen in now
        for line in difflib.unified_diff(
            before[screen].splitlines(), now[screen].splitlines(), screen, "now", lineterm="", n=1
        )
    ]
    assert not differing, "\n".join(
        ["`python -m tests.tui.snapshots` takes them anew if this is meant:", *differing]
    )
    for screen, (text, _) in taken["plain"].items():
        if screen in PANELS:
            continue  # without colours nothing shines through from below a panel
        assert text == taken["dark"][screen][0], f"{screen} says something else without colours"
