"""Carrying every row of a schema into the target: exact, resumable, from one snapshot, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.apply import missing_statements
from wsdash.data.checksum import TableChecksum, checksum_table
from wsdash.data.connect import Endpoint
from wsdash.data.copy_load import Load, Loader
from wsdash.data.copy_plan import (
    TablePlan,
    acyclic,
    plan_conditions,
    plan_table,
    read_references,
    with_children,
)
from wsdash.data.copy_progress import Reporter
from wsdash.data.ddl import Statement
from wsdash.data.indexes import Builder
from wsdash.data.manifest import (
    empty_tables,
    ensure_manifest,
    inspect_target,
    plan_ranges,
    read_ranges,
)
from wsdash.data.shape import Table
from wsdash.data.snapshot import Snapshot, open_snapshot, patient_connection
from wsdash.data.sql import ident
from wsdash.data.transfer import server_words
from wsdash.errors import RefusedError
from wsdash.model import Progress
from wsdash.tasks import task_group

TIMEOUT = 60.0

Sequences = Callable[[asyncpg.Connection], Awaitable[list[Statement]]] | Sequence[Statement]


@dataclass(frozen=True)
class CopyRequest:
    """What is to be copied, and how.

    post: what follows the rows (ddl.post_data). sequences: the setval statements, or what reads them from a
    session of the source. run: whose rows they are (manifest); item: for progress. force: the caller has kept
    a copy of what the target holds, and it may be written over.
    """

    source: Endpoint
    target: Endpoint
    tables: Sequence[Table]
    post: Sequence[Statement]
    sequences: Sequences
    run: str
    item: str
    workers: int = 4
    maintenance_work_mem: str = "256MB"
    force: bool = False


@dataclass(frozen=True)
class TableCopied:
    """One table's rows in the target. seconds: the sum over its ranges, which overlap in time."""

    name: str
    rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class CopyResult:
    """What is now in the target; made: names of the indexes, constraints ... that this call built.

    load_seconds and build_seconds: wall time of the rows' half and of everything after it.
    """

    tables: tuple[TableCopied, ...]
    made: tuple[str, ...]
    load_seconds: float
    build_seconds: float

    @property
    def rows(self) -> int:
        """All rows copied by this run."""
        return sum(table.rows for table in self.tables)


@dataclass(frozen=True)
class CopiedState:
    """Whether a run's copy is complete, and the evidence in one line."""

    complete: bool
    text: str


async def copy_tables(request: CopyRequest, on_progress: Callable[[Progress], None]) -> CopyResult:
    """Make the target hold exactly the source's rows, with all that follows them; safe to call again.

    A call after a crash keeps what is here and still equals the source, and carries the rest. Raises
    RefusedError naming tables and counts when the target holds rows that this run did not write (unless
    force), WsdashError with the failing server's own words, UnreachableError when one is gone.
    """
    reporter = Reporter(on_progress, request.item)
    async with patient_connection(request.target, read_only=False) as conn:
        with server_words(request.target, "writing the manifest"):
            await ensure_manifest(conn)
            async with patient_connection(request.target, read_only=True) as view, task_group() as group:
                watch = group.create_task(_watch(request.target, reporter, view))
                result = await _copy(request, conn, reporter)
                watch.cancel()
    reporter.close()
    return result


async def copied_state(
    conn: asyncpg.Connection, tables: Sequence[Table], run: str, post: Sequence[Statement] = ()
) -> CopiedState:
    """Read in the target whether every table was loaded completely by this run and `post` is in place.

    Reads only. A table that was loaded and is empty now does not hold; rows that users changed since do not
    matter here (inspect_target and verify tell them). Raises asyncpg.PostgresError.
    """
    rows, unfinished = 0, []
    for table in tables:
        ranges = await read_ranges(conn, run, table)
        loaded = sum(part.rows for part in ranges)
        done = sum(1 for part in ranges if part.finished)
        if not ranges or done < len(ranges):
            unfinished.append(
                f"{table.qualified} ({done} of {len(ranges)} ranges)" if done else table.qualified
            )
        elif loaded and not await _has_rows(conn, table):
            unfinished.append(f"{table.qualified} (emptied since)")
        rows += loaded
    if unfinished:
        return CopiedState(False, f"not copied yet: {', '.join(unfinished)}")
    try:
        missing = await missing_statements(conn, list(post))
    except RefusedError as error:
        return CopiedState(False, error.what)
    if missing:
        names = ", ".join(f"{one.kind} {one.name}" for one in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        return CopiedState(False, f"{rows:,} rows are copied, but these are missing: {names}{more}")
    return CopiedState(
        True,
        f"{rows:,} rows in {len(tables)} tables copied by this run, {len(post)} objects built after them",
    )


async def _watch(target: Endpoint, reporter: Reporter, view: asyncpg.Connection) -> None:
    with server_words(target, "reading the target's progress views"):
        await reporter.watch(view)


async def _copy(request: CopyRequest, conn: asyncpg.Connection, reporter: Reporter) -> CopyResult:
    started = time.monotonic()
    references = await read_references(conn, request.tables)
    await _make_room(request, conn, references)
    async with open_snapshot(request.source, request.tables) as snapshot:
        plans = await _plan(request, conn, references)
        await _drop_stale(request, conn, snapshot, references)
        loads = [Load(plan, await read_ranges(conn, request.run, plan.table)) for plan in plans]
        loader = Loader(snapshot, request.target, request.run, request.workers, reporter)
        await loader.load(loads)
        sequences = request.sequences
        if callable(sequences):
            with server_words(request.source, "reading sequences"):
                sequences = await sequences(snapshot.conn)
    loaded = time.monotonic()
    builder = Builder(request.target, request.tables, request.workers, request.maintenance_work_mem, reporter)
    made = await builder.build([*request.post, *sequences])
    copied = tuple([await _copied(request, conn, table) for table in request.tables])
    return CopyResult(copied, tuple(made), loaded - started, time.monotonic() - loaded)


async def _make_room(request: CopyRequest, conn: asyncpg.Connection, references: dict[str, set[str]]) -> None:
    """Refuse a target with foreign rows, or empty it with force; forget tables that were emptied."""
    foreign = await inspect_target(conn, request.tables, request.run)
    if foreign and not request.force:
        raise RefusedError(
            "the target holds rows that must not be overwritten: " + "; ".join(map(str, foreign)),
            where=request.target.address,
            remedy="look at them; then move them away, or migrate with --force, which keeps a copy first",
        )
    unwanted = {found.table for found in foreign}
    for table in request.tables:
        loaded = any(part.rows for part in await read_ranges(conn, request.run, table))
        if loaded and not await _has_rows(conn, table):
            unwanted.add(table.qualified)
    if unwanted:
        await empty_tables(conn, with_children(request.tables, unwanted, references))


async def _plan(
    request: CopyRequest, conn: asyncpg.Connection, references: dict[str, set[str]]
) -> list[TablePlan]:
    """Each table's plan; its ranges are written in the manifest where this run has none yet."""
    order = acyclic(references)
    plans = []
    async with patient_connection(request.source, read_only=True) as source:
        for table in request.tables:
            with server_words(request.source, f"planning {table.qualified}"):
                plans.append(await plan_table(source, conn, table, order))
                if not await read_ranges(conn, request.run, table):
                    conditions = await plan_conditions(source, table, request.workers)
                    await plan_ranges(conn, request.run, table, conditions)
    return plans


async def _drop_stale(
    request: CopyRequest,
    conn: asyncpg.Connection,
    snapshot: Snapshot,
    references: dict[str, set[str]],
) -> None:
    """Empty the tables whose rows came from an earlier snapshot and no longer equal the source's."""
    stale = set()
    for table in request.tables:
        finished = [part for part in await read_ranges(conn, request.run, table) if part.finished]
        if finished and not await _still_equal(
            request, conn, snapshot, table, [p.condition for p in finished]
        ):
            stale.add(table.qualified)
    if stale:
        emptied = with_children(request.tables, stale, references)
        await empty_tables(conn, emptied)
        async with patient_connection(request.source, read_only=True) as source:
            for table in emptied:
                conditions = await plan_conditions(source, table, request.workers)
                await plan_ranges(conn, request.run, table, conditions)


async def _still_equal(
    request: CopyRequest,
    conn: asyncpg.Connection,
    snapshot: Snapshot,
    table: Table,
    conditions: list[str],
) -> bool:
    where = " OR ".join(f"({condition})" for condition in conditions if condition)

    async def read_source() -> TableChecksum:
        with server_words(request.source, f"comparing {table.qualified} with what is copied already"):
            return await checksum_table(snapshot.conn, table, where=where)

    async def read_target() -> TableChecksum:
        with server_words(request.target, f"comparing {table.qualified} with what is copied already"):
            return await checksum_table(conn, table)

    async with task_group() as group:
        source, target = group.create_task(read_source()), group.create_task(read_target())
    return source.result() == target.result()


async def _copied(request: CopyRequest, conn: asyncpg.Connection, table: Table) -> TableCopied:
    ranges = await read_ranges(conn, request.run, table)
    return TableCopied(
        table.qualified,
        sum(part.rows for part in ranges),
        sum(part.bytes for part in ranges),
        sum(part.seconds for part in ranges),
    )


async def _has_rows(conn: asyncpg.Connection, table: Table) -> bool:
    name = ident(table.schema, table.name)
    if await conn.fetchval("SELECT to_regclass($1) IS NULL", name, timeout=TIMEOUT):
        return False
    found: bool = await conn.fetchval(f"SELECT EXISTS (SELECT FROM {name})", timeout=TIMEOUT)
    return found
