"""With no engine alive the monitor polls by itself, and asks for a stack that can only be read."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from tests.engine.small_world import NoContainers
from tests.support.servers import free_port
from wsdash.config import ApiSettings, Settings, load_settings
from wsdash.engine.journal.writer import Journal
from wsdash.engine.observe import observe
from wsdash.model import AnyEvent, ContainerReading, ItemChanged, ItemState, LatencyReading, SourceState
from wsdash.stack.base import Stack


class Closing(NoContainers):
    """Remembers that it was closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


async def test_it_polls_read_only_and_lets_go_when_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Closing()
    asked: list[bool] = []

    async def open_stack(settings: Settings, *, read_only: bool = False) -> Stack:
        asked.append(read_only)
        return stack

    monkeypatch.setattr("wsdash.engine.observe.open_world_stack", open_stack)
    monkeypatch.chdir(tmp_path)
    heard: list[AnyEvent] = []
    watching = asyncio.create_task(observe(load_settings(), heard.append, lambda _: None))
    async with asyncio.timeout(90):
        while not heard:  # noqa: ASYNC110 - the pollers speak when they like
            await asyncio.sleep(0.02)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert asked == [True]
    assert stack.closed
    assert os.listdir(tmp_path) == []


class Ended(Closing):
    """The new API's container ended with exit code 0, as after a stop."""

    async def readings(self) -> list[ContainerReading]:
        return [ContainerReading("workspace-api", "exited", "unknown", "workspace", exit_code=0)]


@pytest.mark.parametrize("begun", [True, False], ids=["the new stack is meant to run", "no run is known"])
async def test_what_should_run_is_told_by_the_journal_not_by_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    async def open_stack(settings: Settings, *, read_only: bool = False) -> Stack:
        return Ended()

    monkeypatch.setattr("wsdash.engine.observe.open_world_stack", open_stack)
    if begun:
        journal = Journal.open(tmp_path)
        await journal.record(ItemChanged("start-stack", ItemState.DONE))
        await journal.close()
    dead = f"http://127.0.0.1:{free_port()}"
    settings = msgspec.structs.replace(load_settings(), api=ApiSettings(dead, dead))
    heard: list[AnyEvent] = []
    watching = asyncio.create_task(observe(settings, heard.append, lambda _: None, state=tmp_path))
    found: list[SourceState] = []
    async with asyncio.timeout(90):
        while not found:
            found = [e for e in heard if isinstance(e, SourceState) and e.source == "latency:api-new"]
            await asyncio.sleep(0.02)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert found[-1].detail.startswith("not started") is not begun, found
    assert any(isinstance(e, LatencyReading) and e.series == "api-new" for e in heard) is begun
