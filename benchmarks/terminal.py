"""A terminal that nobody reads, and what wsdash costs at rest.

python benchmarks/terminal.py --seconds 60 --items 100000 --json FILE

Opens the demo's screen on a pty, lets the engine run the whole plan, and does not read the pty for the given
time; then reads it again. Reported: the longest pause of the engine's event loop over its whole life (in
seconds) and, once the plan is done, CPU (per cent of one core) and memory (bytes) of engine, screen, monitor.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

import psutil

from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.operator.launch import engine_alive
from wsdash.errors import WsdashError
from wsdash.model import RunFinished


class Screen:
    """A wsdash command on a pty whose output is thrown away, unless `reading` is cleared."""

    def __init__(self, words: list[str]) -> None:
        self.reading = threading.Event()
        self.reading.set()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
            os.environ["TERM"] = "xterm-256color"
            os.execv(sys.executable, [sys.executable, "-m", "wsdash", *words])
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.reading.wait()
                if select.select([self._fd], [], [], 0.1)[0]:
                    os.read(self._fd, 65536)

    def kill(self) -> None:
        """End it."""
        self.reading.set()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def finished(state: Path) -> bool:
    """Whether the engine has come to the end of the plan."""
    with contextlib.suppress(WsdashError):
        reader = JournalReader(state)
        try:
            return any(isinstance(recorded.event, RunFinished) for recorded in reader.events(0, 1_000_000))
        finally:
            reader.close()
    return False


def worst_gap(state: Path) -> float:
    """Seconds."""
    reader = JournalReader(state)
    beat = reader.heartbeat()
    reader.close()
    return beat.worst_gap_seconds if beat is not None else float("nan")


def cost(pid: int, seconds: float) -> dict[str, float]:
    """CPU (per cent of one core) over `seconds`, and resident bytes."""
    process = psutil.Process(pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    used = sum(process.cpu_times()[:2]) - before
    return {"cpu_percent": 100 * used / seconds, "rss_bytes": float(process.memory_info().rss)}


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="wsdash-bench-"))
    state = base / "s"
    words = ["demo", "--auto", "--yes", "--items", str(arguments.items), "--state", str(state)]
    screen = Screen(words)
    time.sleep(2)
    screen.reading.clear()
    blocked_at = time.monotonic()
    ended_after = None
    while time.monotonic() - blocked_at < arguments.seconds:
        if ended_after is None and finished(state):
            ended_after = time.monotonic() - blocked_at
        time.sleep(0.25)
    gap = worst_gap(state)
    screen.reading.set()
    time.sleep(5)
    engine = engine_alive(state)
    assert engine is not None, "the engine did not survive"
    monitor = Screen(["monitor", "--state", str(state)])
    time.sleep(5)
    result = {
        "blocked_seconds": arguments.seconds,
        "items": arguments.items,
        "plan_done_after_seconds": ended_after,
        "worst_heartbeat_gap_seconds": gap,
        "engine_at_rest": cost(engine.pid, 15),
        "screen_at_rest": cost(screen.pid, 15),
        "monitor_at_rest": cost(monitor.pid, 15),
    }
    print(json.dumps(result, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2))
    monitor.kill()
    screen.kill()
    os.kill(engine.pid, signal.SIGTERM)
    psutil.wait_procs([psutil.Process(engine.pid)], timeout=60)
    shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
