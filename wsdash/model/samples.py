"""What of the journal's events becomes samples, and under which names: the history keeps them, alerts are
judged by them, now, replayed, and on the page that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable

from wsdash.model.checklist import BackupTaken
from wsdash.model.journal import Recorded
from wsdash.model.readings import (
    ContainerReading,
    ContainerRestarted,
    HostReading,
    LatencyReading,
    MetricsReading,
)

Add = Callable[[str, float, float | None, str], None]

CALM = 10.0
"""Seconds between samples of what rarely changes; a change is kept at once."""
STALE = 90.0
"""Seconds: a container read less often than that is not part of the stack's memory."""
MOST_TICKS = 60
"""For how many questions one reading of another process may stand."""
WORKSPACE = "workspace"


class SampleFold:
    """Folds events into samples and hands them to `add` (as HistoryWriter.add); for one thread at a time.

    calm: seconds between samples of what rarely changes; 0: every reading is one.

    Series: latency:<series> and its parts, up:<series> (1 or 0), down:<series> (seconds since a probe without
    an answer, reported by the next one), cpu:, memory:, restarts:<container>, health:<container> of the new
    stack (1: running and healthy), memory:stack, disk:percent, disk:free, self:cpu, self:memory, self:lag,
    backup:age, and all that a MetricsReading names. Seconds, bytes and per cent. What is missing gives no
    sample: a gap, not 0. restarted:<container>: 1 for a restart that nobody asked for, 0 while it is read and
    tells when it was started. absent:<series> (a MetricsReading's): 1 while the service of that series
    rightly does not answer.
    """

    def __init__(self, add: Add, calm: float = CALM) -> None:
        self._add = add
        self._calm_seconds = calm
        self._reported: dict[str, tuple[float, float]] = {}
        self._memory: dict[str, tuple[float, int]] = {}
        self._unmeasured: set[str] = set()
        self._unanswered: dict[str, float] = {}
        """Series -> when its newest probe stayed without an answer."""
        self._backup_at: float | None = None

    def see(self, recorded: Recorded) -> None:
        """Take an event, in the order of the journal; events that hold no numbers are ignored."""
        at, event = recorded.at, recorded.event
        match event:
            case LatencyReading():
                self._latency(at, event)
            case ContainerReading():
                self._container(at, event)
            case ContainerRestarted(asked_by=""):
                self._add(f"restarted:{event.name}", at, 1.0, "")
            case HostReading():
                self._host(at, event)
            case MetricsReading():
                for series, value in event.values.items():
                    self._add(series, at, value, "")
            case BackupTaken():
                self.backup_taken(at)

    def backup_taken(self, at: float) -> None:
        """A backup was proven then (epoch seconds): its age is reported from now on."""
        self._backup_at = at

    def _latency(self, at: float, event: LatencyReading) -> None:
        name = f"latency:{event.series}"
        for _ in range(min(event.ticks, MOST_TICKS)):
            self._add(name, at, event.seconds, event.error)
        for part, seconds in event.parts.items():
            self._add(f"{name}:{part}", at, seconds, "")
        self._down(event, at)
        self._calm(f"up:{event.series}", at, 0.0 if event.seconds is None else 1.0, changes=True)

    def _down(self, event: LatencyReading, at: float) -> None:
        """Each probe that follows one without an answer tells the seconds between the two."""
        since = self._unanswered.pop(event.series, None)
        if since is not None and 0 <= at - since <= STALE:
            self._add(f"down:{event.series}", at, at - since, "")
        if event.seconds is None:
            self._unanswered[event.series] = at

    def _container(self, at: float, event: ContainerReading) -> None:
        name = event.name
        if event.group == WORKSPACE:
            well = event.state == "running" and event.health in ("healthy", "none")
            self._calm(f"health:{name}", at, float(well), changes=True)
            self._note_unmeasured(event)
        if event.state != "missing":
            self._calm(f"restarts:{name}", at, float(event.restarts), changes=True)
            if event.started_at is not None:  # else nobody could see a restart
                self._calm(f"restarted:{name}", at, 0.0)
        if event.memory_bytes is None:
            self._memory.pop(name, None)
        if event.cpu_percent is not None:
            self._add(f"cpu:{name}", at, event.cpu_percent, "")
        if event.memory_bytes is not None:
            self._add(f"memory:{name}", at, float(event.memory_bytes), "")
            if event.group == WORKSPACE:
                self._memory[name] = (at, event.memory_bytes)
                fresh = [size for seen, size in self._memory.values() if at - seen <= STALE]
                if not self._unmeasured:  # a sum without one that runs would tell too little
                    self._calm("memory:stack", at, float(sum(fresh)))

    def _note_unmeasured(self, event: ContainerReading) -> None:
        if event.state == "running" and event.memory_bytes is None:
            self._unmeasured.add(event.name)
        else:
            self._unmeasured.discard(event.name)

    def _host(self, at: float, event: HostReading) -> None:
        self._calm("disk:percent", at, event.disk_percent)
        self._calm("disk:free", at, float(event.disk_free_bytes))
        self._calm("self:cpu", at, event.self_cpu_percent)
        self._calm("self:memory", at, float(event.self_memory_bytes))
        self._calm("self:lag", at, event.loop_lag_seconds)
        if self._backup_at is not None:
            self._calm("backup:age", at, max(0.0, at - self._backup_at))

    def _calm(self, series: str, at: float, value: float, *, changes: bool = False) -> None:
        reported_at, reported = self._reported.get(series, (float("-inf"), 0.0))
        # a clock that was set back must not silence a series
        if abs(at - reported_at) >= self._calm_seconds or (changes and value != reported):
            self._reported[series] = (at, value)
            self._add(series, at, value, "")
