"""Row counts of both sides, as often as they can be had. What exact counting costs, the counter bounds."""

from __future__ import annotations

from wsdash.clock import Clock, SystemClock
from wsdash.watch.limits import LONGEST_INTERVAL
from wsdash.watch.pollers.poller import Pace, Poller
from wsdash.watch.sources import CountRows, Emit

PACE = Pace(interval=2.0, timeout=120.0, longest_pause=15.0)
SHARE = 10
"""A look at both servers takes at most one part in this many of the time."""


def rows_poller(count_rows: CountRows, emit: Emit, clock: Clock | None = None) -> Poller:
    """The poller of the source `rows`: every 2 s, slower (up to every 10 s) when a look takes long."""
    clock = clock or SystemClock()

    async def probe() -> None:
        begun = clock.monotonic()
        for reading in await count_rows():
            emit(reading)
        poller.interval = slowed_down(clock.monotonic() - begun)

    poller = Poller("rows", probe, emit, PACE, clock=clock)
    return poller


def slowed_down(seconds: float) -> float:
    """The interval for counts that take that long; both in seconds."""
    return min(max(PACE.interval, SHARE * seconds), LONGEST_INTERVAL)
