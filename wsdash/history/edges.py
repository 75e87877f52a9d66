"""Windows that begin and end within a minute: which raw samples outlive their hour, and how they are read.

A digest holds a whole minute. The days after a migration begin at a second (a cut), and end and begin again
whole days later at the same second of the day; the samples of those minutes are kept as they came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from wsdash.history.packing import MINUTE

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
