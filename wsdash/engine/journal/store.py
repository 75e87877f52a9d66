"""The journal's file: its tables, how events become rows, and how a foreign or broken file is described."""

from __future__ import annotations

import contextlib
import functools
import math
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from wsdash.engine.limits import GONE_SECONDS
from wsdash.errors import WsdashError
from wsdash.model import (
    READINGS,
    AnyEvent,
    BranchesReading,
    ContainerReading,
    HostReading,
    LatencyReading,
    MetricsReading,
    Notice,
    PortReading,
    Progress,
    Recorded,
    RowsReading,
    SourceState,
    TimePassing,
)
from wsdash.outside import DocumentError, clean, clean_texts, read_json
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
_SUSPECT = re.compile(rb"\\u00|\\u20|\\ufe|\\ud|[\x7f\xc2\xd8\xe1\xe2\xef\xf3]")
"""What every harmful character has among its bytes, as it is or as JSON escapes it."""


@functools.cache
def _decoder() -> msgspec.json.Decoder[AnyEvent]:
    """Made when the first event is read: that takes time, which a screen's first frame does not have."""
    return msgspec.json.Decoder(AnyEvent)


class Heartbeat(msgspec.Struct, frozen=True):
    """The engine's sign of life: at (seconds since the epoch), the running item or '', and the longest pause
    of its event loop since it started, in seconds."""

    pid: int
    host: str
    at: float
    item: str
    worst_gap_seconds: float

    def gone(self, now: float) -> bool:
        """Whether it is too old for an engine that lives; now: of the same clock as `at`."""
        return now - self.at > GONE_SECONDS


class JournalError(WsdashError):
    """The journal cannot be written (a full disk, say): nothing may be done that it could not tell of."""


def encode(value: Any) -> bytes:
    """JSON of an event or a fact."""
    return _encoder.encode(value)


def decode(row: tuple[int, float, bytes]) -> Recorded:
    """A row as it was recorded, its texts cleaned where another writer left them as they were.

    Raises DocumentError for a row that this version cannot read: an unknown kind, or a spoiled value.
    """
    number, at, raw = row
    try:
        if not isinstance(raw, bytes) or not math.isfinite(at):
            raise DocumentError("a value of the row has the wrong type")
        event = _decoder().decode(raw)
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(str(error)) from error
    return Recorded(number, at, clean_texts(event) if _SUSPECT.search(raw) else event)


def decode_all(rows: Iterable[tuple[int, float, bytes]]) -> list[Recorded]:
    """The rows in order. Those that this version cannot read are left out, and one warning in the place of
    the last of them says how many and why the first could not be read."""
    found: list[Recorded] = []
    unreadable, reason, place = 0, "", 0
    for row in rows:
        try:
            found.append(decode(row))
        except DocumentError as error:
            unreadable, reason, place = unreadable + 1, reason or f"number {row[0]}: {error}", len(found)
            last = row
    if unreadable:
        text = f"{unreadable} events of the journal cannot be read and are left out (the first is {reason})"
        at = last[1] if isinstance(last[1], float) and math.isfinite(last[1]) else 0.0
        found.insert(place, Recorded(last[0], at, Notice("warning", clean(text))))
    return found


def decode_facts(rows: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    """Facts by name, without those whose value is spoiled: what is not known is found out again."""
    facts = {}
    for name, raw in rows:
        with contextlib.suppress(DocumentError, TypeError):
            facts[name] = read_json(raw)
    return facts


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
    passing = next((one.event for one in decode_all(rows) if isinstance(one.event, TimePassing)), None)
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
