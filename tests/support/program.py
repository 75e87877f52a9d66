"""wsdash as its users run it: the real command in a process of its own, on a world of its own."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsdash.stack.base import is_port_free

GUIDE_PORTS = (3103, 3200, 3201, 5432, 5433, 5454, 6400, 7676, 9898)
FIRST_OFFSET = int(os.environ.get("WSDASH_TEST_OFFSET", "10000"))
"""Two suites that run at once on one machine are given first offsets that lie 1000 apart."""
_counter = itertools.count()


def free_offset() -> int:
    """A port offset whose ports are all free; workers of a parallel run never share one.

    Multiples of ten below 3200 apart never make two worlds' ports collide: no two of the guide's ports
    differ by such a number.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
    while True:
        offset = FIRST_OFFSET + worker * 400 + (next(_counter) % 40) * 10
        if all(is_port_free(port + offset) for port in GUIDE_PORTS):
            return offset


@dataclass
class Program:
    """Runs `wsdash` with one state directory and one port offset."""

    state: Path
    offset: int = field(default_factory=free_offset)
    environment: dict[str, str] = field(default_factory=dict)

    def argv(self, *words: str) -> list[str]:
        """The full command line of `wsdash WORDS --state STATE`."""
        return [sys.executable, "-m", "wsdash", *words, "--state", str(self.state)]

    def env(self) -> dict[str, str]:
        """The environment: ours, with a state home of the test's own."""
        home = self.state.parent / "home"
        home.mkdir(exist_ok=True)
        return os.environ | {"XDG_STATE_HOME": str(home), "PYTHONUNBUFFERED": "1"} | self.environment

    def run(self, *words: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            self.argv(*words),
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start and go on; output to STATE.out beside the state directory."""
        out = (self.state.parent / f"{self.state.name}.out").open("a")
        return subprocess.Popen(
            self.argv(*words), stdout=out, stderr=out, text=True, env=self.env(), stdin=subprocess.DEVNULL
        )

    def demo_words(self, *more: str, items: int = 300) -> tuple[str, ...]:
        """The words of a headless demo on this program's ports; in mode offline unless another is named."""
        mode = () if "--mode" in more else ("--mode", "offline")
        return (
            "demo",
            *mode,
            "--auto",
            "--headless",
            "--items",
            str(items),
            "--port-offset",
            str(self.offset),
            *more,
        )

    def demo(self, *more: str, items: int = 300, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run the headless demo to its end."""
        return self.run(*self.demo_words(*more, items=items), timeout=timeout)

    def output(self) -> str:
        """What a started program printed so far."""
        return (self.state.parent / f"{self.state.name}.out").read_text()

    def wait_for_output(self, text: str, timeout: float = 90) -> None:
        """Return when the started program printed `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.output():
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} was not printed; so far:\n{self.output()}")
            time.sleep(0.02)

    def world_processes(self) -> list[int]:
        """Pids of every process whose command line or environment names this state directory."""
        needle = str(self.state).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                text = (entry / "cmdline").read_bytes()
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if needle in text and status != "Z":
                found.append(int(entry.name))
        return found

    def sweep(self) -> None:
        """End whatever a failed test left behind."""
        for pid in self.world_processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content
