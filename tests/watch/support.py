"""What the tests of the pollers share: a clock that is moved by hand, a recorder, a stack, and servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from aiohttp import web

from wsdash.clock import VirtualClock
from wsdash.config import Settings, load_settings
from wsdash.model import AnyEvent, ContainerReading, Liveness, LogLine, SourceState

E = TypeVar("E")
EPOCH = 1_760_000_000.0


class FakeClock(VirtualClock):
    """A virtual clock on which all that can run has run before time goes on, and that can stall."""

    def __init__(self) -> None:
        super().__init__(EPOCH)

    def stall(self, seconds: float) -> None:
        """Time passes and nobody wakes up, as when the machine was suspended."""
        self._now += seconds

    async def _settle(self) -> None:
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass
class Recorder:
    """Keeps every event and log line."""

    events: list[AnyEvent] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)

    def emit(self, event: AnyEvent) -> None:
        self.events.append(event)

    def on_log(self, line: LogLine) -> None:
        self.lines.append(line)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self, source: str) -> list[Liveness]:
        return [state.liveness for state in self.of(SourceState) if state.source == source]

    async def until(self, condition: Callable[[], object], seconds: float = 90.0) -> None:
        """Wait until something holds; fails after that many seconds."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


class FakeStack:
    """A stack whose containers and log lines the test decides."""

    def __init__(self, readings: Sequence[ContainerReading] = ()) -> None:
        self.now = list(readings)
        self.error: Exception | None = None
        self.asked_since: list[float] = []
        self.history: list[LogLine] = []
        self.break_after: int | None = None

    async def readings(self) -> list[ContainerReading]:
        if self.error is not None:
            raise self.error
        return list(self.now)

    async def watch(self, changed: Callable[[], object]) -> None:
        self.changed = changed

    async def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        self.asked_since.append(since)
        sent, position = 0, 0
        while True:
            while position < len(self.history):
                line = self.history[position]
                position += 1
                if line.at >= since:
                    if self.break_after is not None and sent >= self.break_after:
                        self.break_after = None
                        raise ConnectionResetError("the engine went away")
                    sent += 1
                    yield line
            await asyncio.sleep(0.01)


def running(name: str, **more: object) -> ContainerReading:
    """A healthy container."""
    reading = ContainerReading(name, state="running", health="healthy", started_at=EPOCH)
    return msgspec.structs.replace(reading, **more)


def settings_of(tmp_path: Path, **sections: object) -> Settings:
    """The shipped settings with backups in the test's directory, and these sections replaced."""
    shipped = load_settings()
    paths = msgspec.structs.replace(shipped.paths, backups=str(tmp_path / "backups"))
    return msgspec.structs.replace(shipped, paths=paths, **sections)


@asynccontextmanager
async def http_server(port: int, routes: dict[str, Callable[[web.Request], object]]) -> AsyncIterator[str]:
    """An HTTP server on 127.0.0.1 for the length of a block; its base URL."""
    application = web.Application()
    for path, handler in routes.items():
        application.router.add_get(path, handler)  # type: ignore[arg-type]
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def hang(request: web.Request) -> web.Response:
    """A handler that does not answer."""
    await asyncio.sleep(60)
    return web.Response()


def answer(status: int = 200, text: str = "{}") -> Callable[[web.Request], object]:
    """A handler that always says the same."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    return handler


@asynccontextmanager
async def polling(run: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """A poller at work for the length of a block."""
    task = asyncio.create_task(run())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
