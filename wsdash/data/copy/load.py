"""The rows' half of a copy: every range in a transaction of its own, with its line in the manifest.

How far it is, rows and index builds are counted as the target's own progress views count them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import asyncpg

from wsdash.data.copy.manifest import Range, finish_range
from wsdash.data.copy.plan import TableCopyPlan
from wsdash.data.limits import BEGIN_SECONDS, TICK_SECONDS, TRIGGER_SECONDS, VIEW_SECONDS
from wsdash.data.mapping.keys import STAGE, open_stage, pass_stage
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.transactions import begin
from wsdash.data.pg.transfer import Stream, server_words, transfer
from wsdash.data.pg.workers import Schedule
from wsdash.data.snapshot.hold import Snapshot
from wsdash.data.verify.checksum import row_source
from wsdash.model import Progress
from wsdash.tasks import task_group

EVENTS_PER_TICK = 4

VIEWS = """
SELECT pid, '' AS phase, tuples_processed AS done, 0::bigint AS total FROM pg_stat_progress_copy
WHERE datname = current_database()
UNION ALL
SELECT pid, phase, CASE WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END,
       CASE WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END
FROM pg_stat_progress_create_index WHERE datname = current_database()
"""


@dataclass
class _Subject:
    activity: str
    total_rows: int | None
    rows: int = 0
    bytes: int = 0
    phase: str = ""
    """Of an index build: the server counts each phase anew."""
    flying: dict[int, int] = field(default_factory=dict)
    """Rows that a session of the target (by its pid) has taken but not committed yet."""
    changed: bool = True


class Reporter:
    """Collects what the workers do, and tells it at most ten times a second; the end of each always."""

    def __init__(self, emit: Callable[[Progress], None], item: str) -> None:
        self._emit = emit
        self._item = item
        self._subjects: dict[str, _Subject] = {}
        self._working: dict[int, str] = {}
        self._ended: list[Progress] = []

    def begin(
        self, subject: str, activity: str, total_rows: int | None, rows: int = 0, bytes: int = 0
    ) -> None:
        """A subject is taken up; rows and bytes are there already."""
        self._subjects[subject] = _Subject(activity, total_rows, rows, bytes)

    def works(self, pid: int, subject: str) -> None:
        """The target's session `pid` works on `subject` from now on."""
        self._working[pid] = subject

    def moved(self, subject: str, bytes: int) -> None:
        """Bytes have passed."""
        found = self._subjects[subject]
        found.bytes += bytes
        found.changed = True

    def committed(self, pid: int, rows: int) -> None:
        """What the session `pid` worked on is committed."""
        found = self._subjects[self._working.pop(pid)]
        found.flying.pop(pid, None)
        found.rows += rows
        found.changed = True

    def finish(self, subject: str) -> None:
        """The subject is complete; its counts are final."""
        self._ended.append(self._event(subject, self._subjects.pop(subject), finished=True))

    def close(self) -> None:
        """Report what is still to be reported."""
        for event in self._ended:
            self._emit(event)
        self._ended.clear()

    async def watch(self, conn: asyncpg.Connection) -> None:
        """Read the target's progress views and tell what has changed, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for row in await conn.fetch(VIEWS, timeout=VIEW_SECONDS):
                self._seen(row["pid"], row["phase"], row["done"] or 0, row["total"] or 0)
            self._tick()

    def _tick(self) -> None:
        ended, self._ended = self._ended[:EVENTS_PER_TICK], self._ended[EVENTS_PER_TICK:]
        for event in ended:
            self._emit(event)
        changed = [name for name, found in self._subjects.items() if found.changed]
        for name in changed[: EVENTS_PER_TICK - len(ended)]:
            found = self._subjects.pop(name)
            self._emit(self._event(name, found, finished=False))
            self._subjects[name] = found  # last in line for the next tick

    def _seen(self, pid: int, phase: str, done: int, total: int) -> None:
        found = self._subjects.get(self._working.get(pid, ""))
        if found is None:
            return
        if phase:
            if found.phase != phase:
                found.phase, found.rows, found.total_rows = phase, 0, None
            # parallel builders report when they please: what was reported once is not taken back
            found.rows, found.total_rows = max(found.rows, done), total or None
            found.changed = True
        elif found.flying.get(pid) != done:
            found.flying[pid] = done
            found.changed = True

    def _event(self, subject: str, found: _Subject, *, finished: bool) -> Progress:
        rows = found.rows + sum(found.flying.values())
        total = found.total_rows
        if finished:
            total = rows
        elif total is not None:
            total = max(total, rows)
        found.changed = False
        return Progress(
            item=self._item,
            subject=subject,
            activity=found.activity if finished or not found.phase else _activity(found),
            rows=rows,
            total_rows=total,
            bytes=found.bytes,
            total_bytes=found.bytes if finished else None,
            finished=finished,
        )


def _activity(found: _Subject) -> str:
    return f"{found.activity}: {found.phase.removeprefix('building index: ')}"


@dataclass(frozen=True)
class Load:
    """A table and the ranges it is cut into, some of which may be here already."""

    plan: TableCopyPlan
    ranges: tuple[Range, ...]

    @property
    def missing(self) -> list[Range]:
        """The ranges that are still to be copied."""
        return [part for part in self.ranges if not part.finished]


@dataclass(frozen=True)
class Worker:
    """One that copies ranges: a session in the snapshot, and one of the target's."""

    source: asyncpg.Connection
    target: asyncpg.Connection


@dataclass(frozen=True)
class Loader:
    """Carries ranges from one snapshot into the target."""

    snapshot: Snapshot
    target: Endpoint
    run: str
    workers: Sequence[Worker]
    reporter: Reporter

    async def load(self, loads: Sequence[Load]) -> None:
        """Carry every missing range, one a worker at a time, large tables first, parents before children.

        Each is committed with its manifest line. The first failure cancels the rest and is raised as
        WsdashError; what was committed stays.
        """
        schedule: Schedule[Worker] = Schedule()
        last: dict[str, list[int]] = {}
        for load in _parents_first(loads):
            self._add(schedule, load, last)
        async with task_group() as group:
            for worker in self.workers[: len(schedule)]:
                group.create_task(schedule.work(worker))

    def _add(self, schedule: Schedule[Worker], load: Load, last: dict[str, list[int]]) -> None:
        table = load.plan.table
        done = [part for part in load.ranges if part.finished]
        rows, moved = sum(part.rows for part in done), sum(part.bytes for part in done)
        self.reporter.begin(table.qualified, "copying", table.rows or None, rows, moved)
        waits = {number for parent in load.plan.after for number in last.get(parent, ())}
        left = len(load.missing)
        if not left:
            self.reporter.finish(table.qualified)

        async def copy(part: Range, worker: Worker) -> None:
            nonlocal left
            await self._copy(worker, load.plan, part)
            left -= 1
            if not left:
                self.reporter.finish(table.qualified)

        numbers = [
            schedule.add(partial(copy, part), (-table.bytes, part.number), waits) for part in load.missing
        ]
        last[table.qualified] = numbers or list(waits)

    async def _copy(self, worker: Worker, plan: TableCopyPlan, part: Range) -> None:
        table = plan.table
        names = tuple(column.name for column in table.copied_columns)
        query = row_source(table, part.condition)
        lookups = table.mapped.lookups if table.mapped is not None else ()
        into = ("pg_temp", STAGE) if lookups else (table.schema, table.name)
        stream = Stream(table.qualified, query, *into, names or None, plan.format)
        pid, started, moved = worker.target.get_server_pid(), time.monotonic(), 0

        def on_bytes(count: int) -> None:
            nonlocal moved
            moved += count
            self.reporter.moved(table.qualified, count)

        doing = f"writing {table.qualified}"
        with server_words(self.target, doing):
            # no rollback on failure: the session ends with it
            off = [trigger.off for trigger in plan.triggers]
            await begin(worker.target, *off, timeout=TRIGGER_SECONDS if off else BEGIN_SECONDS)
            if lookups:
                await open_stage(worker.target, table, lookups)
        self.reporter.works(pid, table.qualified)
        source, target = (self.snapshot.endpoint, worker.source), (self.target, worker.target)
        rows = await transfer(source, target, stream, on_bytes)
        with server_words(self.target, doing):
            if lookups:
                await pass_stage(worker.target, table, lookups, rows)
            if plan.triggers:
                on = "; ".join(trigger.on for trigger in plan.triggers)
                await worker.target.execute(on, timeout=BEGIN_SECONDS)
            done = (rows, moved, time.monotonic() - started)
            await finish_range(worker.target, self.run, table, part.number, self.snapshot.id, done)
        self.reporter.committed(pid, rows)


def _parents_first(loads: Sequence[Load]) -> list[Load]:
    by_name = {load.plan.table.qualified: load for load in loads}
    ordered: dict[str, Load] = {}

    def visit(name: str) -> None:
        if name in ordered or name not in by_name:
            return
        for parent in sorted(by_name[name].plan.after):
            visit(parent)
        ordered[name] = by_name[name]

    for name in by_name:
        visit(name)
    return list(ordered.values())
