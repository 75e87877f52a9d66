"""What was measured, as the latency pane and the metrics view show it: numbers, units, how they are read.

The latency pane has a window of the history in equal parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from wsdash.history.reader import HistoryReader, Point, SeriesSummary, StoreSize

if TYPE_CHECKING:
    from wsdash.history.reader import HistoryReader


PREFIX = "latency:"
PARTS = 60
SHORTEST_PART = 5.0
"""Seconds: in a shorter one a slow poller would seem to have a gap."""
FAILING = 0.1
"""A part of which so much got no answer is drawn as a failure."""


class Part(msgspec.Struct, frozen=True):
    """One part of the window. slowest: seconds, None when nothing answered. probes counts the failed too."""

    slowest: float | None
    failed: int
    probes: int

    @property
    def failing(self) -> bool:
        """Whether too much of it got no answer to be drawn as a value."""
        return self.slowest is None or self.failed >= FAILING * self.probes


class SeriesPast(msgspec.Struct, frozen=True):
    """A series over the window: parts (None: nobody measured), and its numbers in seconds."""

    parts: tuple[Part | None, ...]
    p50: float | None
    p99: float | None
    longest: float | None
    failed: int


class Past(msgspec.Struct, frozen=True):
    """What the history holds of one window (an index of trends.WINDOWS); times in epoch seconds.

    since: where the window begins, or the history when that is later (whole). trouble: why it is not read.
    """

    window: int
    since: float
    until: float
    series: dict[str, SeriesPast] = {}
    whole: bool = False
    trouble: str = ""


def read_past(reader: HistoryReader, window: int, until: float) -> Past:
    """Ask the history for every latency. Raises InputError. Blocks for I/O."""

    since = until - WINDOWS[window][1]
    begins = begins_within(reader, since, until)
    start = since if begins is None else begins
    if start >= until:
        return Past(window, since, until)
    found = {}
    count = max(1, min(PARTS, int((until - start) / SHORTEST_PART)))
    for name in reader.series():
        series = name.removeprefix(PREFIX)
        if series == name or ":" in series:  # the parts of a response time have a view of their own
            continue
        summary = reader.summary(name, start, until)
        points = reader.points(name, start, until, count)
        parts = tuple(
            None if p is None else Part(p.maximum, p.failures, p.count + p.failures) for p in points
        )
        found[series] = SeriesPast(parts, summary.p50, summary.p99, summary.maximum, summary.failures)
    return Past(window, start, until, found, begins is not None)


def spread(parts: Sequence[Part | None], cells: int) -> list[Part | None]:
    """The parts in at most `cells` cells, oldest first: a cell is as slow as its slowest part."""
    count = min(cells, len(parts))
    return [
        _together(parts[cell * len(parts) // count : (cell + 1) * len(parts) // count])
        for cell in range(count)
    ]


def _together(parts: Sequence[Part | None]) -> Part | None:
    seen = [part for part in parts if part is not None]
    if not seen:
        return None
    slowest = max((part.slowest for part in seen if part.slowest is not None), default=None)
    return Part(slowest, sum(part.failed for part in seen), sum(part.probes for part in seen))


WINDOWS: tuple[tuple[str, float], ...] = (("1 h", 3600.0), ("24 h", 86_400.0), ("14 d", 14 * 86_400.0))
PRESENCE = "self:memory"
"""Told by every engine that lives: where it has a gap, nobody watched."""


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
