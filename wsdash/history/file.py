"""The history's file: its tables, and how a foreign or damaged one is described.

raw: samples as they came, kept for one to two hours. minutes, hours: the digests of every finished hour.
series.rolled: the samples before this hour are in the digests, and only there; series.kept: raw samples from
this hour on are still there. Hours are counted since the epoch (UTC).
cuts: times at which windows begin and, days later, end; edges: the raw samples of the minutes around them,
which stay when others of their hour are given up (edges.py).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from wsdash.errors import InputError
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
