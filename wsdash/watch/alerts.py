"""The alert rules at work: readings become samples, samples are judged once a second, changes are emitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsdash.clock import Clock, SystemClock
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ContainerReading,
    ContainerRestarted,
    HostReading,
    LatencyReading,
    MetricsReading,
)
from wsdash.watch.alerting.judge import Judge
from wsdash.watch.alerting.rules import AlertRule
from wsdash.watch.board import SERIES, Board
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.sources import Emit


class Alerts:
    """Judges readings and emits AlertChanged.

    A rule without readings tells nothing. logs_read: whether a container's log is read now.
    standing: alerts that an earlier process raised.
    """

    def __init__(
        self,
        rules: Iterable[AlertRule],
        board: Board,
        errors: ErrorCounter,
        emit: Emit,
        clock: Clock | None = None,
        standing: Iterable[AlertChanged] = (),
        logs_read: Callable[[str], bool] = lambda container: True,
    ) -> None:
        self._judge = Judge(rules, standing)
        self._board = board
        self._errors = errors
        self._emit = emit
        self._clock = clock or SystemClock()
        self._logs_read = logs_read

    def observe(self, event: AnyEvent) -> None:
        """Note a reading; events that no rule is about are ignored."""
        match event:
            case LatencyReading(series=series, seconds=seconds):
                self.sample(f"latency:{series}", seconds)
                self.sample(f"up:{series}", 0.0 if seconds is None else 1.0)
            case HostReading(disk_percent=percent):
                self.sample("disk:percent", percent)
            case MetricsReading(values=values):
                for series, value in values.items():
                    # these two are told more often by pool() and evaluate()
                    if not series.startswith(("errors:", "pool:")):
                        self.sample(series, value)
            case ContainerReading(name=name, state=state) if state != "missing":
                self.sample(f"restarted:{name}", 0.0)
            case ContainerRestarted(name=name, asked_by=""):
                self.sample(f"restarted:{name}", 1.0)

    def sample(self, series: str, value: float | None) -> None:
        """Note a sample of a series, taken just now; None is a probe that failed."""
        self._judge.add(series, self._clock.time(), value)

    def pool(self, used: int, limit: int) -> None:
        """Connections in use and their limit, just now."""
        self.sample("pool:limit", float(limit))
        self.sample("pool:used", float(used))

    def evaluate(self) -> None:
        """Judge every rule now."""
        container = self._board.container.get("api-new", "")
        if self._board.absence("api-new"):
            self._judge.absent(f"errors:{container}")
        elif container and self._logs_read(container):
            self.sample(f"errors:{container}", float(self._errors.count(self._clock.time())))
        for series in SERIES:
            if self._board.absence(series) or self._board.asked(series):
                self._judge.absent(f"latency:{series}")
                self._judge.absent(f"up:{series}")
        for change in self._judge.step(self._clock.time()):
            self._emit(change)
