"""A stack in the time of a run that is days ahead: only what it tells from now on is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from wsdash.clock import ShiftedClock
from wsdash.model import ContainerReading, LogLine
from wsdash.watch.world import ShiftedStack

OVER, AHEAD = 1_000.0, 50_000.0


class Told:
    """A stack whose logs are asked for once; `since` is what was asked."""

    since = 0.0

    async def readings(self) -> list[ContainerReading]:
        return [
            ContainerReading("old", "running", "healthy", started_at=OVER - 10),
            ContainerReading("new", "running", "healthy", started_at=OVER + 10),
            ContainerReading("none", "exited", "none"),
        ]

    async def watch(self, changed: Callable[[], object]) -> None:
        changed()

    async def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        self.since = since
        yield LogLine("new", OVER + 5, "stderr", "ERROR")


async def test_a_container_that_began_before_the_days_keeps_its_beginning() -> None:
    readings = await ShiftedStack(Told(), ShiftedClock(AHEAD, OVER)).readings()
    assert [reading.started_at for reading in readings] == [OVER - 10, OVER + 10 + AHEAD, None]


async def test_log_lines_come_at_the_runs_time_and_none_from_the_days_that_were_lived() -> None:
    told = Told()
    stack = ShiftedStack(told, ShiftedClock(AHEAD, OVER))
    lines = [line async for line in stack.follow_logs(OVER + AHEAD - 3600)]
    assert told.since == OVER
    assert [line.at for line in lines] == [OVER + 5 + AHEAD]
    async for _ in stack.follow_logs(OVER + AHEAD + 60):
        pass
    assert told.since == OVER + 60
