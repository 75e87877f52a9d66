"""The read-only screen in a real browser: what it shows and may load, and that no key changes anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.test_serve import serving
from tests.support.chromium import PROGRAM, browser
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.control import ControlServer
from wsdash.model import Intent, Reply

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        PROGRAM is None and not os.environ.get("WSDASH_REQUIRE_CHROMIUM"), reason="needs the package chromium"
    ),
]


async def test_the_page_shows_the_run_and_no_key_changes_anything(tmp_path: Path) -> None:
    state = tmp_path / "state"
    intents: list[Intent] = []

    async def handle(intent: Intent) -> Reply:
        intents.append(intent)
        return Reply(True, "")

    async with (
        serving(state) as (base, _),
        ControlServer(state, handle),
        browser(tmp_path / "profile") as page,
    ):
        before = len(JournalReader(state).history())
        await page.go(base)
        for words in ("MONITOR", "Migrate data", "workspace-api", "q Leave"):
            await page.until(words)
        await page.click(600, 400)
        for key in ("a", "r", "R", "F", "x", "p", "Enter", "Escape", "v", "s"):
            await page.press(key)
        await page.until("Schema: source")
        await page.press("Escape")
        assert "OPERATOR" not in page.text()
        assert intents == []
        assert len(JournalReader(state).history()) == before
        picture = await page.picture()
        if wanted := os.environ.get("WSDASH_TEST_PICTURES"):
            (Path(wanted) / "browser.png").write_bytes(picture)
        assert len(picture) > 30_000, "a page of words, not of one colour"
        assert {address.split("/")[2] for address in page.asked_for if "://" in address} <= {
            base.removeprefix("http://"),
            "fonts.googleapis.com",
        }
        assert any("fonts.googleapis.com" in told for told in page.refused), "nothing of elsewhere is loaded"


async def test_without_its_token_a_page_shows_nothing_of_the_run(tmp_path: Path) -> None:
    words = ("--host", "0.0.0.0")  # noqa: S104
    async with serving(tmp_path / "state", *words) as (base, told), browser(tmp_path / "profile") as page:
        port = base.rpartition(":")[2]
        await page.go(f"http://127.0.0.1:{port}/")
        await page.until("not served here")
        assert told.split("token=")[1].split()[0] not in await page.words()
        assert page.text().strip() == ""
