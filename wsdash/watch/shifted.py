"""A stack in the time of a run whose clock is not the machine's, which containers and their logs tell."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import msgspec

from wsdash.clock import ShiftedClock
from wsdash.model import ContainerReading, LogLine
from wsdash.model.ports import PortPlan, port_plan
from wsdash.watch.sources import WatchedStack


class ShiftedStack:
    """The same stack with its times moved to the run's. What began before the shift keeps its time."""

    def __init__(self, stack: WatchedStack, clock: ShiftedClock) -> None:
        self._stack = stack
        self._clock = clock

    async def readings(self) -> list[ContainerReading]:
        """As the stack's."""
        return [self._moved(reading) for reading in await self._stack.readings()]

    async def watch(self, changed: Callable[[], object]) -> None:
        """As the stack's."""
        await self._stack.watch(changed)

    async def port_plan(self) -> PortPlan:
        """As the stack's."""
        return await port_plan(self._stack)

    async def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        """Lines from the run's time `since` on, none of the days before the shift."""
        stream = self._stack.follow_logs(self._clock.machine(since))
        if not isinstance(stream, AsyncGenerator):
            async for line in stream:
                yield self._line(line)
            return
        async with aclosing(stream):
            async for line in stream:
                yield self._line(line)

    def _line(self, line: LogLine) -> LogLine:
        return msgspec.structs.replace(line, at=self._clock.of(line.at))

    def _moved(self, reading: ContainerReading) -> ContainerReading:
        if reading.started_at is None:
            return reading
        return msgspec.structs.replace(reading, started_at=self._clock.of(reading.started_at))
