"""The history's file: its tables, and how a foreign or damaged one is told.

raw: samples as they came, kept for one to two hours. minutes, hours: the digests of every finished hour.
series.rolled: the samples before this hour are in the digests, and only there; series.kept: raw samples from
this hour on are still there. Hours are counted since the epoch (UTC).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from wsdash.errors import InputError

FILE = "history.db"
APPLICATION_ID = 0x77736869
VERSION = 1
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
"""mask: bit m is set when minute m of the hour holds a sample."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open or create the history. Raises InputError for a foreign or damaged file, or a closed directory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        fresh = db.execute("select count(*) from sqlite_master").fetchone()[0] == 0
        if fresh:
            db.execute(f"pragma page_size = {PAGE}")
        else:
            check_identity(db, path)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.execute(f"pragma wal_autocheckpoint = {4 * 1024 * 1024 // PAGE}")
        db.execute(f"pragma journal_size_limit = {4 * 1024 * 1024}")
        if fresh:
            marks = f"pragma application_id = {APPLICATION_ID}; pragma user_version = {VERSION};"
            db.executescript(f"begin; {SCHEMA} {marks} commit;")
    except sqlite3.Error as error:
        db.close()
        raise _unusable(path, error) from error
    except InputError:
        db.close()
        raise
    return db


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """Open the history strictly for reading; None while there is no file, or nothing in it yet.

    Raises InputError for a foreign or damaged file.
    """
    if not path.exists():
        return None
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=5.0,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        if db.execute("select count(*) from sqlite_master").fetchone()[0] == 0:
            db.close()
            return None
        check_identity(db, path)
    except sqlite3.Error as error:
        db.close()
        raise _unusable(path, error) from error
    except InputError:
        db.close()
        raise
    return db


def check_identity(db: sqlite3.Connection, path: Path) -> None:
    """Raises InputError unless this is a history of this version."""
    application = db.execute("pragma application_id").fetchone()[0]
    version = db.execute("pragma user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise InputError(
            "this is not a wsdash history",
            where=str(path),
            remedy="name another state directory with --state",
        )
    if version != VERSION:
        raise InputError(
            f"the history has format {version}, this wsdash reads format {VERSION}",
            where=str(path),
            remedy="use the wsdash that wrote it, or move the file away: a new one is begun",
        )


def damaged(path: Path, detail: object) -> InputError:
    """How damage is told."""
    return InputError(
        f"the history is damaged: {detail}",
        where=str(path),
        remedy="move the file away for inspection; a new one is begun",
    )


def _unusable(path: Path, error: Exception) -> InputError:
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return damaged(path, error)
    return InputError(
        f"the history cannot be opened: {error}",
        where=str(path),
        remedy="make the state directory readable and writable, and free some disk space",
    )
