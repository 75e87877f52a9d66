"""The journal's file: its tables, how events become rows, and how a foreign or broken file is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from wsdash.errors import InputError, WsdashError
from wsdash.model import (
    READINGS,
    AnyEvent,
    BranchesReading,
    ContainerReading,
    HostReading,
    LatencyReading,
    MetricsReading,
    PortReading,
    Progress,
    Recorded,
    RowsReading,
    SourceState,
)

FILE = "journal.db"
APPLICATION_ID = 0x77736462
VERSION = 1

SCHEMA = """
create table history (seq integer primary key, at real not null, event blob not null);
create table readings (seq integer primary key, at real not null, key text not null, event blob not null);
create table facts (name text primary key, value blob not null) without rowid;
create table heartbeat (one integer primary key check (one = 1), pid integer not null, host text not null,
                        at real not null, item text not null, worst_gap_seconds real not null);
"""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


class Heartbeat(msgspec.Struct, frozen=True):
    """The engine's sign of life: at (seconds since the epoch), the running item or '', and the longest pause
    of its event loop since it started, in seconds."""

    pid: int
    host: str
    at: float
    item: str
    worst_gap_seconds: float


class JournalError(WsdashError):
    """The journal cannot be written (a full disk, say): nothing may be done that it could not tell of."""


def encode(value: Any) -> bytes:
    """JSON of an event or a fact."""
    return _encoder.encode(value)


def decode(row: tuple[int, float, bytes]) -> Recorded:
    """A row as it was recorded."""
    return Recorded(row[0], row[1], _decoder.decode(row[2]))


def reading_key(event: AnyEvent) -> str:
    """What a reading is about; '' for history. The newest reading of each key outlives pruning."""
    match event:
        case ContainerReading(name=name):
            return f"container:{name}"
        case PortReading(port=port):
            return f"port:{port}"
        case RowsReading(table=table):
            return f"rows:{table}"
        case LatencyReading(series=series):
            return f"latency:{series}"
        case MetricsReading(source=source):
            return f"metrics:{source}"
        case HostReading():
            return "host"
        case BranchesReading():
            return "branches"
        case SourceState(source=source):
            return f"source:{source}"
        case Progress(item=item, subject=subject):
            return f"progress:{item}:{subject}"
        case _ if isinstance(event, READINGS):
            return type(event).__name__
    return ""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open or create the journal. Raises InputError for a foreign or broken file, or a closed directory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        fresh = db.execute("select count(*) from sqlite_master").fetchone()[0] == 0
        if not fresh:
            check_identity(db, path)
            problem = db.execute("pragma quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise _broken(path, problem)
        db.execute("pragma journal_mode = wal")
        db.execute(f"pragma journal_size_limit = {16 * 1024 * 1024}")
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


def check_identity(db: sqlite3.Connection, path: Path) -> None:
    """Raises InputError unless this is a journal of this version."""
    application = db.execute("pragma application_id").fetchone()[0]
    version = db.execute("pragma user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise InputError(
            "this is not a wsdash journal",
            where=str(path),
            remedy="name another state directory with --state",
        )
    if version != VERSION:
        raise InputError(
            f"the journal has format {version}, this wsdash reads format {VERSION}",
            where=str(path),
            remedy="use the wsdash that wrote it, or name another state directory with --state",
        )


def _broken(path: Path, detail: object) -> InputError:
    return InputError(
        f"the journal is damaged: {detail}",
        where=str(path),
        remedy="keep the file for inspection and name another state directory with --state",
    )


def _unusable(path: Path, error: Exception) -> InputError:
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return _broken(path, error)
    return InputError(
        f"the journal cannot be opened: {error}",
        where=str(path),
        remedy="make the state directory writable and free some disk space, or name another with --state",
    )
