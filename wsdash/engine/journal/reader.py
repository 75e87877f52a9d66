"""The journal's reading side: strictly read-only, works beside a living writer and after a dead one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from wsdash.engine.journal.store import FILE, JOURNAL, Heartbeat, decode_all, decode_facts, time_of
from wsdash.engine.limits import BUSY_SECONDS
from wsdash.errors import InputError
from wsdash.model import Recorded, TimePassing, run_time
from wsdash.sqlite_file import Signature, connect_read_only, signature

T = TypeVar("T")

_EVENTS = """
select seq, at, event from history where seq > ?1
union all
select seq, at, event from readings where seq > ?1
order by seq limit ?2
"""


class NotBegunError(InputError):
    """There is no run in that directory yet, or its journal was only just being made."""


class JournalReader:
    """Reads state/journal.db without ever writing to it or blocking its writer; for one thread at a time.

    Raises InputError when there is no journal (yet), or when the file is foreign or damaged.
    """

    def __init__(self, state: Path) -> None:
        self.path = state / FILE
        self._frozen: Signature | None = None
        """Of the journal in a read-only directory, as it was read; None: it is followed."""
        self._version = -1
        self._db = self._connect()

    def changed(self) -> bool:
        """Whether anything was written since the last call (True at first); a few microseconds."""
        if self._frozen is not None and signature(self.path) != self._frozen:
            self.close()
            self._db = self._connect()
            self._version = -1
        version: int = self._rows("pragma data_version")[0][0]
        before, self._version = self._version, version
        return version != before

    def events(self, after: int, limit: int = 2000) -> list[Recorded]:
        """Events with seq > after, in order, at most `limit`; one consistent view."""
        return decode_all(self._rows(_EVENTS, (after, limit)))

    def history(self) -> list[Recorded]:
        """All history without the readings, in order."""
        return decode_all(self._rows("select seq, at, event from history order by seq"))

    def newest(self, about: str) -> list[Recorded]:
        """The newest reading of each thing whose key (journal_store.reading_key) begins so, in order."""
        query = (
            "select seq, at, event from readings where seq in"
            " (select max(seq) from readings where substr(key, 1, ?) = ? group by key) order by seq"
        )
        return decode_all(self._rows(query, (len(about), about)))

    def facts(self) -> dict[str, Any]:
        """All facts by name."""
        return decode_facts(self._rows("select name, value from facts"))

    def heartbeat(self) -> Heartbeat | None:
        """The engine's newest sign of life, or None when there was none yet."""
        rows = self._rows("select pid, host, at, item, worst_gap_seconds from heartbeat")
        return Heartbeat(*rows[0]) if rows else None

    def time(self) -> tuple[TimePassing | None, float]:
        """How the run's time passes (None: as the machine's), and the time of its newest event."""
        return self._asked(lambda: time_of(self._db))

    def run_time(self, machine: float) -> float:
        """The run's time (epoch seconds) when the machine's is `machine`."""
        passing, newest = self.time()
        return run_time(passing, machine, newest)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        return self._asked(lambda: self._db.execute(sql, parameters).fetchall())

    def _asked(self, ask: Callable[[], T]) -> T:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return ask()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise self._unreadable(error) from error
            except sqlite3.DatabaseError as error:
                raise self._unreadable(error) from error

    def _connect(self) -> sqlite3.Connection:
        if not self.path.exists():
            raise NotBegunError(
                "there is no run here yet",
                where=str(self.path.parent),
                remedy="start one with `wsdash` or `wsdash demo`, or name its directory with --state",
            )
        try:
            db, self._frozen = connect_read_only(self.path, BUSY_SECONDS)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        try:
            if db.execute("select count(*) from sqlite_master").fetchone()[0] == 0:
                raise NotBegunError("the run is just being started", where=str(self.path), remedy="try again")
            JOURNAL.check(db, self.path)
        except sqlite3.Error as error:
            db.close()
            raise self._unreadable(error) from error
        except InputError:
            db.close()
            raise
        return db

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            f"the journal cannot be read: {error}",
            where=str(self.path),
            remedy="check the file and its permissions, or name another state directory with --state",
        )
