"""The machine's disk, and what wsdash itself costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil

from wsdash.clock import Clock, SystemClock
from wsdash.model import HostReading
from wsdash.watch.pollers.poller import Blocking, Pace
from wsdash.watch.sources import Emit

PACE = Pace(interval=1.0, timeout=5.0)
LAG_STEP = 0.1


def disk_of(paths: Sequence[Path]) -> tuple[float, int]:
    """(per cent used, bytes free) of the fullest file system under these paths, as df counts. Blocking.

    At least one path; one that does not exist yet is replaced by its nearest parent that does.
    """
    usages = []
    for path in paths:
        place = path.absolute()
        while not place.exists():
            place = place.parent
        usages.append(psutil.disk_usage(str(place)))
    fullest = max(usages, key=lambda usage: usage.percent)
    return float(fullest.percent), fullest.free


class HostWatch:
    """The probe of the source `host`; `measure_lag` must run beside it."""

    def __init__(self, paths: Sequence[Path], emit: Emit, clock: Clock | None = None) -> None:
        self._emit = emit
        self._clock = clock or SystemClock()
        self._process = psutil.Process()
        self._process.cpu_percent(None)
        self._worst_lag = 0.0
        self._paths = tuple(paths)
        self._read = Blocking("host", self._measure)

    async def __call__(self) -> None:
        """Emit one HostReading; its lag is the worst since the last one."""
        percent, free, cpu, memory = await self._read()
        lag, self._worst_lag = self._worst_lag, 0.0
        self._emit(HostReading(percent, free, cpu, memory, lag))

    async def measure_lag(self) -> None:
        """Note for ever how late the loop wakes up; seconds."""
        while True:
            due = self._clock.monotonic() + LAG_STEP
            await self._clock.sleep(LAG_STEP)
            self._worst_lag = max(self._worst_lag, self._clock.monotonic() - due)

    def _measure(self) -> tuple[float, int, float, int]:
        percent, free = disk_of(self._paths)
        return percent, free, self._process.cpu_percent(None), self._process.memory_info().rss
