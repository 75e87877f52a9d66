"""The reading side of the history: any window of any series, in well under a tenth of a second."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wsdash.history.digest import MINUTE, Digest, unpack_digest, unpack_minutes
from wsdash.history.file import HISTORY, HOUR, edge_samples, open_for_reading
from wsdash.sqlite_file import Signature, signature

DAY = 86400.0


@dataclass(frozen=True)
class SeriesSummary:
    """A series over a window. count: values; failures: samples without one; coverage: the share (0..1) of the
    window's minutes that hold a sample of either kind. What needs values is None while there are none; the
    percentiles are right to 1 %."""

    count: int
    failures: int
    coverage: float
    minimum: float | None
    maximum: float | None
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    last: float | None
    last_at: float | None


@dataclass(frozen=True)
class Point:
    """One part of a window, which begins at `at`; the values are None when every sample in it failed."""

    at: float
    minimum: float | None
    p50: float | None
    p99: float | None
    maximum: float | None
    count: int
    failures: int
    p95: float | None = None


@dataclass(frozen=True)
class StoreSize:
    """bytes: the file with its write-ahead log. bytes_per_day: how fast finished hours fill it, at the rate
    of the newest day. samples_per_minute: how many come in, over five minutes."""

    bytes: int
    bytes_per_day: float
    samples_per_minute: float = 0.0


@dataclass(frozen=True)
class _Series:
    id: int
    rolled: float
    """Epoch seconds: before it the digests speak, from it on the raw samples."""
    kept: float
    """Epoch seconds: from it on raw samples are still there."""


class HistoryReader:
    """Reads path, a file that a HistoryWriter may be writing at the same time; from any thread.

    A file that does not exist (yet) reads as a history without series. Windows are since <= at < until, in
    epoch seconds. Where raw samples are gone (after one to two hours, but not around a cut) a window's edges
    are moved out to whole minutes. Every method raises InputError for a foreign or damaged file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._frozen: Signature | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the file; the next question opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def series(self) -> tuple[str, ...]:
        """The names of all series, sorted."""
        with self._reading() as db:
            if db is None:
                return ()
            return tuple(row[0] for row in db.execute("select name from series order by name"))

    def summary(self, series: str, since: float, until: float) -> SeriesSummary:
        """The series over the window; a series that nobody knows has no samples."""
        whole = Digest()
        with self._reading() as db:
            found = self._find(db, series)
            if db is not None and found is not None:
                for digest in _digests(db, found, since, until):
                    whole.merge(digest)
        minutes = _minutes_in(since, until)
        coverage = min(1.0, whole.covered / minutes) if minutes else 0.0
        if not whole.count:
            return SeriesSummary(0, whole.failures, coverage, *(None,) * 8)
        p50, p95, p99 = whole.percentiles((0.5, 0.95, 0.99))
        return SeriesSummary(
            whole.count,
            whole.failures,
            coverage,
            whole.minimum,
            whole.maximum,
            whole.total / whole.count,
            p50,
            p95,
            p99,
            whole.last,
            whole.last_at,
        )

    def percentile(self, series: str, q: float, since: float, until: float) -> float | None:
        """The q-th percentile (q in 0..1) of the values in the window, right to 1 %; None without values."""
        whole = Digest()
        with self._reading() as db:
            found = self._find(db, series)
            if db is not None and found is not None:
                for digest in _digests(db, found, since, until):
                    whole.merge(digest)
        return whole.percentile(q)

    def points(self, series: str, since: float, until: float, buckets: int) -> tuple[Point | None, ...]:
        """The window in `buckets` equal parts, oldest first; None: a gap, nobody measured. As `digests`."""
        width = (until - since) / buckets
        return tuple(
            None if part is None else _point(part, since + index * width)
            for index, part in enumerate(self.digests(series, since, until, buckets))
        )

    def digests(self, series: str, since: float, until: float, buckets: int) -> list[Digest | None]:
        """What each of `buckets` equal parts of the window holds, oldest first; None: nobody measured.

        Where a part is longer than an hour, a finished hour counts for the part in which it begins; where it
        is longer than a minute, so does a minute.
        """
        width = (until - since) / buckets
        parts: list[Digest | None] = [None] * buckets
        with self._reading() as db:
            found = self._find(db, series)
            if db is not None and found is not None and width > 0:
                for at, digest in _steps(db, found, since, until, width):
                    index = min(buckets - 1, max(0, int((at - since) / width)))
                    part = parts[index]
                    if part is None:
                        part = parts[index] = Digest()
                    part.merge(digest)
        return parts

    def pieces(
        self, series: str, since: float, until: float
    ) -> tuple[tuple[float, float | Digest | None], ...]:
        """All that is left of the window, oldest first: (at, value) of a sample, None of one that failed, and
        (begin, digest) of a minute whose samples are gone."""
        with self._reading() as db:
            found = self._find(db, series)
            if db is None or found is None:
                return ()
            raw_from = found.kept if since >= found.kept else found.rolled
            rows = db.execute(
                "select at, value from raw where series = ? and at >= ? and at < ? order by at, id",
                (found.id, max(since, raw_from), until),
            ).fetchall()
            return (*_minutes(db, found, since, min(until, raw_from)), *rows)

    def gaps(
        self, series: str, since: float, until: float, shortest: float = 120.0
    ) -> tuple[tuple[float, float], ...]:
        """The times (from, to) of at least `shortest` seconds in which no minute holds a sample, in order.

        The time before a series' first sample is a gap too. Right to a minute.
        """
        with self._reading() as db:
            found = self._find(db, series)
            held = [] if db is None or found is None else sorted(_held_minutes(db, found, since, until))
        gaps = []
        edge = since
        for minute in held:
            if minute * MINUTE - edge >= shortest:
                gaps.append((edge, minute * MINUTE))
            edge = max(edge, (minute + 1) * MINUTE)
        if until - edge >= shortest:
            gaps.append((edge, until))
        return tuple(gaps)

    def size(self, now: float | None = None) -> StoreSize:
        """What the history takes on disk, and how fast it grows.

        now: where the five minutes of samples_per_minute end, epoch seconds; None: at the newest sample.
        """
        taken = 0
        for name in (self.path.name, self.path.name + "-wal"):
            with contextlib.suppress(OSError):
                taken += self.path.with_name(name).stat().st_size
        with self._reading() as db:
            if db is None:
                return StoreSize(taken, 0.0)
            return StoreSize(taken, _growth(db), _rate(db, now))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """One snapshot for one question; None while there is no file."""
        with self._lock:
            db = self._opened()
            if db is None:
                yield None
                return
            try:
                db.execute("begin")
                yield db
            except (sqlite3.DatabaseError, zlib.error) as error:
                raise HISTORY.damaged(self.path, error) from error
            finally:
                if db.in_transaction:
                    db.execute("rollback")

    def _opened(self) -> sqlite3.Connection | None:
        if self._db is not None and self._frozen is not None and signature(self.path) != self._frozen:
            self._db.close()
            self._db = None
        if self._db is None and (opened := open_for_reading(self.path)) is not None:
            self._db, self._frozen = opened
        return self._db

    def _find(self, db: sqlite3.Connection | None, name: str) -> _Series | None:
        if db is None:
            return None
        row = db.execute("select id, rolled, kept from series where name = ?", (name,)).fetchone()
        return None if row is None else _Series(row[0], row[1] * HOUR, row[2] * HOUR)


def _digests(db: sqlite3.Connection, series: _Series, since: float, until: float) -> Iterator[Digest]:
    """Digests that hold every sample of the window once: whole hours, the minutes at its edges, raw ones."""
    if since >= series.kept:
        yield from _raw(db, series, since, until)
        return
    end = min(until, series.rolled)
    first, last = -int(-since // HOUR), int(end // HOUR)  # the whole hours are first <= hour < last
    if first > last:  # the window lies within one hour
        yield from (digest for _, digest in _minutes(db, series, since, end))
    else:
        yield from (digest for _, digest in _minutes(db, series, since, first * HOUR))
        yield from (digest for _, digest in _hours(db, series, first, last))
        yield from (digest for _, digest in _minutes(db, series, last * HOUR, end))
    yield from _raw(db, series, max(since, series.rolled), until)


def _steps(
    db: sqlite3.Connection, series: _Series, since: float, until: float, width: float
) -> Iterator[tuple[float, Digest]]:
    """(begin, digest) of pieces no longer than width where the store has them, in order."""
    raw_from = series.kept if since >= series.kept else series.rolled
    end = min(until, raw_from)
    if since < end:
        if width >= HOUR:
            for hour, digest in _hours(db, series, int(since // HOUR), -int(-end // HOUR)):
                yield max(since, hour * HOUR), digest
        else:
            yield from _minutes(db, series, since, end)
    rows = db.execute(
        "select at, value from raw where series = ? and at >= ? and at < ? order by at, id",
        (series.id, max(since, raw_from), until),
    )
    index = -1
    samples: list[tuple[float, float | None]] = []
    for at, value in rows:
        now = int((at - since) / width)
        if now != index and samples:
            yield samples[0][0], _digest(samples)
            samples = []
        index = now
        samples.append((at, value))
    if samples:
        yield samples[0][0], _digest(samples)


def _hours(db: sqlite3.Connection, series: _Series, first: int, last: int) -> Iterator[tuple[int, Digest]]:
    rows = db.execute(
        "select hour, pack from hours where series = ? and hour >= ? and hour < ? order by hour",
        (series.id, first, last),
    )
    for hour, pack in rows:
        yield hour, unpack_digest(zlib.decompress(pack))


def _minutes(
    db: sqlite3.Connection, series: _Series, since: float, until: float
) -> Iterator[tuple[float, Digest]]:
    """(begin, digest) of each digested minute that touches the window."""
    if since >= until:
        return
    rows = db.execute(
        "select hour, pack from minutes where series = ? and hour >= ? and hour < ? order by hour",
        (series.id, int(since // HOUR), -int(-until // HOUR)),
    )
    for hour, pack in rows:
        for number, digest in unpack_minutes(pack, hour * HOUR).items():
            begins = hour * HOUR + number * MINUTE
            if begins >= since and begins + MINUTE <= until:
                yield begins, digest
            elif begins + MINUTE > since and begins < until:
                part = _edge(db, series, begins, since, until)
                yield begins, digest if part is None else part


def _edge(
    db: sqlite3.Connection, series: _Series, begins: float, since: float, until: float
) -> Digest | None:
    """What of a digested minute lies in the window, exactly; None where only its digest is left."""
    samples = edge_samples(db, series.id, begins)
    if samples is None:
        return None
    inside = [sample for sample in samples if since <= sample[0] < until]
    digest = _digest(inside)
    digest.covered = 1 if inside else 0
    return digest


def _raw(db: sqlite3.Connection, series: _Series, since: float, until: float) -> Iterator[Digest]:
    if since >= until:
        return
    samples = db.execute(
        "select at, value from raw where series = ? and at >= ? and at < ? order by at, id",
        (series.id, since, until),
    ).fetchall()
    digest = _digest(samples)
    digest.covered = len({int(at // MINUTE) for at, _ in samples})
    yield digest


def _digest(samples: list[tuple[float, float | None]]) -> Digest:
    digest = Digest()
    digest.add(samples)
    return digest


def _held_minutes(db: sqlite3.Connection, series: _Series, since: float, until: float) -> set[int]:
    """The minutes (since the epoch) of the window that hold a sample."""
    first, last = int(since // MINUTE), -int(-until // MINUTE)
    held: set[int] = set()
    rows = db.execute(
        "select hour, mask from hours where series = ? and hour >= ? and hour <= ?",
        (series.id, int(since // HOUR), int(until // HOUR)),
    )
    for hour, mask in rows:
        held.update(hour * 60 + number for number in range(60) if mask >> number & 1)
    raw = db.execute(
        "select distinct cast(at / 60 as integer) from raw where series = ? and at >= ? and at < ?",
        (series.id, max(since, series.rolled), until),
    )
    held.update(row[0] for row in raw)
    return {minute for minute in held if first <= minute < last}


def _minutes_in(since: float, until: float) -> int:
    """How many minutes of the clock the window touches."""
    return max(0, -int(-until // MINUTE) - int(since // MINUTE)) if until > since else 0


def _point(part: Digest, at: float) -> Point:
    if not part.count:
        return Point(at, None, None, None, None, 0, part.failures)
    p50, p95, p99 = part.percentiles((0.5, 0.95, 0.99))
    return Point(at, part.minimum, p50, p99, part.maximum, part.count, part.failures, p95)


def _growth(db: sqlite3.Connection) -> float:
    newest = db.execute("select max(hour) from hours").fetchone()[0]
    if newest is None:
        return 0.0
    since = newest - 23
    hours = int(db.execute("select count(distinct hour) from hours where hour >= ?", (since,)).fetchone()[0])
    filled = 0
    for table in ("minutes", "hours"):
        query = f"select coalesce(sum(length(pack)), 0) from {table} where hour >= ?"
        filled += int(db.execute(query, (since,)).fetchone()[0])
    return filled / hours * 24


def _rate(db: sqlite3.Connection, now: float | None) -> float:
    until = db.execute("select max(at) from raw").fetchone()[0] if now is None else now
    if until is None:
        return 0.0
    came = db.execute("select count(*) from raw where at > ?", (until - 5 * MINUTE,)).fetchone()[0]
    return float(came) / 5
