"""A step context with real settings, facts in memory, and a list of what was emitted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any

import msgspec

from wsdash.config import load_settings
from wsdash.model import AnyEvent, ContainerReading, LogLine
from wsdash.stack.base import OutputSink
from wsdash.steps.base import StepContext


class MemoryFacts:
    """Facts of a run that lasts as long as a test."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        return self.values.get(name)

    async def put(self, name: str, value: Any) -> None:
        self.values[name] = value


class NoContainers:
    """A stack without a container."""

    async def readings(self) -> list[ContainerReading]:
        return []

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        raise AssertionError(f"nothing may be started here: {names}")

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        raise AssertionError(f"nothing may be stopped here: {names}")

    async def restart(self, name: str, output: OutputSink) -> None:
        raise AssertionError(f"{name} may not be restarted here")

    async def publishers(self) -> dict[int, str]:
        return {}

    async def images(self) -> dict[str, bool]:
        return {}

    async def execute(self, name: str, argv: list[str], timeout: float) -> str:
        raise AssertionError(f"nothing may be run inside {name}: {argv}")

    async def fetch_images(self, output: OutputSink) -> None:
        raise AssertionError("no image is missing here")

    async def watch(self, changed: Callable[[], object]) -> None:
        return

    async def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        return
        yield

    async def close(self) -> None:
        return


def context(state: Path, **changes: Any) -> tuple[StepContext, list[AnyEvent]]:
    """A context, and the list that its events go to. `changes` replace sections of the settings."""
    emitted: list[AnyEvent] = []
    settings = msgspec.structs.replace(load_settings(), **changes)
    ctx = StepContext(
        run="test-run",
        item="test-item",
        settings=settings,
        stack=NoContainers(),
        facts=MemoryFacts(),
        emit=emitted.append,
        state=state,
    )
    return ctx, emitted
