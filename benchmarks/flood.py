"""A run whose log spool grows by so many lines a second, written by an engine's own means."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import msgspec

from wsdash.engine.background.spool import DIRECTORY, SEGMENT_BYTES, SEGMENTS
from wsdash.engine.journal.store import Heartbeat
from wsdash.engine.journal.writer import Journal
from wsdash.model import ContainerReading, Liveness, LogLine, RunStarted, SourceState

CONTAINERS = tuple(f"container-{number}" for number in range(6))
PIECES = 20
"""Times a second that lines are written."""


class Flood:
    """A journal with an engine's signs of life, and a spool that is written `rate` lines a second.

    Lines are encoded as LogSpool does, and its limits are kept; LogSpool itself would let lines go when its
    queue is full, and here all of them must be there. written: lines so far.
    """

    def __init__(self, state: Path, rate: int) -> None:
        self.written = 0
        self._rate = rate
        self._directory = state / DIRECTORY
        self._directory.mkdir(parents=True)
        self._number, self._size = 1, 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._journal = Journal.open(state)
        started = RunStarted("flood", "offline", socket.gethostname(), os.getpid(), False, "benchmark")
        self._journal.emit(started)
        for name in CONTAINERS:
            self._journal.emit(ContainerReading(name, "running", "none"))
        for source in ("containers", "logs"):
            self._journal.emit(SourceState(source, Liveness.LIVE))
        self._threads = [
            threading.Thread(target=self._write_for_ever, daemon=True),
            threading.Thread(target=self._beat, daemon=True),
        ]

    def __enter__(self) -> Flood:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def faster(self, total: int) -> None:
        """Write as fast as the screen's feed can read, until there are `total` lines in all."""
        while self.written < total:
            self._write(2000)
            time.sleep(0.08)

    def _write_for_ever(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            self._write(self._rate // PIECES)
            due = max(due + 1 / PIECES, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))

    def _write(self, count: int) -> None:
        with self._lock:
            now, first = time.time(), self.written
            lines = (
                LogLine(CONTAINERS[n % 6], now, "stdout", f"GET /api/items/{n} 200 in 12 ms, 4 rows")
                for n in range(first, first + count)
            )
            data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            with (self._directory / f"{self._number:08d}.jsonl").open("ab") as file:
                file.write(data)
            self.written += count
            self._size += len(data)
            if self._size >= SEGMENT_BYTES:
                self._number, self._size = self._number + 1, 0
                old = self._directory / f"{self._number - SEGMENTS:08d}.jsonl"
                old.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._over.wait(0.4):
            self._journal.beat(Heartbeat(os.getpid(), socket.gethostname(), time.time(), "", 0.0))
