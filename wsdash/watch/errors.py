"""The error rate of every container: lines with errors in the last minute, reported every ten seconds, and at
once when it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsdash.clock import Clock, SystemClock
from wsdash.model import LogLine, MetricsReading
from wsdash.watch.duty import Duties, unknown
from wsdash.watch.limits import LOOK_EVERY, TELL_EVERY
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.sources import Emit


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
