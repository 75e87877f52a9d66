"""The screen comes up fast: imports nothing that talks to servers, paints before there is a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tui.support import screen_text
from wsdash.engine.operator.control import ControlClient
from wsdash.errors import InputError
from wsdash.plan import load_plan
from wsdash.tui.app import WsdashApp
from wsdash.tui.feeds.journal_feed import JournalFeed

HEAVY = (
    "asyncpg",
    "aiohttp",
    "aiodocker",
    "psutil",
    "wsdash.data",
    "wsdash.stack",
    "wsdash.steps",
    "wsdash.watch",
)


def test_the_screens_pull_in_no_servers_client() -> None:
    modules = "wsdash.tui.app, wsdash.tui.screens.operator, wsdash.tui.feeds.memory_feed, wsdash.tui.shot"
    code = f"import sys, {modules};"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"


async def test_it_paints_before_there_is_a_run(tmp_path: Path) -> None:
    app = WsdashApp(tmp_path, "operator", ControlClient(tmp_path), JournalFeed(tmp_path), load_plan())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        text = screen_text(app)
        assert "starting the engine" in text
        assert "Backup current" in text


async def test_an_engine_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    async def starting() -> None:
        raise InputError("no room on the disk", where=str(tmp_path), remedy="free some space")

    control = ControlClient(tmp_path)
    app = WsdashApp(tmp_path, "operator", control, JournalFeed(tmp_path), load_plan(), starting=starting)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await pilot.pause(0.3)
        text = screen_text(app)
        assert "no room on the disk" in text
        assert "free some space" in text


async def test_every_set_of_colours_shows_the_same_words(tmp_path: Path) -> None:
    app = WsdashApp(tmp_path, "monitor", None, JournalFeed(tmp_path), load_plan())
    async with app.run_test(size=(120, 36)) as pilot:
        seen = set()
        for _ in range(4):
            await pilot.press("t")
            await pilot.pause()
            seen.add(app.theme)
            assert "Backup current" in screen_text(app)
        assert len(seen) == 4


def test_a_picture_of_a_run_is_the_real_screen(tmp_path: Path) -> None:
    import asyncio

    from tests.tui.test_terminal import written

    asyncio.run(written(tmp_path / "state"))
    out = tmp_path / "out.svg"
    words = ["--state", str(tmp_path / "state"), "--size", "120x36", str(out)]
    subprocess.run([sys.executable, "-m", "wsdash.tui.shot", *words], check=True, timeout=60)
    svg = out.read_text().replace("&#160;", " ")
    assert svg.lstrip().startswith("<svg")
    assert "Migrate data from TimescaleDB" in svg
    assert "OPERATOR" in svg
