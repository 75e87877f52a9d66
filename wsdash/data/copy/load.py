"""The rows' half of a copy: every range in a transaction of its own, with its line in the manifest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import asyncpg

from wsdash.data.copy.manifest import Range, finish_range
from wsdash.data.copy.plan import TableCopyPlan
from wsdash.data.copy.progress import Reporter
from wsdash.data.limits import BEGIN_SECONDS, TRIGGER_SECONDS
from wsdash.data.mapping.keys import STAGE, open_stage, pass_stage
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.transactions import begin
from wsdash.data.pg.transfer import Stream, server_words, transfer
from wsdash.data.pg.workers import Schedule
from wsdash.data.snapshot.hold import Snapshot
from wsdash.data.verify.checksum import row_source
from wsdash.tasks import task_group


@dataclass(frozen=True)
class Load:
    """A table and the ranges it is cut into, some of which may be here already."""

    plan: TableCopyPlan
    ranges: tuple[Range, ...]

    @property
    def missing(self) -> list[Range]:
        """The ranges that are still to be carried."""
        return [part for part in self.ranges if not part.finished]


@dataclass(frozen=True)
class Worker:
    """One that carries ranges: a session in the snapshot, and one of the target's."""

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

        async def carry(part: Range, worker: Worker) -> None:
            nonlocal left
            await self._carry(worker, load.plan, part)
            left -= 1
            if not left:
                self.reporter.finish(table.qualified)

        numbers = [
            schedule.add(partial(carry, part), (-table.bytes, part.number), waits) for part in load.missing
        ]
        last[table.qualified] = numbers or list(waits)

    async def _carry(self, worker: Worker, plan: TableCopyPlan, part: Range) -> None:
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
