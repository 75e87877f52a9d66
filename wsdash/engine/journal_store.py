"""The journal's file: its tables, how events become rows, and how a foreign or broken file is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from wsdash.errors import WsdashError
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
    TimePassing,
)
from wsdash.sqlite_file import FileKind

FILE = "journal.db"

SCHEMA = """
create table history (seq integer primary key, at real not null, event blob not null);
create table readings (seq integer primary key, at real not null, key text not null, event blob not null);
create table facts (name text primary key, value blob not null) without rowid;
create table heartbeat (one integer primary key check (one = 1), pid integer not null, host text not null,
                        at real not null, item text not null, worst_gap_seconds real not null);
"""

JOURNAL = FileKind(
    name="journal",
    application_id=0x77736462,
    version=1,
    schema=SCHEMA,
    on_version="use the wsdash that wrote it, or name another state directory with --state",
    on_damage="keep the file for inspection and name another state directory with --state",
    on_failure="make the state directory writable and free some disk space, or name another with --state",
)

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


def time_of(db: sqlite3.Connection) -> tuple[TimePassing | None, float]:
    """How the run's time passes (None: as the machine's), and when its newest event was (0: none)."""
    rows = db.execute(
        "select seq, at, event from history where instr(event, cast('\"time-passing\"' as blob)) > 0"
        " order by seq desc"
    )
    passing = next((event for row in rows if isinstance(event := decode(row).event, TimePassing)), None)
    query = "select coalesce(max(at), 0) from (select at from history union all select at from readings)"
    return passing, float(db.execute(query).fetchone()[0])


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open or create the journal. Raises InputError for a foreign or broken file, or a closed directory."""
    return JOURNAL.open_for_writing(path, lambda db, fresh: _settle(db, path, fresh))


def _settle(db: sqlite3.Connection, path: Path, fresh: bool) -> None:
    if not fresh:
        problem = db.execute("pragma quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise JOURNAL.damaged(path, problem)
    db.execute("pragma journal_mode = wal")
    db.execute(f"pragma journal_size_limit = {16 * 1024 * 1024}")
