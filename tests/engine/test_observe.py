"""With no engine alive the monitor polls by itself, and asks for a stack that can only be read."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.engine.small_world import NoContainers
from wsdash.config import Settings, load_settings
from wsdash.engine.observe import observe
from wsdash.model import AnyEvent
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
    async with asyncio.timeout(20):
        while not heard:  # noqa: ASYNC110 - the pollers speak when they like
            await asyncio.sleep(0.02)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert asked == [True]
    assert stack.closed
    assert os.listdir(tmp_path) == []
