"""Time as the pollers see it: injected, so that tests need not wait."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where a poller's time comes from; all values are seconds."""

    def monotonic(self) -> float:
        """A clock that never jumps."""
        ...

    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that time; at once (but after other tasks had their turn) when it is not positive."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """time.monotonic."""
        return time.monotonic()

    def time(self) -> float:
        """time.time."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """asyncio.sleep."""
        await asyncio.sleep(max(0.0, seconds))
