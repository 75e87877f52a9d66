"""A program on a pseudo-terminal of its own: what it writes is counted and timed, and thrown away."""

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

import psutil


class Program:
    """Runs argv on a pty of that size; a thread of this process reads what it writes.

    The emulator of a real terminal would take CPU of its own, so nothing is drawn anywhere.
    """

    def __init__(
        self, argv: list[str], columns: int = 120, rows: int = 36, environment: dict[str, str] | None = None
    ) -> None:
        self.began = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            left_out = ("COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE")  # an installed program is compiled
            kept = {k: v for k, v in (environment or os.environ).items() if k not in left_out}
            os.execvpe(argv[0], argv, kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor"})
        self.process = psutil.Process(self.pid)
        self.bytes_read = 0
        self.first_byte = 0.0
        """Seconds from the start to the first byte that it wrote."""
        self._seen = b""
        self._changed = threading.Condition()
        threading.Thread(target=self._drain, daemon=True).start()

    def press(self, keys: str) -> float:
        """Type; forget what was written before, and return the moment (perf_counter)."""
        with self._changed:
            self._seen = b""
        at = time.perf_counter()
        os.write(self._fd, keys.encode())
        return at

    def wait_for(self, text: str, seconds: float = 20.0) -> float:
        """The moment (perf_counter) at which `text` had been written since the last key.

        Raises SystemExit when it was not within `seconds`.
        """
        wanted = text.encode()
        with self._changed:
            if not self._changed.wait_for(lambda: wanted in self._seen, seconds):
                raise SystemExit(f"{text!r} was not painted within {seconds:g} s")
            return time.perf_counter()

    def wait_for_key(self, keys: str, text: str) -> float:
        """Seconds from typing the keys to `text` being written; as wait_for."""
        began = self.press(keys)
        return self.wait_for(text) - began

    def cpu_seconds(self) -> float:
        """Of the process itself so far, user and system."""
        return sum(self.process.cpu_times()[:2])

    def end(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                if not select.select([self._fd], [], [], 0.5)[0]:
                    continue
                piece = os.read(self._fd, 65536)
                with self._changed:
                    self.first_byte = self.first_byte or time.perf_counter() - self.began
                    self.bytes_read += len(piece)
                    self._seen = (self._seen + piece)[-262_144:]
                    self._changed.notify_all()
