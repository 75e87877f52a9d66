"""The machine's disk, and what wsdash itself costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil

from wsdash.model import HostReading
from wsdash.tasks import LoopLag
from wsdash.watch.pollers.poller import Blocking, Pace
from wsdash.watch.sources import Emit

PACE = Pace(interval=2.0, timeout=5.0)


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
    """The probe of the source `host`. lag: its `run` must run beside it."""

    def __init__(self, paths: Sequence[Path], emit: Emit, lag: LoopLag) -> None:
        self._emit = emit
        self._lag = lag
        self._process = psutil.Process()
        self._process.cpu_percent(None)
        self._paths = tuple(paths)
        self._read = Blocking("host", self._measure)

    async def __call__(self) -> None:
        """Emit one HostReading; its lag is the worst since the last one."""
        percent, free, cpu, memory = await self._read()
        self._emit(HostReading(percent, free, cpu, memory, self._lag.take()))

    def _measure(self) -> tuple[float, int, float, int]:
        percent, free = disk_of(self._paths)
        return percent, free, self._process.cpu_percent(None), self._process.memory_info().rss
