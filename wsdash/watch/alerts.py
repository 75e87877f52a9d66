"""The alert rules at work: readings become samples, samples are judged once a second, changes are emitted.

The error rate of every container is one of the series: lines with errors in the last minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsdash.clock import Clock, SystemClock
from wsdash.model import AlertChanged, AnyEvent, LogLine, MetricsReading, Recorded
from wsdash.model.samples import SampleFold
from wsdash.watch.alerting.judge import ABSENCE, ABSENT, AlertJudge
from wsdash.watch.alerting.rules import AlertRule
from wsdash.watch.board import SERIES, Board
from wsdash.watch.limits import LOOK_EVERY, TELL_EVERY
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.sources import Duties, Emit, unknown

TOLD_AGAIN = 60.0
"""Seconds after which it is reported again: a replay may begin at any time."""


class Alerts:
    """Judges readings and emits AlertChanged; and a MetricsReading of what rightly does not answer, so that a
    replay of the history, and whoever reads the journal, knows it too.

    A rule without readings tells nothing. logs_read: whether a container's log is read now.
    raised_before: alerts that an earlier process raised.
    """

    def __init__(
        self,
        rules: Iterable[AlertRule],
        board: Board,
        errors: ErrorCounter,
        emit: Emit,
        clock: Clock | None = None,
        raised_before: Iterable[AlertChanged] = (),
        logs_read: Callable[[str], bool] = lambda container: True,
    ) -> None:
        self._judge = AlertJudge(rules, raised_before, board.container)
        self._fold = SampleFold(lambda series, at, value, error: self._judge.add(series, at, value), 0.0)
        self._absent: dict[str, float] = {}
        self._absence_told = 0.0
        self._board = board
        self._errors = errors
        self._emit = emit
        self._clock = clock or SystemClock()
        self._logs_read = logs_read

    def observe(self, event: AnyEvent) -> None:
        """Note a reading; events that no rule is about are ignored."""
        self._fold.see(Recorded(0, self._clock.time(), event))

    def sample(self, series: str, value: float | None) -> None:
        """Note a sample of a series, taken just now; None is a probe that failed."""
        self._judge.add(series, self._clock.time(), value)

    def evaluate(self) -> None:
        """Judge every rule now."""
        now = self._clock.time()
        self._tell_absence(now)
        container = self._board.container.get("api-new", "")
        if container and not self._absent[ABSENT + "api-new"] and self._logs_read(container):
            self.sample(f"errors:{container}", float(self._errors.count(now)))
        for change in self._judge.step(now):
            self._emit(change)

    def _tell_absence(self, now: float) -> None:
        absent = {
            ABSENT + series: float(bool(self._board.absence(series) or self._board.asked(series)))
            for series in SERIES
        }
        for series, value in absent.items():
            self._judge.add(series, now, value)
        if absent != self._absent or now - self._absence_told >= TOLD_AGAIN:
            self._absent, self._absence_told = absent, now
            self._emit(MetricsReading(ABSENCE, absent))


class ErrorRates:
    """Counts the containers named here, and every other one from its first line on.

    read: whether a container's log is read now. Nothing is reported of others: silence is no proof.
    duties: errors that follow from the state of the run are left out.
    """

    def __init__(
        self,
        containers: Iterable[str],
        emit: Emit,
        clock: Clock | None = None,
        read: Callable[[str], bool] = lambda container: True,
        duties: Duties = unknown,
    ) -> None:
        self._read = read
        self._counters = {name: ErrorCounter(name) for name in containers}
        self._emit = emit
        self._clock = clock or SystemClock()
        self._duties = duties

    def counter(self, container: str) -> ErrorCounter:
        """The container's own count, which `see` feeds."""
        return self._counters.setdefault(container, ErrorCounter(container))

    def see(self, line: LogLine) -> None:
        """Note a line of any container."""
        counter = self.counter(line.container)
        if counter.counts(line) and line.at > self._duties(line.container).blameless_until:
            counter.see(line)

    async def run(self) -> None:
        """Tell for ever."""
        reported, reported_at = dict[str, float](), 0.0
        while True:
            await self._clock.sleep(LOOK_EVERY)
            now = self._clock.time()
            rates, missing = dict[str, float](), dict[str, str]()
            for name, held in self._counters.items():
                if self._read(name):
                    rates[f"errors:{name}"] = float(held.count(now))
                else:
                    missing[f"errors:{name}"] = "its log is not read: it does not run, or cannot be reached"
            if rates != reported or now - reported_at >= TELL_EVERY:
                reported, reported_at = rates, now
                self._emit(MetricsReading("errors", rates, missing))
