"""The migration guide's five alerts, with a duration before they begin and hysteresis before they end."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from wsdash.clock import Clock, SystemClock
from wsdash.config import Thresholds
from wsdash.model import AlertChanged, AnyEvent, HostReading, LatencyReading
from wsdash.watch.board import Board
from wsdash.watch.logs import ErrorCounter
from wsdash.watch.sources import Emit

API_SERIES = ("api-old", "api-new")
WINDOW = 20.0
FEWEST_PROBES = 5
CLEAR_AT = 0.8
"""Hysteresis: an API alert ends below this part of its limit."""
RESTART_MEMORY = 600.0
DISK_SLACK = 2.0
"""Hysteresis in percentage points."""
POOL_LIMIT, POOL_CLEAR = 0.9, 0.8


@dataclass(frozen=True)
class Judgement:
    """What a rule makes of the readings. Neither bad nor well: between limit and hysteresis, nothing changes.

    at_once: a raised alert ends without waiting, because what it is about is not meant to run any more.
    """

    bad: bool
    well: bool
    text: str
    at_once: bool = False


@dataclass
class Rule:
    """One alert. raise_after, clear_after: seconds for which it must be bad, or well, without a break."""

    name: str
    judge: Callable[[], Judgement | None]
    raise_after: float
    clear_after: float
    raised: bool | None = None
    bad_since: float | None = None
    well_since: float | None = None

    def step(self, judgement: Judgement, now: float) -> AlertChanged | None:
        """The change that follows, if any; now in seconds since the epoch."""
        self.bad_since = _since(self.bad_since, judgement.bad, now)
        self.well_since = _since(self.well_since, judgement.well, now)
        if self.bad_since is not None and not self.raised and now - self.bad_since >= self.raise_after:
            self.raised = True
            return AlertChanged(self.name, True, judgement.text, self.bad_since)
        if self.well_since is None or self.raised is False:
            return None
        long_enough = now - self.well_since >= self.clear_after
        # told at the first look too, so that an alert of a process that died does not stay for ever
        if self.raised is None or judgement.at_once or long_enough:
            self.raised = False
            return AlertChanged(self.name, False, judgement.text, now)
        return None


def _since(before: float | None, holds: bool, now: float) -> float | None:
    if not holds:
        return None
    return now if before is None else before


class Alerts:
    """Judges readings and emits AlertChanged.

    Rules: api-latency, error-rate, container-restarts, disk, connection-pool. The first look at each rule is
    told as well, as ended when all is well. A rule without readings tells nothing.
    """

    def __init__(
        self,
        thresholds: Thresholds,
        board: Board,
        errors: ErrorCounter,
        emit: Emit,
        clock: Clock | None = None,
    ) -> None:
        self._limits = thresholds
        self._board = board
        self._errors = errors
        self._emit = emit
        self._clock = clock or SystemClock()
        self._probes: dict[str, deque[tuple[float, float]]] = {name: deque() for name in API_SERIES}
        self._restarts: deque[tuple[float, str]] = deque()
        self._host: HostReading | None = None
        self._pool: tuple[int, int] | None = None
        self._rules = (
            Rule("api-latency", self._api, raise_after=5, clear_after=10),
            Rule("error-rate", self._error_rate, raise_after=0, clear_after=30),
            Rule("container-restarts", self._restarted, raise_after=0, clear_after=0),
            Rule("disk", self._disk, raise_after=5, clear_after=30),
            Rule("connection-pool", self._connections, raise_after=15, clear_after=15),
        )

    def observe(self, event: AnyEvent) -> None:
        """Note a reading; events that no rule is about are ignored."""
        if isinstance(event, LatencyReading) and event.series in self._probes:
            seconds = math.inf if event.seconds is None else event.seconds
            self._probes[event.series].append((self._clock.time(), seconds))
        elif isinstance(event, HostReading):
            self._host = event

    def restarted(self, container: str) -> None:
        """A container restarted just now without being asked to."""
        self._restarts.append((self._clock.time(), container))

    def pool(self, used: int, limit: int) -> None:
        """Connections in use and their limit, just now."""
        self._pool = (used, limit)

    def evaluate(self) -> None:
        """Judge every rule now."""
        now = self._clock.time()
        for rule in self._rules:
            judgement = rule.judge()
            change = rule.step(judgement, now) if judgement is not None else None
            if change is not None:
                self._emit(change)

    def _api(self) -> Judgement | None:
        limit = self._limits.alert_api_seconds
        worst: tuple[float, str] | None = None
        meant = 0
        for series in API_SERIES:
            probes = self._probes[series]
            if self._board.absence(series):
                probes.clear()
                continue
            meant += 1
            seconds = slow_edge(probes, self._clock.time())
            if seconds is not None and (worst is None or seconds > worst[0]):
                worst = (seconds, series)
        if meant == 0:
            return Judgement(False, True, "no API is meant to run", at_once=True)
        if worst is None:
            return None
        seconds, series = worst
        said = (
            "no answers" if math.isinf(seconds) else f"1 in 10 answers takes {seconds * 1000:.0f} ms or more"
        )
        text = f"{series}: {said} (limit {limit * 1000:.0f} ms)"
        return Judgement(seconds > limit, seconds <= CLEAR_AT * limit, text)

    def _error_rate(self) -> Judgement:
        container = self._board.container.get("api-new", "the API")
        if self._board.absence("api-new"):
            return Judgement(False, True, f"{container} is not meant to run", at_once=True)
        limit = self._limits.alert_errors_per_minute
        count = self._errors.count(self._clock.time())
        text = f"{container}: {count} log lines with errors in a minute (limit {limit:g})"
        return Judgement(count > limit, count <= limit, text)

    def _restarted(self) -> Judgement:
        now = self._clock.time()
        while self._restarts and self._restarts[0][0] <= now - RESTART_MEMORY:
            self._restarts.popleft()
        counts = Counter(name for _, name in self._restarts)
        named = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        text = f"restarted in the last 10 minutes: {named or 'none'}"
        return Judgement(bool(counts), not counts, text)

    def _disk(self) -> Judgement | None:
        if self._host is None:
            return None
        used, limit = self._host.disk_percent, self._limits.alert_disk_percent
        free = self._host.disk_free_bytes / 1024**3
        text = f"disk {used:.0f} % used, {free:.1f} GiB free (limit {limit:g} %)"
        return Judgement(used > limit, used <= limit - DISK_SLACK, text)

    def _connections(self) -> Judgement | None:
        if self._pool is None:
            return None
        used, limit = self._pool
        share = used / limit if limit else 1.0
        text = f"{used} of {limit} connections in use (limit {POOL_LIMIT:.0%})"
        return Judgement(share >= POOL_LIMIT, share < POOL_CLEAR, text)


def slow_edge(probes: deque[tuple[float, float]], now: float) -> float | None:
    """The seconds that one probe in ten of the last 20 s reached (infinite: no answer); None when too few.

    probes: (time, seconds), oldest first; older ones are dropped from it.
    """
    while probes and probes[0][0] <= now - WINDOW:
        probes.popleft()
    if len(probes) < FEWEST_PROBES:
        return None
    ordered = sorted(seconds for _, seconds in probes)
    return ordered[math.ceil(0.9 * len(ordered)) - 1]
