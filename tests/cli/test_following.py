"""`wsdash status --watch`: one line a change, and nothing that a screen reader cannot read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.terminal import Terminal
from tests.tui.support import done, started
from wsdash.engine.journal.writer import Journal
from wsdash.model import AlertChanged, Downtime, ItemChanged, ItemState, Notice, RowsReading


def lines_of(process: subprocess.Popen[str], until: str, found: list[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        found.append(line.rstrip("\n"))
        if until in line:
            return


async def test_every_change_is_a_line_with_its_time(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for event in (started(), *done("backup", "10 000 rows saved")):
        await journal.record(event)
    argv = [sys.executable, "-m", "wsdash", "status", "--watch", "--state", str(tmp_path)]
    process = subprocess.Popen(  # noqa: ASYNC220 - its output is read by threads
        argv,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "TERM": "dumb"},
        # a shell that runs the tests in the background has them ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    found: list[str] = []
    reader = threading.Thread(target=lines_of, args=(process, "no engine is alive", found))
    reader.start()
    reader.join(60)
    assert "10 000 rows saved" in "\n".join(found)
    later: list[str] = []
    reader = threading.Thread(target=lines_of, args=(process, "the end", later))
    reader.start()
    for event in (
        ItemChanged("stop-old", ItemState.RUNNING),
        Downtime(True, 1.0),
        RowsReading("s.t", 1, 1),
        ItemChanged("stop-old", ItemState.FAILED, "it\x1b[31m hangs", 1.5, remedy="look"),
        AlertChanged("disk", True, "disk is full", 1.0),
        Notice("info", "the end"),
    ):
        await journal.record(event)
    reader.join(60)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    await journal.close()
    assert len(later) == 5  # a reading is no change
    for line, words in zip(
        later, ("stop-old is running", "downtime began", "hangs", "disk is full", "the end"), strict=True
    ):
        assert words in line
        assert line[2] == line[5] == ":"
        assert "\x1b" not in line


def test_a_terminal_that_draws_nothing_is_told_the_way(tmp_path: Path) -> None:
    argv = ["env", "TERM=dumb", sys.executable, "-m", "wsdash", "monitor", "--state", str(tmp_path)]
    terminal = Terminal(argv, dict(os.environ))
    try:
        terminal.wait_for("wsdash status --watch")
        assert terminal.wait() == 2
    finally:
        terminal.end()
