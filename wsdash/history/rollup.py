"""From raw samples to digests, one series and one finished hour at a time, each in the caller's transaction.

Because an hour's digests are written and its raw samples given up in one transaction, a crash at any point
leaves every sample in exactly one place.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable

from wsdash.history.digest import Digest
from wsdash.history.edges import keep_edges
from wsdash.history.file import HOUR
from wsdash.history.packing import MINUTE, pack_digest, pack_minutes, unpack_minutes

GRACE = 60.0
"""Seconds for which samples of a finished hour may still come without an hour having to be packed again."""
KEPT_HOURS = 15 * 24 + 6
"""Fifteen days, and a little. Counted in hours that hold samples: a clock that jumps prunes nothing."""

Sample = tuple[float, float | None]


def unrolled_hour(db: sqlite3.Connection, newest: float) -> tuple[int, int] | None:
    """(series, its oldest hour that is finished and not yet digested), or None when nothing is due.

    newest: epoch seconds of the newest sample of any series.
    """
    finished = int((newest - GRACE) // HOUR)
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
