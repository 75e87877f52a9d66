"""Every pane shows real text at every size; little room means tabs, not refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.support import SIZES, halfway, stage
from wsdash.model import LogLine

WORDS = {
    "1": ("Migrate data from TimescaleDB", "─ workspace_items 5"),
    "2": ("workspace-api", "healthy"),
    "3": ("workspace_items", "10,000"),
    "4": ("api-new", "over 200"),
    "5": ("hello from the api",),
}


@pytest.mark.parametrize("size", SIZES)
async def test_every_pane_shows_its_content(tmp_path: Path, size: tuple[int, int]) -> None:
    async with stage(tmp_path, *halfway(), size=size) as on:
        on.app.main.add_lines([LogLine("workspace-api", 1.0, "stdout", "hello from the api")], 0)
        for key, words in WORDS.items():
            await on.press(key)
            shown = on.text()
            for word in words:
                assert word in shown, f"{word!r} at {size} in pane {key}"


@pytest.mark.parametrize("size", SIZES)
async def test_the_header_and_the_keys_are_always_there(tmp_path: Path, size: tuple[int, int]) -> None:
    async with stage(tmp_path, *halfway(), size=size) as on:
        lines = on.text().splitlines()
        assert "OPERATOR" in lines[0]
        assert "writes are dow" in lines[0]
        assert "engine live" in lines[1]
        for word in ("Run", "All", "Pause", "Retry", "Roll back", "Help", "Leave"):
            assert word in lines[-1]


async def test_little_room_shows_one_pane_and_tabs(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(80, 24)) as on:
        assert "2 Containers" in on.text()
        assert "workspace-api" not in on.text()
        await on.press("2")
        assert "workspace-api" in on.text()
        assert "Stop old workspace service" not in on.text()


async def test_much_room_shows_all_five(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(120, 36)) as on:
        for title in ("1 Checklist", "2 Containers", "3 Rows", "4 Latency", "5 Logs"):
            assert title in on.text()


async def test_zoom_shows_the_current_pane_alone_and_back(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(120, 36)) as on:
        await on.press("3", "z")
        assert "workspace_items" in on.text()
        assert "Stop old workspace service" not in on.text()
        await on.press("z")
        assert "Stop old workspace service" in on.text()


async def test_tab_goes_round_the_panes(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(80, 24)) as on:
        seen = []
        for _ in range(5):
            await on.press("tab")
            seen.append(on.app.main.current)
        assert seen == ["containers", "rows", "latency", "logs", "checklist"]


async def test_a_resize_changes_the_layout(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(120, 36)) as on:
        await on.pilot.resize_terminal(80, 24)
        await on.until(lambda: "5 Logs" in on.text() and "workspace-api" not in on.text())


async def test_after_a_resize_the_selected_item_is_in_sight(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(120, 36)) as on:
        await on.press("end")
        await on.pilot.resize_terminal(80, 24)
        await on.until(lambda: "5 Logs" in on.text().splitlines()[3])
        await on.until(lambda: "❯" in on.text())


async def test_a_click_selects_an_item(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(120, 36)) as on:
        await on.click_item("stop-old")
        assert on.app.main.checklist.selected.id == "stop-old"
        assert on.intents == []


async def test_every_title_is_the_guides(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(200, 60)) as on:
        for item in on.app.main.plan.items:
            if "`" not in item.title:
                assert item.title in on.text()


async def test_a_narrow_and_tall_screen_shows_all_five_below_each_other(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(70, 110)) as on:
        lines = on.text().splitlines()
        titles = ("1 Checklist", "2 Containers", "3 Rows", "4 Latency", "5 Logs")
        places = [next(n for n, line in enumerate(lines) if title in line) for title in titles]
        assert places == sorted(set(places))
        blank = sum(not line.strip(" │▌▐█") for line in lines[: places[3]])
        assert blank < 20


@pytest.mark.parametrize("size", [(20, 6), (39, 20), (80, 9)])
async def test_a_screen_that_nothing_fits_on_says_so(tmp_path: Path, size: tuple[int, int]) -> None:
    async with stage(tmp_path, *halfway(), size=(80, 24)) as on:
        await on.pilot.resize_terminal(*size)
        await on.until(lambda: "too small" in " ".join(on.text().split()))
        assert "40x10" in on.text()
        await on.pilot.resize_terminal(80, 24)
        await on.until(lambda: "OPERATOR" in on.text())
