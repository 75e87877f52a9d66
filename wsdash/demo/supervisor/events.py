"""What just happened to services, for whoever listens right now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

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
