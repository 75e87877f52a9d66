"""What services write and what happens to them, for whoever listens.

All output goes through one writer, in one order, so that followers lose and repeat nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from wsdash.model import LogLine
from wsdash.stack.local.log_files import LogFile, LogReader, StoredLine, last_at, log_path, older

_STEP = 1e-6
_WAITING_LINES = 1_000


class LogHub:
    """Takes lines from the services' pipes and writes them; wakes who follows."""

    def __init__(self, directory: Path, names: tuple[str, ...]) -> None:
        """Opens the files: blocking, to be made before the event loop runs."""
        (directory / "logs").mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        paths = [log_path(directory, name) for name in names]
        self._last = max((last_at(p) for path in paths for p in (path, older(path))), default=0.0)
        self._files = {name: LogFile(path) for name, path in zip(names, paths, strict=True)}
        self._queue: asyncio.Queue[tuple[str, StoredLine]] = asyncio.Queue(_WAITING_LINES)
        self._written = asyncio.Event()
        self.committed = self._last
        """Every line up to this time is in the files."""

    async def put(self, name: str, stream: str, texts: list[str]) -> None:
        """Queue lines; waits while the writer is behind, which slows the service and not us."""
        now = time.time()
        for text in texts:
            await self._queue.put((name, StoredLine(now, stream, text)))

    async def run(self) -> None:
        """Write for ever. Cancelled only after `drain`."""
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await asyncio.to_thread(self._write, batch)
            self.committed = self._last
            done, self._written = self._written, asyncio.Event()
            done.set()
            for _ in batch:
                self._queue.task_done()

    async def drain(self) -> None:
        """Return when everything queued is written."""
        await self._queue.join()

    def _write(self, batch: list[tuple[str, StoredLine]]) -> None:
        by_name: dict[str, list[StoredLine]] = {}
        for name, line in batch:
            self._last = max(line.at, self._last + _STEP)
            by_name.setdefault(name, []).append(StoredLine(self._last, line.stream, line.text))
        for name, lines in by_name.items():
            self._files[name].append(lines)

    async def follow(
        self, since: float, names: tuple[str, ...], idle_seconds: float = 5.0
    ) -> AsyncIterator[list[LogLine]]:
        """Lines after `since`, for ever, in batches; an empty batch after `idle_seconds` without any."""
        reader = await asyncio.to_thread(LogReader, self._directory, names, since)
        try:
            while True:
                written = self._written
                lines = await asyncio.to_thread(reader.read, self.committed)
                if lines:
                    yield lines
                    continue
                try:
                    await asyncio.wait_for(written.wait(), idle_seconds)
                except TimeoutError:
                    yield []
        finally:
            reader.close()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()


_WAITING = 500


class ServiceEvent(msgspec.Struct, frozen=True):
    """what is state, health or die; detail is the new state, the new health, or how it ended."""

    at: float
    name: str
    what: str
    detail: str


class EventHub:
    """Hands events to listeners; one who does not keep up loses the oldest."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[ServiceEvent]] = set()

    def emit(self, name: str, what: str, detail: str) -> None:
        """Tell all listeners; never waits."""
        event = ServiceEvent(time.time(), name, what, detail)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    @contextmanager
    def listen(self) -> Iterator[asyncio.Queue[ServiceEvent]]:
        """A queue of events from now on, for the length of a block."""
        queue: asyncio.Queue[ServiceEvent] = asyncio.Queue(_WAITING)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
