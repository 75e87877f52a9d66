"""Time as wsdash sees it: injected, so that fourteen days can be lived in minutes and no test waits."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from; all values are seconds."""

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


class ScaledClock:
    """Passes `scale` times as fast as the machine's clock, beginning now (or at `start`, epoch seconds)."""

    def __init__(self, scale: float, start: float | None = None) -> None:
        if not scale > 0:
            raise ValueError("time must pass")
        self.scale = scale
        self.start = time.time() if start is None else start
        self._began = time.monotonic()

    def monotonic(self) -> float:
        """Scaled seconds since it began."""
        return (time.monotonic() - self._began) * self.scale

    def time(self) -> float:
        """Scaled seconds since the epoch."""
        return self.start + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep that many scaled seconds."""
        await asyncio.sleep(max(0.0, seconds) / self.scale)


class ShiftedClock(SystemClock):
    """The machine's clock, moved by `shift` seconds from the machine's time `since` on (epoch seconds).

    It follows the machine's wall clock, as other processes that know the shift do.
    """

    def __init__(self, shift: float, since: float) -> None:
        self.shift = shift
        self.since = since

    def time(self) -> float:
        """time.time, shifted."""
        return time.time() + self.shift

    def of(self, machine: float) -> float:
        """What this clock showed at the machine's time `machine`; before `since` it showed the machine's."""
        return machine + self.shift if machine >= self.since else machine

    def machine(self, at: float) -> float:
        """The machine's time when this clock showed `at`, but not before `since`."""
        return max(self.since, at - self.shift)


class VirtualClock:
    """Stands still until `advance`; whoever sleeps on it wakes up in the order of time."""

    def __init__(self, start: float = 0.0) -> None:
        self._start = start
        self._now = 0.0
        self._number = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        """Seconds that were advanced so far."""
        return self._now

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._start + self._now

    async def sleep(self, seconds: float) -> None:
        """Return when so much time was advanced."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._number), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass; each sleeper that is due has its turn before later ones wake."""
        end = self._now + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not future.done():
                future.set_result(None)
            await self._settle()
        self._now = max(self._now, end)
        await self._settle()

    async def _settle(self) -> None:
        """Give those that woke up their turn."""
        await asyncio.sleep(0)
