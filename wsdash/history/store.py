"""The writing side of the history: samples are handed over without waiting, and written by a thread."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from wsdash.history.file import (
    FILE,
    HOUR,
    Sample,
    add_to_hour,
    cuts_of,
    is_edge,
    open_for_writing,
    roll_up,
    unrolled_hour,
)
from wsdash.history.limits import FLUSH_SECONDS

__all__ = ["FILE", "HistoryWriter"]

FULL = 2000
"""Waiting samples that are written without waiting for the time to be up."""
MOST_WAITING = 100_000
"""While the disk refuses: the oldest samples beyond this are lost, and counted."""
LONGEST_ERROR = 200

_Waiting = tuple[str, float, float | None, str]


class HistoryWriter:
    """Writes samples; create with `HistoryWriter.open`. There must be one writer at a time (the engine).

    Killed at any moment it loses at most what was added in the last FLUSH_SECONDS, and nothing is counted
    twice. A machine that loses power may lose the newest commits as well, never the file.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, *, by_itself: bool = True) -> None:
        self.path = path
        self.trouble = ""
        """Why samples cannot be written right now, or ''."""
        self.lost = 0
        """Samples given up because the disk refused them for too long."""
        self._db = db
        self._ids: dict[str, int] = dict(db.execute("select name, id from series"))
        newest = db.execute("select max(at) from raw").fetchone()[0]
        self._newest: float = -math.inf if newest is None else newest
        self._found = self._newest
        self._cuts: list[float] = []
        self._cuts_written = 0
        self._waiting: deque[_Waiting] = deque()
        self._batch: list[_Waiting] = []
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._write_for_ever, name="history", daemon=True)
        if by_itself:  # else only `flush` writes
            self._thread.start()

    @classmethod
    def open(cls, path: Path) -> HistoryWriter:
        """Open or create the file. Raises InputError for a foreign or damaged one, or a closed directory."""
        return cls(path, open_for_writing(path))

    def add(self, series: str, at: float, value: float | None, error: str = "") -> None:
        """Hand over a sample without waiting; at: epoch seconds; value None: a failure, with its error.

        A value that is no finite number is a failure too. Call it from any one thread.
        """
        if value is not None and not math.isfinite(value):
            value, error = None, error or "not a finite number"
        self._waiting.append((series, at, value, error[:LONGEST_ERROR]))
        if len(self._waiting) >= FULL:
            self._wake.set()

    def cut(self, at: float) -> None:
        """Windows begin at that epoch second: the samples around it, and around it days later, are kept as
        they came. To be called before the hour is over. From any thread; does not wait."""
        if at not in self._cuts:
            self._cuts.append(at)

    def lacks(self, series: str, at: float) -> bool:
        """Whether a sample of that time was lost with an earlier writer. Blocks for I/O.

        Samples are written in their order: what is older than the newest one that was found is there.
        """
        if at != self._found:
            return at > self._found
        query = "select 1 from raw join series on series.id = raw.series where name = ? and at = ?"
        with self._writing:
            return self._db.execute(query, (series, at)).fetchone() is None

    def flush(self) -> None:
        """Write all that waits, and digest what is due. Blocks for I/O. Never raises: see `trouble`."""
        with self._writing:
            try:
                self._write_cuts()
                self._write_waiting()
                self._roll_up()
                self.trouble = ""
            except (sqlite3.Error, zlib.error) as error:
                self.trouble = str(error)
                beyond = max(0, len(self._batch) - MOST_WAITING)
                del self._batch[:beyond]
                self.lost += beyond

    def close(self) -> None:
        """Write all that waits and close the file. Blocks for I/O, for at most about 10 s."""
        self._closing = True
        self._wake.set()
        self._thread.join(10.0)

    # --- the writer's thread ---

    def _write_for_ever(self) -> None:
        while not self._closing:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            self.flush()
        self.flush()
        with self._writing, contextlib.suppress(sqlite3.Error):
            self._db.execute("pragma wal_checkpoint(truncate)")
        self._db.close()

    def _write_cuts(self) -> None:
        cuts = self._cuts[self._cuts_written :]
        if cuts:
            with _transaction(self._db):
                self._db.executemany("insert or ignore into cuts (at) values (?)", [(at,) for at in cuts])
            self._cuts_written += len(cuts)

    def _write_waiting(self) -> None:
        batch = self._batch
        while self._waiting:
            batch.append(self._waiting.popleft())
        if not batch:
            return
        known = dict(self._ids)
        with _transaction(self._db):
            rows: list[tuple[int, float, float | None, str | None]] = []
            late: dict[tuple[int, int], list[Sample]] = {}
            limits = {row[0]: row[1:] for row in self._db.execute("select id, rolled, kept from series")}
            cuts, edges = cuts_of(self._db), list[tuple[int, float, float | None]]()
            for name, at, value, error in batch:
                series = known.get(name)
                if series is None:
                    series = known[name] = self._new_series(name, at)
                    limits[series] = (int(at // HOUR), int(at // HOUR))
                rolled, kept = limits[series]
                hour = int(at // HOUR)
                if hour < rolled:
                    late.setdefault((series, hour), []).append((at, value))
                if hour >= kept:
                    rows.append((series, at, value, error or None))
                elif is_edge(at, cuts):
                    edges.append((series, at, value))
            self._db.executemany("insert into raw (series, at, value, error) values (?, ?, ?, ?)", rows)
            self._db.executemany("insert into edges (series, at, value) values (?, ?, ?)", edges)
            for (series, hour), samples in late.items():
                add_to_hour(self._db, series, hour, samples)
        self._ids = known
        self._newest = max(self._newest, max(at for _, at, _, _ in batch))
        self._batch = []

    def _new_series(self, name: str, at: float) -> int:
        hour = int(at // HOUR)
        cursor = self._db.execute(
            "insert into series (name, rolled, kept) values (?, ?, ?)", (name, hour, hour)
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _roll_up(self) -> None:
        """One short transaction for each series and hour, so that no reader and no flush waits for long."""
        if self._newest == -math.inf:
            return
        while (due := unrolled_hour(self._db, self._newest)) is not None:
            with _transaction(self._db):
                roll_up(self._db, *due)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise
