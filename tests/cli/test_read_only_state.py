"""A state directory that nobody may write to: what looks at a run looks all the same, and sees the newest."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from tests.tui.support import done, halfway
from wsdash.engine.journal.writer import Journal
from wsdash.history.file import FILE as HISTORY_FILE
from wsdash.history.store import HistoryWriter

FORMS = ("closed", "killed", "killed and restarted")
"""How its last writer left it: without a log; with a log and its index; with a log only (after a reboot)."""


async def written(state: Path, form: str) -> None:
    """A run whose newest event is that verify-data is done, and a history, as a writer left them."""
    live = state.with_name("live")
    journal, history = Journal.open(live), HistoryWriter.open(live / HISTORY_FILE)
    for event in (*halfway(), *done("verify-data", "the newest evidence")):
        await journal.record(event)
    history.add("latency:api-new", time.time() - 60, 0.25)
    history.flush()
    if form == "closed":
        await journal.close()
        history.close()
    left_out = shutil.ignore_patterns(*(["*-shm"] if form == "killed and restarted" else []))
    await asyncio.to_thread(shutil.copytree, live, state, ignore=left_out)
    if form != "closed":
        await journal.close()
        history.close()


@pytest.fixture(params=FORMS)
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path]:
    """A state directory of mode 0500, its files 0400."""
    made = tmp_path / "state"
    await written(made, request.param)
    for file in made.iterdir():
        file.chmod(0o400)
    made.chmod(0o500)
    yield made
    made.chmod(0o700)


PREFIX = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
"""Makes file modes bind: they do not bind root, unless it gives up its capabilities."""


def wsdash(*words: str) -> list[str]:
    """`wsdash WORDS` as a user whom file modes bind."""
    return [*PREFIX, sys.executable, "-m", "wsdash", *words]


def run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run to the end, with a state home of the test's own."""
    return subprocess.run(
        wsdash(*words),
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path / "home")},
        check=False,
    )


def content(state: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in state.iterdir() if not file.name.endswith("-shm")}


def test_every_command_that_looks_shows_the_newest_and_writes_nothing(state: Path, tmp_path: Path) -> None:
    before = content(state)
    assert subprocess.run([*PREFIX, "touch", str(state / "x")], check=False, capture_output=True).returncode
    status = run(tmp_path, "status", "--state", str(state))
    assert (status.stderr, status.returncode) == ("", 0)
    assert "the newest evidence" in status.stdout
    report = run(tmp_path, "report", "--json", "--state", str(state))
    assert (report.returncode, report.stderr) == (0, "")
    items = {item["id"]: item["state"] for item in json.loads(report.stdout)["items"]}
    assert items["verify-data"] == "done"
    folder = run(tmp_path, "report", "--directory", str(tmp_path / "report"), "--state", str(state))
    assert folder.returncode == 0, folder.stderr
    assert run(tmp_path, "alerts", "list", "--state", str(state)).returncode == 0
    assert content(state) == before


def test_the_monitor_shows_it(state: Path, tmp_path: Path) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "home")}
    terminal = Terminal(wsdash("monitor", "--state", str(state)), environment)
    try:
        terminal.wait_for("✓ Verify data integrity")
        terminal.press("q")
        assert terminal.wait() == 0
    finally:
        terminal.end()
