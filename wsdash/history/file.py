"""The history's file: its tables, and how a foreign or damaged one is described.

A finished hour of a series is rolled up into digests, in the caller's transaction. Which raw samples outlive
their hour, because a window may begin or end within a minute, is decided here too.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from pathlib import Path

from wsdash.errors import InputError
from wsdash.history.digest import MINUTE, Digest, pack_digest, pack_minutes, unpack_minutes
from wsdash.history.limits import GRACE_SECONDS
from wsdash.sqlite_file import WAIT_SECONDS, FileKind, Signature, connect_read_only

FILE = "history.db"
HOUR = 3600.0
PAGE = 16384
"""Bytes: an hour's minutes of one series (about 3 KiB) waste little of such a page."""

SCHEMA = """
create table series (id integer primary key, name text not null unique, rolled integer not null,
                     kept integer not null);
create table raw (id integer primary key, series integer not null, at real not null, value real,
                  error text);
create index raw_by_time on raw (series, at);
create table minutes (id integer primary key, series integer not null, hour integer not null,
                      pack blob not null);
create unique index minutes_by_hour on minutes (series, hour);
create table hours (id integer primary key, series integer not null, hour integer not null,
                    mask integer not null, pack blob not null);
create unique index hours_by_hour on hours (series, hour);
"""
EDGES = """
create table if not exists cuts (at real primary key);
create table if not exists edges (id integer primary key, series integer not null, at real not null,
                                  value real);
create index if not exists edges_by_time on edges (series, at);
"""
"""Added to files of an earlier wsdash too: a reader does without them where they are missing."""
"""mask: bit m is set when minute m of the hour holds a sample."""


HISTORY = FileKind(
    name="history",
    application_id=0x77736869,
    version=1,
    schema=SCHEMA,
    on_version="use the wsdash that wrote it, or move the file away: a new one is begun",
    on_damage="move the file away for inspection; a new one is begun",
    on_failure="make the state directory readable and writable, and free some disk space",
)


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open or create the history. Raises InputError for a foreign or damaged file, or a closed directory."""
    return HISTORY.open_for_writing(path, _settle)


def _settle(db: sqlite3.Connection, fresh: bool) -> None:
    if fresh:
        db.execute(f"pragma page_size = {PAGE}")
    db.execute("pragma journal_mode = wal")
    db.executescript(EDGES)
    db.execute("pragma synchronous = normal")
    db.execute(f"pragma wal_autocheckpoint = {4 * 1024 * 1024 // PAGE}")
    db.execute(f"pragma journal_size_limit = {4 * 1024 * 1024}")


def open_for_reading(path: Path) -> tuple[sqlite3.Connection, Signature | None] | None:
    """Open the history strictly for reading, as connect_read_only; None while there is nothing in it yet.

    Raises InputError for a foreign or damaged file.
    """
    if not path.exists():
        return None
    try:
        db, frozen = connect_read_only(path, WAIT_SECONDS)
    except sqlite3.Error as error:
        raise HISTORY.unusable(path, error) from error
    try:
        if db.execute("select count(*) from sqlite_master").fetchone()[0] == 0:
            db.close()
            return None
        HISTORY.check(db, path)
    except sqlite3.Error as error:
        db.close()
        raise HISTORY.unusable(path, error) from error
    except InputError:
        db.close()
        raise
    return db, frozen


DAY = 86_400.0
LOOKS_BACK = 60.0
"""Seconds: a window of a series whose values look back a minute begins a minute after the cut."""


def cuts_of(db: sqlite3.Connection) -> tuple[float, ...]:
    """All cuts, epoch seconds."""
    return tuple(row[0] for row in db.execute("select at from cuts"))


def is_edge(at: float, cuts: Iterable[float]) -> bool:
    """Whether a sample of that time lies in a minute in which a window may begin or end."""
    begins = at // MINUTE * MINUTE
    return any(
        (edge - begins) % DAY < MINUTE
        for cut in cuts
        for edge in (cut, cut + LOOKS_BACK)
        if at >= cut - MINUTE
    )


def keep_edges(db: sqlite3.Connection, series: int, before: float) -> None:
    """Copy the raw samples of edge minutes that are about to be given up: those before that epoch time."""
    cuts = cuts_of(db)
    if not cuts:
        return
    rows = db.execute("select at, value from raw where series = ? and at < ?", (series, before)).fetchall()
    kept = [(series, at, value) for at, value in rows if is_edge(at, cuts)]
    db.executemany("insert into edges (series, at, value) values (?, ?, ?)", kept)


def edge_samples(
    db: sqlite3.Connection, series: int, begins: float
) -> list[tuple[float, float | None]] | None:
    """The samples of a digested minute as they came; None where they were not kept."""
    span = (series, begins, begins + MINUTE)
    rows = db.execute(
        "select at, value from raw where series = ? and at >= ? and at < ? order by at, id", span
    ).fetchall()
    if not rows and _has_edges(db):
        rows = db.execute(
            "select at, value from edges where series = ? and at >= ? and at < ? order by at, id", span
        ).fetchall()
    return rows or None


def _has_edges(db: sqlite3.Connection) -> bool:
    query = "select count(*) from sqlite_master where type = 'table' and name = 'edges'"
    return bool(db.execute(query).fetchone()[0])


KEPT_HOURS = 15 * 24 + 6
"""Fifteen days, and a little. Counted in hours that hold samples: a clock that jumps prunes nothing."""

Sample = tuple[float, float | None]


def unrolled_hour(db: sqlite3.Connection, newest: float) -> tuple[int, int] | None:
    """(series, its oldest hour that is finished and not yet digested), or None when nothing is due.

    newest: epoch seconds of the newest sample of any series.
    """
    finished = int((newest - GRACE_SECONDS) // HOUR)
    row = db.execute("select id, rolled from series where rolled < ? limit 1", (finished,)).fetchone()
    if row is None:
        return None
    series, rolled = row
    oldest = db.execute(
        "select min(at) from raw where series = ? and at >= ?", (series, rolled * HOUR)
    ).fetchone()[0]
    if oldest is None or oldest >= finished * HOUR:
        return series, finished - 1
    return series, int(oldest // HOUR)


def roll_up(db: sqlite3.Connection, series: int, hour: int) -> None:
    """Digest one finished hour, and give up the raw samples of the hours before it."""
    begins = hour * HOUR
    samples = db.execute(
        "select at, value from raw where series = ? and at >= ? and at < ? order by at, id",
        (series, begins, begins + HOUR),
    ).fetchall()
    if samples:
        add_to_hour(db, series, hour, samples)
    db.execute("update series set rolled = ?, kept = ? where id = ?", (hour + 1, hour, series))
    keep_edges(db, series, begins)
    db.execute("delete from raw where series = ? and at < ?", (series, begins))
    _prune(db, series)


def add_to_hour(db: sqlite3.Connection, series: int, hour: int, samples: Iterable[Sample]) -> None:
    """Put samples of one hour into its digests, beside what is there."""
    begins = hour * HOUR
    row = db.execute("select pack from minutes where series = ? and hour = ?", (series, hour)).fetchone()
    minutes = unpack_minutes(row[0], begins) if row else {}
    by_minute: dict[int, list[Sample]] = {}
    for at, value in samples:
        by_minute.setdefault(min(59, int((at - begins) // MINUTE)), []).append((at, value))
    for number, own in by_minute.items():
        minutes.setdefault(number, Digest(covered=1)).add(own)
    whole, mask = Digest(), 0
    for number, digest in sorted(minutes.items()):
        whole.merge(digest)
        mask |= 1 << number
    db.execute(
        "insert into minutes (series, hour, pack) values (?, ?, ?)"
        " on conflict (series, hour) do update set pack = excluded.pack",
        (series, hour, pack_minutes(minutes, begins)),
    )
    db.execute(
        "insert into hours (series, hour, mask, pack) values (?, ?, ?, ?)"
        " on conflict (series, hour) do update set mask = excluded.mask, pack = excluded.pack",
        (series, hour, mask, zlib.compress(pack_digest(whole), 6)),
    )


def _prune(db: sqlite3.Connection, series: int) -> None:
    row = db.execute(
        "select hour from hours where series = ? order by hour desc limit 1 offset ?", (series, KEPT_HOURS)
    ).fetchone()
    if row is not None:
        for table in ("hours", "minutes"):
            db.execute(f"delete from {table} where series = ? and hour <= ?", (series, row[0]))
        db.execute("delete from edges where series = ? and at < ?", (series, (row[0] + 1) * HOUR))
