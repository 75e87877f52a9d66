"""A terminal that goes away, or is blocked, ends the screen: at once, without spinning."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.tui.support import halfway
from wsdash.engine.journal.writer import Journal

SCRIPT = """
import sys
from pathlib import Path
from wsdash.plan import load_plan
from wsdash.tui.app import WsdashApp
from wsdash.tui.feeds.journal_feed import JournalFeed
state = Path(sys.argv[1])
app = WsdashApp(state, "monitor", None, JournalFeed(state), load_plan())
app.run()
raise SystemExit(app.return_code or 0)
"""


async def written(state: Path) -> Path:
    """A state directory with a run in it."""
    journal = Journal.open(state)
    for event in halfway():
        await journal.record(event)
    await journal.close()
    return state


@contextmanager
def screen(
    state: Path,
    ignored: tuple[signal.Signals, ...] = (),
    errors: Path | None = None,
    **environment: str,
) -> Iterator[tuple[int, int]]:
    """The monitor in a terminal of its own, painted: its pid and the terminal's other end.

    errors: where its standard error goes, when not to the terminal.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        if errors is not None:
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT, 0o600), 2)
        os.environ |= {"TERM": "xterm-256color"} | environment
        os.execv(sys.executable, [sys.executable, "-c", SCRIPT, str(state)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    try:
        read_until(terminal, b"Migrate data")
        yield pid, terminal
    finally:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def read_until(terminal: int, text: bytes, seconds: float = 90.0) -> bytes:
    seen = b""
    deadline = time.monotonic() + seconds
    while text not in seen:
        assert time.monotonic() < deadline, seen[-2000:]
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    return seen


def ended(pid: int, seconds: float) -> int:
    """The wait status of a process that ended within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    busy = psutil.Process(pid).cpu_percent(0.5)
    raise AssertionError(f"still there after {seconds} s, at {busy} % CPU")


async def test_sigterm_ends_it_and_restores_the_terminal(tmp_path: Path) -> None:
    with screen(await written(tmp_path)) as (pid, terminal):
        os.kill(pid, signal.SIGTERM)
        seen = await asyncio.to_thread(read_until, terminal, b"\x1b[?1049l")
        assert b"\x1b[?1049l" in seen
        assert os.WEXITSTATUS(ended(pid, 5)) == 128 + signal.SIGTERM


async def test_sighup_ends_it(tmp_path: Path) -> None:
    with screen(await written(tmp_path)) as (pid, _):
        os.kill(pid, signal.SIGHUP)
        ended(pid, 5)


async def test_a_closed_terminal_ends_it(tmp_path: Path) -> None:
    with screen(await written(tmp_path)) as (pid, terminal):
        os.close(terminal)
        ended(pid, 5)


async def test_a_terminal_that_goes_away_without_a_signal_ends_it(tmp_path: Path) -> None:
    with screen(await written(tmp_path), ignored=(signal.SIGHUP,)) as (pid, terminal):
        os.close(terminal)
        ended(pid, 5)


async def test_sigterm_ends_it_even_when_nobody_reads_its_terminal(tmp_path: Path) -> None:
    state = await written(tmp_path)
    with screen(state) as (pid, terminal):
        for number in range(40):  # every resize is a whole repaint, and nobody reads
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36 + number % 9, 160, 0, 0))
            os.kill(pid, signal.SIGWINCH)
            await asyncio.sleep(0.02)
        os.kill(pid, signal.SIGTERM)
        assert await asyncio.to_thread(ended, pid, 6) is not None


async def test_no_color_means_none_at_all(tmp_path: Path) -> None:
    with screen(await written(tmp_path), NO_COLOR="1") as (pid, terminal):
        os.write(terminal, b"2")
        os.write(terminal, b"q")
        seen = await asyncio.to_thread(read_until, terminal, b"\x1b[?1049l")
        ended(pid, 5)
        coloured = re.findall(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;0-9]*m", seen)
        assert b"\x1b[" in seen
        assert coloured == []


async def test_q_leaves_cleanly(tmp_path: Path) -> None:
    with screen(await written(tmp_path)) as (pid, terminal):
        os.write(terminal, b"q")
        await asyncio.to_thread(read_until, terminal, b"\x1b[?1049l")
        assert os.WEXITSTATUS(ended(pid, 5)) == 0


async def test_standard_error_in_a_file_leaves_the_screen_on_the_terminal(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with screen(await written(tmp_path / "state"), errors=errors) as (pid, terminal):
        os.write(terminal, b"q")
        await asyncio.to_thread(read_until, terminal, b"\x1b[?1049l")
        ended(pid, 5)
    assert errors.read_bytes() == b""


@pytest.mark.parametrize(
    "locale",
    [{"LC_ALL": "C"}, {"LC_ALL": "de_DE.ISO-8859-1"}, {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"}],
    ids=["C", "latin-1", "stream"],
)
async def test_a_locale_without_utf_8_gets_plain_signs(tmp_path: Path, locale: dict[str, str]) -> None:
    with screen(await written(tmp_path), (), None, **locale) as (pid, terminal):
        os.write(terminal, b"2")
        seen = await asyncio.to_thread(read_until, terminal, b"workspace-api")
        os.write(terminal, b"q")
        seen += await asyncio.to_thread(read_until, terminal, b"\x1b[?1049l")
        ended(pid, 5)
    assert b"\\u" not in seen
    assert b"---" in re.sub(rb"\x1b\[[0-9;?]*[ -/]*[@-~]", b"", seen)
    assert b"\xe2" not in seen  # the first byte of every box and sign in UTF-8
