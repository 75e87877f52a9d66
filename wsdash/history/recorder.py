"""What of the journal's events becomes samples, and under which names."""

from __future__ import annotations

from collections.abc import Callable

from wsdash.model import (
    BackupTaken,
    ContainerReading,
    HostReading,
    LatencyReading,
    MetricsReading,
    Recorded,
)

Add = Callable[[str, float, float | None, str], None]

CALM = 10.0
"""Seconds between samples of what rarely changes; a change is kept at once."""
STALE = 90.0
"""Seconds: a container read less often than that is not part of the stack's memory."""
WORKSPACE = "workspace"


class HistoryRecorder:
    """Folds events into samples and hands them to `add` (HistoryWriter.add); for one thread at a time.

    Series: latency:<series> and its parts, up:<series> (1 or 0), cpu:, memory:, restarts:<container>,
    memory:stack, disk:percent, disk:free, self:cpu, self:memory, self:lag, backup:age, and all that a
    MetricsReading names. Seconds, bytes and per cent. What is missing gives no sample: a gap, not nought.
    """

    def __init__(self, add: Add) -> None:
        self._add = add
        self._told: dict[str, tuple[float, float]] = {}
        self._memory: dict[str, tuple[float, int]] = {}
        self._backup_at: float | None = None

    def see(self, recorded: Recorded) -> None:
        """Take an event, in the order of the journal; events that hold no numbers are ignored."""
        at, event = recorded.at, recorded.event
        match event:
            case LatencyReading():
                self._latency(at, event)
            case ContainerReading():
                self._container(at, event)
            case HostReading():
                self._host(at, event)
            case MetricsReading():
                for series, value in event.values.items():
                    self._add(series, at, value, "")
            case BackupTaken():
                self.backup_taken(at)

    def backup_taken(self, at: float) -> None:
        """A backup was proven then (epoch seconds): its age is told from now on."""
        self._backup_at = at

    def _latency(self, at: float, event: LatencyReading) -> None:
        name = f"latency:{event.series}"
        self._add(name, at, event.seconds, event.error)
        for part, seconds in event.parts.items():
            self._add(f"{name}:{part}", at, seconds, "")
        self._calm(f"up:{event.series}", at, 0.0 if event.seconds is None else 1.0, changes=True)

    def _container(self, at: float, event: ContainerReading) -> None:
        name = event.name
        if event.state != "missing":
            self._calm(f"restarts:{name}", at, float(event.restarts), changes=True)
        if event.memory_bytes is None:
            self._memory.pop(name, None)
        if event.cpu_percent is not None:
            self._add(f"cpu:{name}", at, event.cpu_percent, "")
        if event.memory_bytes is not None:
            self._add(f"memory:{name}", at, float(event.memory_bytes), "")
            if event.group == WORKSPACE:
                self._memory[name] = (at, event.memory_bytes)
                fresh = [size for seen, size in self._memory.values() if at - seen <= STALE]
                self._calm("memory:stack", at, float(sum(fresh)))

    def _host(self, at: float, event: HostReading) -> None:
        self._calm("disk:percent", at, event.disk_percent)
        self._calm("disk:free", at, float(event.disk_free_bytes))
        self._calm("self:cpu", at, event.self_cpu_percent)
        self._calm("self:memory", at, float(event.self_memory_bytes))
        self._calm("self:lag", at, event.loop_lag_seconds)
        if self._backup_at is not None:
            self._calm("backup:age", at, max(0.0, at - self._backup_at))

    def _calm(self, series: str, at: float, value: float, *, changes: bool = False) -> None:
        told_at, told = self._told.get(series, (float("-inf"), 0.0))
        # a clock that was set back must not silence a series
        if abs(at - told_at) >= CALM or (changes and value != told):
            self._told[series] = (at, value)
            self._add(series, at, value, "")
