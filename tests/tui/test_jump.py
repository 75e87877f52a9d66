"""Jump mode: every pane, tab and item in sight has a label; its key goes there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.support import SIZES, Stage, halfway, stage, started
from wsdash.tui.panels.help import JumpScreen


async def labels(on: Stage) -> dict[str, tuple[int, int]]:
    """Jump mode's labels, with where they stand."""
    await on.press("J")
    screen = on.app.screen
    assert isinstance(screen, JumpScreen)
    return {label: (target.at.x, target.at.y) for label, target in screen._targets.items()}


def beside(on: Stage, words: str) -> tuple[int, int]:
    """The line and the column of words on the screen."""
    lines = on.text().splitlines()
    y = next(n for n, line in enumerate(lines) if words in line)
    return lines[y].index(words), y


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("words", "current"), [("Containers", "containers"), ("Logs", "logs")])
async def test_a_label_goes_to_its_pane_at_every_size(
    tmp_path: Path, size: tuple[int, int], words: str, current: str
) -> None:
    async with stage(tmp_path, *halfway(), size=size) as on:
        x, y = beside(on, words)
        found = await labels(on)
        label = next(one for one, at in found.items() if at[1] == y and 0 <= x - at[0] <= 5)
        await on.press(label)
        assert on.app.main.current == current


async def test_a_label_goes_to_its_item(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("5")
        _, y = beside(on, "Initialize Neon")
        found = await labels(on)
        label = next(one for one, at in found.items() if at[1] == y and at[0] < 40)
        assert f"{label} " in on.text().splitlines()[y]
        await on.press(label)
        assert on.app.main.current == "checklist"
        assert on.app.main.checklist.selected.id == "init-neon"


@pytest.mark.parametrize("key", ["escape", "J", "space", "f5"])
async def test_any_other_key_leaves(tmp_path: Path, key: str) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await labels(on)
        await on.press(key)
        assert on.app.screen is on.app.main


async def test_no_label_is_a_key_that_acts(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), keys={"do.auto": "s"}) as on:
        found = await labels(on)
        assert len(found) > 15
        assert not set(found) & set("sprRvxFq")


async def test_a_resize_ends_it(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await labels(on)
        await on.pilot.resize_terminal(90, 30)
        await on.until(lambda: on.app.screen is on.app.main)
