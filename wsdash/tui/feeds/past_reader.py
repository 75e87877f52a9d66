"""Reads the history for the latency pane, again and again at little cost, and for the metrics view: which
numbers, in which unit, and what each means.

No first frame waits for this module: what it imports takes time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from wsdash.history.digest import Digest
from wsdash.history.reader import HistoryReader, Point, SeriesSummary, StoreSize
from wsdash.tui.limits import ANEW_SECONDS, LATE_SECONDS
from wsdash.tui.state.past import Part, Past, SeriesPast

WINDOWS: tuple[tuple[str, float], ...] = (("1 h", 3600.0), ("24 h", 86_400.0), ("14 d", 14 * 86_400.0))
PRESENCE = "self:memory"
"""Told by every engine that lives: where it has a gap, nobody watched."""
PREFIX = "latency:"
PARTS = 60
SHORTEST_PART = 5.0
"""Seconds: in a shorter one a slow poller would seem to have a gap."""
GROWTH = 1.25
"""By which the parts of a history that does not fill its window yet become longer, in steps: whenever they
do, every cell of the curve is another one."""


class PastReader:
    """Reads windows of one history; for one thread.

    Parts begin at multiples of their length, so that from one look to the next the same parts are shown.
    Those that are over are read once.
    """

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader
        self._known: dict[str, dict[int, Digest | None]] = {}
        """Series -> number of a part that is over -> what it holds."""
        self._known_for: tuple[int, float] = (0, 0.0)
        self._anew_at = -math.inf

    def read(self, window: int, until: float, *, anew: bool = False) -> Past:
        """Every latency over a window (an index of trends.WINDOWS) that ends at that epoch second.

        anew: read every part, also those that were read before. Raises InputError. Blocks for I/O.
        """
        longest = WINDOWS[window][1]
        begins = begins_within(self._reader, until - longest, until)
        start = until - longest if begins is None else begins
        if start >= until:
            return Past(window, until - longest, until)
        width = longest / PARTS if begins is None else part_length(until - start)
        anew = anew or not 0 <= until - self._anew_at < ANEW_SECONDS
        if anew or self._known_for != (window, width):
            self._known, self._known_for, self._anew_at = {}, (window, width), until
        first, end = math.floor(start / width), math.ceil(until / width)
        if begins is None and end - first > PARTS:
            first += 1  # of the window only a part lies in it
        found = {}
        for name in self._reader.series():
            series = name.removeprefix(PREFIX)
            if series != name and ":" not in series:  # the parts of a response time have a view of their own
                found[series] = _past_of(self._digests(name, first, end, width, until))
        return Past(window, start, until, found, begins is not None)

    def _digests(self, name: str, first: int, end: int, width: float, until: float) -> list[Digest | None]:
        before = self._known.get(name, {})
        known = {number: part for number, part in before.items() if first <= number < end}
        unread = next(number for number in range(first, end + 1) if number not in known)
        parts = [known[number] for number in range(first, unread)]
        if unread < end:
            parts += self._reader.digests(name, unread * width, end * width, end - unread)
        for number, part in enumerate(parts, first):
            if (number + 1) * width <= until - LATE_SECONDS:
                known[number] = part
        self._known[name] = known
        return parts


def part_length(seconds: float) -> float:
    """The length of a part where the history is so long: at most PARTS of them, not much fewer."""
    least = seconds / PARTS / SHORTEST_PART
    return SHORTEST_PART * GROWTH ** max(0, math.ceil(math.log(least, GROWTH)))


def _past_of(parts: Iterable[Digest | None]) -> SeriesPast:
    whole, shown = Digest(), list[Part | None]()
    for part in parts:
        shown.append(
            None
            if part is None
            else Part(part.maximum if part.count else None, part.failures, part.count + part.failures)
        )
        if part is not None:
            whole.merge(part)
    p50, p99 = whole.percentiles((0.5, 0.99))
    return SeriesPast(tuple(shown), p50, p99, whole.maximum if whole.count else None, whole.failures)


@dataclass(frozen=True)
class Metric:
    """One line of the view. unit: s, B, %, n (a count) or f (a flag, 1 or 0)."""

    series: str
    title: str
    unit: str
    meaning: str
    group: str


def _m(group: str, series: str, title: str, unit: str, meaning: str) -> Metric:
    return Metric(series, title, unit, meaning, group)


RESPONSE, STORAGE = "Response time of GET /api/items", "Storage and compute"
POOL, ERRORS = "Connections to the new database", "Errors"
CONTAINERS, MACHINE = "Containers", "Machine, and wsdash itself"

KNOWN: tuple[Metric, ...] = (
    _m(RESPONSE, "latency:api-new", "new API", "s", "what a user waits; the guide wants under 200 ms"),
    _m(RESPONSE, "latency:api-new:dns", "  name lookup", "s", "finding the server's address"),
    _m(RESPONSE, "latency:api-new:connect", "  connect", "s", "opening the connection"),
    _m(RESPONSE, "latency:api-new:first-byte", "  first byte", "s", "the service's own work"),
    _m(RESPONSE, "latency:api-new:total", "  total", "s", "all parts, and reading the answer"),
    _m(RESPONSE, "latency:api-old", "old API", "s", "the service before the migration, to compare with"),
    _m(POOL, "pool:used", "in use", "n", "sessions that count against the nearest limit"),
    _m(POOL, "pool:limit", "limit", "n", "of the server, the database or a role: at it clients are refused"),
    _m(ERRORS, "api:errors", "5xx a minute", "n", "answers of the new API that say it failed"),
    _m(ERRORS, "api:requests", "requests a second", "n", "how much the new API is used"),
    _m(STORAGE, "neon:getpage-p99", "page read p99", "s", "the pageserver hands one page to the compute"),
    _m(STORAGE, "neon:wal-kept", "WAL kept", "B", "kept by the safekeeper until the pageserver stored it"),
    _m(STORAGE, "wal-lag", "WAL lag", "B", "written by the safekeeper, not yet taken in by the pageserver"),
    _m(STORAGE, "neon:wait-lsn-p99", "WAL wait p99", "s", "a read that had to wait for WAL to arrive"),
    _m(STORAGE, "neon:wal-redo-p99", "WAL redo p99", "s", "making a page up from the log"),
    _m(STORAGE, "neon:upload-queue", "upload queue", "n", "uploads begun and not finished; should not grow"),
    _m(STORAGE, "neon:broken-tenants", "broken tenants", "n", "anything but 0 needs a person at once"),
    _m(STORAGE, "neon:resident-size", "resident size", "B", "what the pageserver holds on its disk"),
    _m(STORAGE, "neon:logical-size", "logical size", "B", "how large the database is to its users"),
    _m(STORAGE, "neon:live-connections", "live connections", "n", "computes connected to the pageserver"),
    _m(
        STORAGE,
        "neon:safekeeper-disk",
        "safekeeper disk",
        "B",
        "WAL that is kept; growing for days: not trimmed",
    ),
    _m(STORAGE, "neon:compute-up", "compute up", "f", "the compute says that it runs"),
    _m(STORAGE, "neon:compute-downtime", "compute downtime", "s", "for how long PostgreSQL has been down"),
    _m(CONTAINERS, "memory:stack", "stack memory", "B", "all four containers; the guide wants under 2 GB"),
    _m(MACHINE, "disk:percent", "disk used", "%", "of the fullest disk; the guide alerts over 80 %"),
    _m(MACHINE, "backup:age", "backup age", "s", "since the backup was proven"),
    _m(MACHINE, "self:memory", "wsdash memory", "B", "the engine's own"),
    _m(MACHINE, "self:cpu", "wsdash CPU", "%", "the engine's own"),
)
_BY_PREFIX = (
    ("pool:state:", POOL, "", "n", "sessions in this state"),
    ("errors:", ERRORS, "", "n", "log lines with errors in a minute; the guide alerts over 5"),
    ("cpu:", CONTAINERS, " CPU", "%", "of one processor"),
    ("memory:", CONTAINERS, " memory", "B", "in use"),
    ("restarts:", CONTAINERS, " restarts", "n", "counted by its engine; should not grow"),
)
GROUPS = (RESPONSE, ERRORS, POOL, STORAGE, CONTAINERS, MACHINE)


def metrics_for(series: Iterable[str]) -> tuple[Metric, ...]:
    """The lines to show, in order: all that are always shown, and those that the recorded series add."""
    known = {metric.series for metric in KNOWN}
    found = list(KNOWN)
    for name in sorted(set(series) - known):
        for prefix, group, suffix, unit, meaning in _BY_PREFIX:
            if name.startswith(prefix):
                found.append(Metric(name, name.removeprefix(prefix) + suffix, unit, meaning, group))
    return tuple(sorted(found, key=lambda metric: GROUPS.index(metric.group)))


@dataclass(frozen=True)
class Trend:
    """One metric over the window."""

    points: tuple[Point | None, ...]
    summary: SeriesSummary


NOTHING = StoreSize(0, 0.0)


@dataclass(frozen=True)
class Trends:
    """All that the view shows, read at one time. gaps and coverage count from `begins`, where the history
    begins within the window, else from the window's begin. trouble: why it cannot be read, or ''."""

    window: int
    until: float
    trends: dict[str, Trend]
    metrics: tuple[Metric, ...]
    gaps: tuple[tuple[float, float], ...] = ()
    coverage: float = 0.0
    size: StoreSize = NOTHING
    trouble: str = ""
    begins: float | None = None


def read_trends(reader: HistoryReader, window: int, until: float, buckets: int) -> Trends:
    """Ask the history for one window (an index of WINDOWS). Raises InputError. Blocks for I/O."""
    since = until - WINDOWS[window][1]
    names = reader.series()
    metrics = metrics_for(names)
    trends = {
        metric.series: Trend(
            reader.points(metric.series, since, until, buckets), reader.summary(metric.series, since, until)
        )
        for metric in metrics
        if metric.series in names
    }
    gaps, begins = reader.gaps(PRESENCE, since, until), begins_within(reader, since, until)
    if begins is not None:
        gaps = gaps[1:]
    watched = reader.summary(PRESENCE, since if begins is None else begins, until)
    return Trends(window, until, trends, metrics, gaps, watched.coverage, reader.size(), begins=begins)


def begins_within(reader: HistoryReader, since: float, until: float) -> float | None:
    """When the history begins, right to a minute, if that is within the window; else None. May block."""
    gaps = reader.gaps(PRESENCE, since, until)
    if gaps and gaps[0][0] == since and not reader.summary(PRESENCE, 0.0, since).count:
        return gaps[0][1]
    return None
