"""Hands recorded events to a callback in a thread of its own: a terminal nobody reads stalls only itself."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable

from wsdash.engine.limits import FLUSH_SECONDS
from wsdash.model import Recorded


class Outlet:
    """Calls `show` for each event in order. A callback that fails with an OSError is not called again."""

    def __init__(self, show: Callable[[Recorded], None]) -> None:
        self._show = show
        self._queue: queue.SimpleQueue[Recorded | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
        self._thread.start()

    def put(self, recorded: Recorded) -> None:
        """Hand over without waiting; from any thread."""
        self._queue.put(recorded)

    async def close(self) -> None:
        """Wait until all is shown, at most 5 s."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, FLUSH_SECONDS)

    def _run(self) -> None:
        open_ended = True
        while (recorded := self._queue.get()) is not None:
            if open_ended:
                try:
                    self._show(recorded)
                except OSError:
                    open_ended = False  # the terminal is gone; the run is not
