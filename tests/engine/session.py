"""An operator at an engine: sends intents through the socket, reads what happened in the journal."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from tests.engine.small_world import Small
from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.launch import wait_for_engine
from wsdash.engine.process import serve
from wsdash.model import AnyEvent, Intent, ItemChanged, ItemState, Reply
from wsdash.model.fold import RunView, fold_all


def history(small: Small) -> list[AnyEvent]:
    """All events of the run, without readings."""
    reader = JournalReader(small.state)
    try:
        return [recorded.event for recorded in reader.history()]
    finally:
        reader.close()


def view(small: Small) -> RunView:
    """The run as the journal tells it."""
    reader = JournalReader(small.state)
    try:
        return fold_all(reader.history())
    finally:
        reader.close()


def states(small: Small) -> dict[str, str]:
    """The state of each item that anything was heard of."""
    return {name: str(item.state) for name, item in view(small).items.items()}


def done_events(small: Small, item: str) -> list[ItemChanged]:
    """Each time this item became done."""
    return [
        event
        for event in history(small)
        if isinstance(event, ItemChanged) and event.item == item and event.state is ItemState.DONE
    ]


class Session:
    """`async with` runs an engine that stays until it is asked to stop."""

    def __init__(self, small: Small) -> None:
        self.small = small
        self.code: int | None = None
        self.changes: dict[str, Any] = {}
        self._engine: asyncio.Task[int] | None = None

    async def __aenter__(self) -> Session:
        options = self.small.options(exit_when_done=False, **self.changes)
        self._engine = asyncio.create_task(serve(options))
        ready = asyncio.create_task(self._ready())
        await asyncio.wait({self._engine, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self

    async def _ready(self) -> None:
        assert await wait_for_engine(self.small.state)
        while (await self.send("ping")).text.startswith("the world"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._engine is not None
        if not self._engine.done():
            await self.send("stop")
        self.code = await asyncio.wait_for(self._engine, 90)

    async def send(self, do: str, item: str = "", **more: Any) -> Reply:
        """An intent, and its answer."""
        return await ControlClient(self.small.state).send(Intent(do, item, **more))

    async def ask(self, do: str, item: str = "", **more: Any) -> None:
        """An intent that must be accepted."""
        reply = await self.send(do, item, **more)
        assert reply.ok, reply.text

    async def until(self, item: str, state: str) -> None:
        """Return when the item stands like that."""
        async with asyncio.timeout(90):
            while states(self.small).get(item) != state:  # noqa: ASYNC110 - the journal is what is tested
                await asyncio.sleep(0.01)

    async def acting(self, item: str) -> None:
        """Return when the item's step acts: it is running before, while it is only checked."""
        async with asyncio.timeout(90):
            while f"act {item}" not in self.small.ledger():  # noqa: ASYNC110 - the ledger is in files
                await asyncio.sleep(0.01)

    async def idle(self) -> None:
        """Return when the engine has nothing to do."""
        async with asyncio.timeout(90):
            while (await self.send("ping")).text != "idle":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
