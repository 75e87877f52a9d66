"""A real pseudo-terminal with an emulator behind it: what a person would see, and type."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import threading
import time

import pyte


class Terminal:
    """Runs a program on a pty of its own. Nobody reads it while `reading` is cleared."""

    def __init__(self, argv: list[str], env: dict[str, str], columns: int = 120, rows: int = 36) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._raw = bytearray()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.reading = threading.Event()
        self.reading.set()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            # the size is the terminal's own, not what the test runner was told of its terminal
            env = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
            os.execvpe(argv[0], argv, env | {"TERM": "xterm-256color", "COLORTERM": "truecolor"})
        self._code: int | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        """The screen as lines of text."""
        with self._lock:
            return "\n".join(self._screen.display)

    def received(self) -> bytes:
        """Every byte that the program has sent so far."""
        with self._lock:
            return bytes(self._raw)

    def settle(self, before: bytes, quiet: float = 0.15, timeout: float = 5) -> None:
        """Return when nothing has been sent for `quiet` seconds; before: what had been received earlier."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            time.sleep(quiet)
            now = self.received()
            if now == before:
                return
            before = now

    def wait_for(self, text: str, timeout: float = 120) -> None:
        """Return when the screen shows `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.text():
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} was not shown; the screen:\n{self.text()}")
            time.sleep(0.05)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._fd, keys.encode())

    def hang_up(self) -> None:
        """Close the terminal, as a dropped connection does."""
        self._ended.set()
        self.reading.set()
        self._thread.join(2)
        os.close(self._fd)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        os.kill(self.pid, number)

    def wait(self, timeout: float = 90) -> int:
        """The program's exit code (negative: the signal that ended it)."""
        deadline = time.monotonic() + timeout
        while self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise AssertionError(f"it did not end; the screen:\n{self.text()}")
            else:
                time.sleep(0.02)
        return self._code

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        if not self._ended.is_set():
            self.hang_up()

    def _read(self) -> None:
        poller = select.poll()  # select() takes no descriptor beyond 1023, and a long run of tests has more
        poller.register(self._fd, select.POLLIN)
        while not self._ended.is_set():
            self.reading.wait()
            try:
                if not poller.poll(100):
                    continue
                data = os.read(self._fd, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self._raw += data
                self._stream.feed(data)
