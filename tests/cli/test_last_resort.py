"""A bug at the top of a command: one sentence, exit code 1, the traceback in a private file."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from wsdash.cli import main
from wsdash.cli.looking import inspect
from wsdash.failures import FILE, note_failure


class BadTextError(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state home, a state directory and a temporary directory of the test's own; hooks put back."""
    (tmp_path / "state").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    hook, last = threading.excepthook, logging.lastResort
    yield tmp_path
    threading.excepthook, logging.lastResort = hook, last


def raising(error: BaseException) -> object:
    def command(_: object) -> int:
        secret = "local-value-of-a-frame"  # noqa: F841
        raise error

    return command


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("boom \x1b]52;c;aGk=\x07\u202eevil"),
        RecursionError("deep"),
        MemoryError(),
        asyncio.CancelledError(),
        BaseExceptionGroup("several", [KeyError("a"), ValueError("b")]),
        ExceptionGroup("of errors", [KeyError("a")]),
        AssertionError(),
        BadTextError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_unexpected_exception_is_one_sentence_and_a_private_file(
    error: BaseException, places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inspect, "status", raising(error))
    assert main(["status", "--state", str(places / "state")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert type(error).__name__ in said.err
    assert "\x1b" not in said.err
    assert "\u202e" not in said.err
    file = places / "state" / FILE
    assert str(file) in said.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "Traceback" in file.read_text() or isinstance(error, BadTextError)
    assert "local-value-of-a-frame" not in file.read_text()


@pytest.mark.parametrize("lacking", ["absent", "a link", "a file"])
def test_without_a_usable_state_directory_the_file_is_a_temporary_one(
    lacking: str, places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = places / "other"
    if lacking == "a file":
        state.write_text("")
    if lacking == "a link":
        state.mkdir()
        (state / FILE).symlink_to(places / "elsewhere")
    monkeypatch.setattr(inspect, "status", raising(RuntimeError("boom")))
    assert main(["status", "--state", str(state)]) == 1
    [file] = (places / "temporary").iterdir()
    assert str(file) in capsys.readouterr().err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not (places / "elsewhere").exists()


def test_where_nothing_can_be_written_the_sentence_comes_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    monkeypatch.setattr(inspect, "status", raising(RuntimeError("boom")))
    assert main(["status", "--state", "/proc/nowhere"]) == 1
    assert "RuntimeError: boom" in capsys.readouterr().err


def test_the_file_is_begun_anew_when_it_is_large(places: Path) -> None:
    file = places / "state" / FILE
    file.write_bytes(b"x" * (2 << 20))
    note_failure(places / "state", RuntimeError("boom"))
    assert file.stat().st_size < 10_000


def complaints(
    command: Callable[[object], int],
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """What a command that ends well wrote to standard error."""
    monkeypatch.setattr(inspect, "status", command)
    assert main(["status", "--state", str(places / "state")]) == 0
    return capsys.readouterr().err


def test_a_drivers_connection_that_ends_unasked_is_no_bug_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], places: Path
) -> None:
    def command(_: object) -> int:
        for error in (ConnectionError("unexpected connection_lost() call"), KeyError("a bug")):
            assert logging.lastResort is not None
            raised = (type(error), error, None)
            logging.lastResort.handle(
                logging.LogRecord("asyncio", logging.ERROR, "", 0, "never retrieved", (), raised)
            )
        return 0

    said = complaints(command, places, monkeypatch, capsys)
    assert "KeyError" in said
    assert "connection_lost" not in said


def test_a_thread_that_fails_prints_no_traceback(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(_: object) -> int:
        thread = threading.Thread(target=lambda: 1 / 0, name="counter")
        thread.start()
        thread.join()
        return 0

    said = complaints(command, places, monkeypatch, capsys)
    assert "thread counter failed (ZeroDivisionError" in said
    assert "Traceback" not in said
    assert "ZeroDivisionError" in (places / "state" / FILE).read_text()


def test_a_forgotten_task_that_failed_prints_no_traceback(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: pytest takes what asyncio logs."""
    script = """
import asyncio, gc, sys
from wsdash.cli import main
from wsdash.cli.looking import inspect

def command(_):
    async def fails():
        raise KeyError("forgotten")

    async def run():
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        del task
        gc.collect()

    asyncio.run(run())
    return 0

inspect.status = command
sys.exit(main(sys.argv[1:]))
"""
    gc.collect()
    terminal = Terminal(
        [sys.executable, "-c", script, "status", "--state", str(places / "state")], dict(os.environ), 200
    )
    try:
        terminal.wait_for("failed (KeyError")
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.text()
    finally:
        terminal.end()
    assert "KeyError" in (places / "state" / FILE).read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["\x1b]52;c;aGk=\x07"],
        ["status", "--\x1b[2J"],
        ["migrate", "--mode", "\u202eenilno\x9b31m"],
        ["test", "--group", "\x1bP1$r\x1b\\"],
        ["demo", "--items", "\u200b\x1b[31m"],
        ["report", "\udcff\x1b["],
        ["alerts", "test", "\x1b[0m"],
    ],
)
def test_bad_words_are_repeated_without_their_power(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e\ud800-\udfff]", text)
    assert "error:" in said.err


SCREEN = """
import sys
from wsdash.cli import main
from wsdash.tui.screens.main import MainScreen

def show(self, view, frame):
    secret_local = "value-of-a-local"
    raise ZeroDivisionError("drawn \\x1b]52;c;aGk=\\x07")

MainScreen.show = show
sys.exit(main(sys.argv[1:]))
"""


def test_a_screen_that_fails_gives_the_terminal_back_and_ends_with_its_own_code(places: Path) -> None:
    terminal = Terminal(
        [sys.executable, "-c", SCREEN, "monitor", "--state", str(places / "state")], dict(os.environ), 160
    )
    try:
        assert terminal.wait(30) == 1
        terminal.wait_for("the screen failed (ZeroDivisionError")
        raw = terminal.received()
    finally:
        terminal.end()
    assert b"\x1b]52" not in raw
    assert b"Traceback" not in raw
    assert b"value-of-a-local" not in raw
    assert raw.rindex(b"\x1b[?1049l") > raw.rindex(b"\x1b[?1049h"), "the alternate screen was left"
    assert raw.rindex(b"\x1b[?25h") > raw.rindex(b"\x1b[?25l"), "the cursor is back"
    assert raw.rindex(b"\x1b[?1000l") > raw.rindex(b"\x1b[?1000h"), "the mouse is the terminal's again"
    assert "ZeroDivisionError" in (places / "state" / FILE).read_text()
