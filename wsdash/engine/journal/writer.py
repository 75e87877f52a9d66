"""The journal: what was intended, what happened, what was read. One writer, any number of readers.

A SQLite file in WAL mode. History is kept for ever, readings are pruned; both share one growing `seq`, which
is the order of events. The writer has a thread of its own, so that no disk ever stalls the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wsdash.clock import Clock, ShiftedClock, SystemClock
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.journal.redact import Redactor
from wsdash.engine.journal.store import (
    FILE,
    Heartbeat,
    JournalError,
    decode_facts,
    encode,
    open_for_writing,
    reading_key,
    time_of,
)
from wsdash.engine.limits import GATHER_SECONDS, KEEP_SECONDS, RETRY_SECONDS
from wsdash.model import AnyEvent, Notice, Progress, Recorded, TimePassing, run_time
from wsdash.model.facts import Fact
from wsdash.model.facts import T as F

__all__ = ["Heartbeat", "Journal", "JournalError", "JournalReader"]

KEEP_READINGS = 20_000
PRUNE_EVERY = 1000
LONGEST_QUEUE = 50_000
BATCH = 500


@dataclass
class _Job:
    at: float
    event: AnyEvent | None = None
    key: str = ""
    """Of a reading (see reading_key); '' for history."""
    fact: str = ""
    raw: bytes = b""
    """JSON of the event or of the fact's value."""
    done: Future[int] | None = None
    """Set for what must be durable."""


def clock_of(passing: TimePassing | None, stood: float) -> Clock:
    """The run's clock, going on from the run's time (epoch seconds)."""
    if passing is None:
        return SystemClock()
    if passing.over:
        return ShiftedClock(passing.at - passing.machine_at, passing.machine_at)
    machine = time.time()
    return ShiftedClock(stood - machine, machine)


class Journal:
    """The writing side. Create with `Journal.open`. emit may be called from any thread."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self.redactor = Redactor()
        self.passing, newest = time_of(db)
        """How the run's time passes; None: as the machine's."""
        self.stood = run_time(self.passing, time.time(), newest)
        """The run's time when it was opened: where the newest event left it, or where it went on alone."""
        self.clock: Clock = clock_of(self.passing, self.stood)
        """Where events get their times from: the run's time, which never goes back."""
        self.listener: Callable[[Recorded], None] | None = None
        """Is handed every event once it is in the journal, by the writer's thread: it must return at once."""
        self.trouble = ""
        """Why the journal cannot be written right now, or ''."""
        self.lost_readings = 0
        self._db = db
        self._facts = decode_facts(db.execute("select * from facts"))
        self._seq: int = db.execute(
            "select coalesce(max(seq), 0) from (select seq from history union all select seq from readings)"
        ).fetchone()[0]
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pressing = threading.Event()
        """Something waits that must be written at once."""
        self._beat: Heartbeat | None = None
        self._backlog: list[_Job] = []
        self._unpruned = 0
        self._trouble_since = 0.0
        self._thread = threading.Thread(target=self._write_for_ever, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, state: Path) -> Journal:
        """Open or create state/journal.db. Raises InputError for a foreign or damaged file."""
        path = state / FILE
        return cls(path, open_for_writing(path))

    def emit(self, event: AnyEvent) -> None:
        """Hand over an event without waiting. A full disk may cost readings, never history."""
        self._put(event, None)

    async def record(self, event: AnyEvent) -> int:
        """Write an event durably (synced to disk when this returns); its seq. Raises JournalError."""
        done: Future[int] = Future()
        self._put(event, done)
        return await asyncio.wrap_future(done)

    def get(self, name: Fact[F]) -> F | None:
        """A fact's value, or None."""
        return name.of(self._facts)

    def noted(self, name: str) -> bool:
        """Whether the fact has a value, of its type or not."""
        return self._facts.get(name) is not None

    async def put(self, name: Fact[F], value: F | None) -> None:
        """Set a fact (JSON; secrets in it are masked), durable when this returns. Raises JournalError."""
        clean = msgspec.to_builtins(self.redactor.value(value))
        done: Future[int] = Future()
        self._queue.put(_Job(self.clock.time(), fact=name, raw=encode(clean), done=done))
        self._pressing.set()
        await asyncio.wrap_future(done)
        self._facts[name] = clean

    def beat(self, heartbeat: Heartbeat) -> None:
        """Note a sign of life; only the newest is kept."""
        self._beat = heartbeat
        self._queue.put(_Job(heartbeat.at))

    @property
    def waiting(self) -> int:
        """How many events are not yet written: who emits without end should wait for it now and then."""
        return self._queue.qsize()

    async def history(self) -> list[Recorded]:
        """All history, oldest first, as it is on disk now."""
        return await asyncio.to_thread(self._read_history)

    async def close(self) -> None:
        """Write what is waiting and close. Raises JournalError when history could not be written."""
        self._queue.put(None)
        self._pressing.set()
        await asyncio.to_thread(self._thread.join, 10.0)
        if self._thread.is_alive() or self._backlog:
            raise self._error()

    def _read_history(self) -> list[Recorded]:
        reader = JournalReader(self.path.parent)
        try:
            return reader.history()
        finally:
            reader.close()

    def _put(self, event: AnyEvent, done: Future[int] | None) -> None:
        event = self.redactor.event(event)
        key = reading_key(event)
        self._queue.put(_Job(self.clock.time(), event=event, key=key, raw=encode(event), done=done))
        if done is not None or not key:
            self._pressing.set()

    # --- the writer's thread ---

    def _write_for_ever(self) -> None:
        going = True
        while going:
            batch, going = self._collect()
            if batch or self._backlog:
                self._write(batch)
        with contextlib.suppress(
            sqlite3.Error
        ):  # without it the file is complete too, with its WAL beside it
            self._db.execute("pragma wal_checkpoint(truncate)")
        self._db.close()

    def _collect(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        try:
            job = self._queue.get(timeout=RETRY_SECONDS if self._backlog else None)
            if self._queue.qsize() < BATCH:
                self._pressing.wait(GATHER_SECONDS)
            self._pressing.clear()
            while True:
                if job is None:
                    return batch, False
                batch.append(job)
                if len(batch) >= BATCH:
                    self._pressing.set()  # what is left may be
                    break
                job = self._queue.get_nowait()
        except queue.Empty:
            pass
        return batch, True

    def _write(self, batch: list[_Job]) -> None:
        for job in batch:
            if job.done is not None and not job.done.set_running_or_notify_cancel():
                job.done = None
        jobs = self._backlog + batch
        if self._queue.qsize() > LONGEST_QUEUE:
            jobs = self._without_readings(jobs)
        try:
            numbers = self._commit(jobs)
        except sqlite3.Error as error:
            self._set_back(jobs, error)
            return
        self._backlog = []
        if self.trouble:
            self._recovered()
        for job, seq in zip(jobs, numbers, strict=True):
            if self.listener is not None and job.event is not None and seq:
                self.listener(Recorded(seq, job.at, job.event))
            if job.done is not None:
                job.done.set_result(seq)

    def _commit(self, jobs: list[_Job]) -> list[int]:
        durable = any(job.done is not None for job in jobs)
        self._db.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
        beat, self._beat = self._beat, None
        seq = self._seq
        numbers: list[int] = []
        # a fast copy reports far more often than anybody looks
        latest = {job.key: job for job in jobs if isinstance(job.event, Progress)}
        self._db.execute("begin immediate")
        try:
            for job in jobs:
                superseded = isinstance(job.event, Progress) and latest[job.key] is not job
                written = job.event is not None and not superseded
                if written:
                    seq += 1
                    self._insert(seq, job)
                if job.fact:
                    self._db.execute("insert or replace into facts values (?, ?)", (job.fact, job.raw))
                numbers.append(seq if written else 0)
            if beat is not None:
                row = (beat.pid, beat.host, beat.at, beat.item, beat.worst_gap_seconds)
                self._db.execute("insert or replace into heartbeat values (1, ?, ?, ?, ?, ?)", row)
            if self._unpruned >= PRUNE_EVERY:
                self._prune()
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
        self._seq = seq
        return numbers

    def _insert(self, seq: int, job: _Job) -> None:
        if job.key:
            self._db.execute("insert into readings values (?, ?, ?, ?)", (seq, job.at, job.key, job.raw))
            self._unpruned += 1
        else:
            self._db.execute("insert into history values (?, ?, ?)", (seq, job.at, job.raw))

    def _prune(self) -> None:
        self._unpruned = 0
        oldest = "select seq from readings order by seq desc limit 1 offset ?"
        row = self._db.execute(oldest, (KEEP_READINGS,)).fetchone()
        aged = self._db.execute(
            "select max(seq) from readings where at < ?", (self.clock.time() - KEEP_SECONDS,)
        ).fetchone()
        bound = max(row[0] if row else 0, aged[0] or 0)
        self._db.execute(
            "delete from readings where seq <= ? and seq not in (select max(seq) from readings group by key)",
            (bound,),
        )

    def _set_back(self, jobs: list[_Job], error: sqlite3.Error) -> None:
        if not self.trouble:
            self._trouble_since = time.time()
        self.trouble = str(error)
        for job in jobs:
            if job.done is not None:
                job.done.set_exception(self._error())
        self._backlog = self._without_readings([job for job in jobs if job.done is None])

    def _without_readings(self, jobs: list[_Job]) -> list[_Job]:
        kept = [job for job in jobs if job.fact or job.done or (job.event is not None and not job.key)]
        self.lost_readings += sum(job.event is not None for job in jobs) - sum(
            job.event is not None for job in kept
        )
        return kept

    def _recovered(self) -> None:
        seconds = time.time() - self._trouble_since
        text = f"the journal could not be written for {seconds:.0f} s ({self.trouble})"
        text += f"; {self.lost_readings} readings lost"
        self.trouble = ""
        self._put(Notice("warning", text), None)

    def _error(self) -> JournalError:
        return JournalError(
            f"the journal cannot be written: {self.trouble or 'its disk does not answer'}",
            where=str(self.path),
            remedy="free some space on that disk; the run goes on from where it is",
        )
