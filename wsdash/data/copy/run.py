"""Carrying every row of a schema into the target: exact, resumable, from one snapshot, in bounded memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

import asyncpg

from wsdash.data.copy.indexes import Builder, build_settings
from wsdash.data.copy.load import Load, Loader, Reporter, Worker
from wsdash.data.copy.manifest import (
    Range,
    empty_tables,
    ensure_manifest,
    flush,
    inspect_target,
    plan_ranges,
    read_book,
    refuse_foreign_rows,
    tables_with_rows,
)
from wsdash.data.copy.plan import (
    SourceSide,
    TargetSide,
    acyclic,
    plan_conditions,
    plan_tables,
    read_references,
    read_source_side,
    read_target_side,
    with_children,
)
from wsdash.data.limits import TICK_SECONDS
from wsdash.data.mapping.keys import fill_key_maps
from wsdash.data.mapping.seed_rows import read_seed_rows
from wsdash.data.mapping.types import KeyMap
from wsdash.data.pg.connect import Endpoint, connection, open_connection, opened_together, set_settings
from wsdash.data.pg.errors import described
from wsdash.data.pg.transfer import server_words
from wsdash.data.schema.apply import missing_statements
from wsdash.data.schema.ddl import Statement, search_path
from wsdash.data.snapshot.chunk_states import read_anew
from wsdash.data.snapshot.hold import Snapshot, open_readers, readers_in
from wsdash.data.tables.shape import Table, source_tables
from wsdash.data.verify.checksum import TableChecksum, checksum_table
from wsdash.errors import RefusedError
from wsdash.model import Progress
from wsdash.tasks import task_group

SESSION_BYTES = 8 << 20
WRITING = {"synchronous_commit": "off", "client_connection_check_interval": "1s"}
"""A range and its line are lost or kept together, so a crash may take the last few; the end is waited for.
A session whose client was killed ends soon, though it builds an index: it would be in the way of the next."""

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
    keys: Sequence[KeyMap] = ()
    """The new keys that the tables' mapping assigns."""
    snapshot: Snapshot | None = None
    """Read in this one, which the caller holds open on the tables; None: in one of the copy's own. A chunk
    that is rewritten meanwhile raises MovedError then: it is theirs to take it anew."""


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
    chunks: str = ""
    """How it is known that no chunk of the source was rewritten meanwhile; '' without hypertables."""
    retakes: tuple[str, ...] = ()
    """Why rows were read anew, once for each time."""

    @property
    def rows(self) -> int:
        """All rows copied by this run."""
        return sum(table.rows for table in self.tables)


@dataclass(frozen=True)
class CopiedState:
    """Whether a run's copy is complete, and the evidence in one line."""

    complete: bool
    text: str


async def copy_tables(
    request: CopyRequest,
    on_progress: Callable[[Progress], None],
    on_retake: Callable[[str], None] = lambda _: None,
) -> CopyResult:
    """Make the target hold exactly the source's rows, with all that follows them; safe to call again.

    A call after a crash keeps what is here and still equals the source, and copies the rest; so does this
    call by itself when maintenance of the source's chunks rewrote what was being read (on_retake hears why;
    the result counts it). Raises
    RefusedError naming tables and counts when the target holds rows that this run did not write (unless
    force), WsdashError with the failing server's own words, UnreachableError when one is gone.
    """
    retakes: list[str] = []

    def tell(why: str) -> None:
        retakes.append(why)
        on_retake(why)

    async def copy() -> CopyResult:
        reporter = Reporter(on_progress, request.item)
        async with AsyncExitStack() as stack, task_group() as group:
            watch = group.create_task(_watch(request.target, reporter))
            result = await _copy(request, reporter, stack, group)
            watch.cancel()
        reporter.close()
        return result

    if request.snapshot is not None:
        return await copy()
    return replace(await read_anew(copy, tell), retakes=tuple(retakes))


@described("reading what was copied")
async def copied_state(
    conn: asyncpg.Connection, tables: Sequence[Table], run: str, post: Sequence[Statement] = ()
) -> CopiedState:
    """Read in the target whether every table was loaded completely by this run and `post` is in place.

    Reads only. A table that was loaded and is empty now does not hold; rows that users changed since do not
    matter here (inspect_target and verify tell them). Raises WsdashError.
    """
    rows, unfinished = 0, []
    book = await read_book(conn, run)
    filled = {table.qualified for table in await tables_with_rows(conn, tables)}
    for table in tables:
        ranges = book.get(table.qualified, ())
        loaded = sum(part.rows for part in ranges)
        done = sum(1 for part in ranges if part.finished)
        if not ranges or done < len(ranges):
            unfinished.append(
                f"{table.qualified} ({done} of {len(ranges)} ranges)" if done else table.qualified
            )
        elif loaded and table.qualified not in filled:
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


async def _watch(target: Endpoint, reporter: Reporter) -> None:
    await asyncio.sleep(TICK_SECONDS)
    async with connection(target, read_only=True) as view:
        with server_words(target, "reading the target's progress views"):
            await reporter.watch(view)


@dataclass(frozen=True)
class _TargetBefore:
    """What the target is like before the copy.

    conn: a session of it, which becomes one of the writers. foreign: tables (qualified) with rows that this
    run did not write. references: the foreign keys that are there already. missing: the statements whose
    objects are not there.
    """

    conn: asyncpg.Connection
    foreign: set[str]
    references: dict[str, set[str]]
    book: dict[str, tuple[Range, ...]]
    side: TargetSide
    missing: list[Statement]


async def _copy(
    request: CopyRequest, reporter: Reporter, stack: AsyncExitStack, group: asyncio.TaskGroup
) -> CopyResult:
    """stack: closes what is opened here. group: owns what is done at the same time."""
    started = time.monotonic()
    reading, writing = _sessions(request)
    settings = build_settings(request.maintenance_work_mem)
    settings["search_path"] = search_path(*sorted({table.schema for table in request.tables}))
    one_writer = partial(open_connection, request.target, read_only=False, settings=WRITING | settings)
    opening = group.create_task(stack.enter_async_context(opened_together(writing - 1, one_writer)))
    looking = group.create_task(_look(request, stack))
    async with _readers(request, reading) as (snapshot, readers):
        with server_words(request.source, "planning the copy"):
            side = await read_source_side(snapshot.conn, request.tables)
        before = await looking
        await fill_key_maps(snapshot, (request.target, before.conn), request.keys)
        book = await _prepare(request, before, snapshot, side)
        plans = plan_tables(request.tables, side, before.side, acyclic(before.references))
        with server_words(request.target, "preparing the target"):
            await set_settings(before.conn, settings)
        writers = [before.conn, *await opening]
        workers = [Worker(reader, writer) for reader, writer in zip(readers, writers, strict=False)]
        loader = Loader(snapshot, request.target, request.run, workers, reporter)
        await loader.load([Load(plan, book[plan.table.qualified]) for plan in plans])
        sequences = request.sequences
        if callable(sequences):
            with server_words(request.source, "reading sequences"):
                sequences = await sequences(snapshot.conn)
        await snapshot.require_unmoved()
        with server_words(request.target, "ending the rows' half"):
            await flush(before.conn, request.run)
    loaded = time.monotonic()
    builder = Builder(request.target, request.tables, writers, reporter)
    made = await builder.build([*before.missing, *sequences])
    with server_words(request.target, "ending the copy"):
        await flush(before.conn, request.run)
        book = await read_book(before.conn, request.run)
    copied = tuple(_copied(table, book.get(table.qualified, ())) for table in request.tables)
    seconds = (loaded - started, time.monotonic() - loaded)
    return CopyResult(copied, tuple(made), *seconds, chunks=snapshot.chunks.evidence)


def _readers(
    request: CopyRequest, count: int
) -> AbstractAsyncContextManager[tuple[Snapshot, list[asyncpg.Connection]]]:
    if request.snapshot is not None:
        return readers_in(request.snapshot, count)
    return open_readers(request.source, source_tables(request.tables), count)


def _sessions(request: CopyRequest) -> tuple[int, int]:
    """How many readers and writers the copy is worth: opening a session costs as much as a few MB of rows.

    A writer more than readers: it builds indexes too, which are work even where the rows are few.
    """
    worth = sum(table.bytes for table in request.tables) // SESSION_BYTES + len(request.tables) // 100
    return max(1, min(request.workers, 1 + worth)), max(1, min(request.workers, 2 + worth))


async def _look(request: CopyRequest, stack: AsyncExitStack) -> _TargetBefore:
    """Open a session of the target and see what is there. Raises RefusedError."""
    target, tables = request.target, request.tables
    conn = await stack.enter_async_context(connection(target, read_only=False, settings=WRITING))
    with server_words(target, "reading what the target holds"):
        await ensure_manifest(conn)
        foreign = await inspect_target(conn, tables, request.run)
        if not request.force:
            refuse_foreign_rows(foreign, target.address)
        references = await read_references(conn, tables)
        book = await read_book(conn, request.run)
        side = await read_target_side(conn, tables)
        missing = await missing_statements(conn, list(request.post))
    return _TargetBefore(conn, {found.table for found in foreign}, references, book, side, missing)


async def _prepare(
    request: CopyRequest, before: _TargetBefore, snapshot: Snapshot, side: SourceSide
) -> dict[str, tuple[Range, ...]]:
    """Empty what must not stay; every table's ranges are in the manifest then, and are returned.

    Not to stay: foreign rows, the schema file's own rows where they are replaced, what somebody emptied
    since, and what came from an earlier snapshot and no longer equals the source's.
    """
    conn, book, unwanted = before.conn, before.book, set(before.foreign)
    with server_words(request.target, "preparing the target"):
        if book:
            filled = {table.qualified for table in await tables_with_rows(conn, request.tables)}
            loaded = {name for name, parts in book.items() if any(part.rows for part in parts)}
            unwanted |= loaded - filled
        for table in request.tables:
            finished = [part.condition for part in book.get(table.qualified, ()) if part.finished]
            if not finished or table.qualified in unwanted:
                continue
            if not await _still_equal(request, conn, snapshot, table, finished):
                unwanted.add(table.qualified)
        seeds = await read_seed_rows(conn)
        unwanted |= {t.qualified for t in request.tables if t.qualified in seeds and not t.keep_seed_rows}
        if emptied := with_children(request.tables, unwanted, before.references):
            await empty_tables(conn, emptied, None if request.force else request.run)
            book = await read_book(conn, request.run)
    conditions = []
    with server_words(request.source, "planning the ranges"):
        for place, table in enumerate(request.tables):
            if table.qualified not in book:
                sizes = side.sizes.get(place, (0, 0))
                parts = await plan_conditions(snapshot.conn, table, sizes, request.workers)
                conditions.append((table, parts))
    with server_words(request.target, "writing the manifest"):
        return book | (await plan_ranges(conn, request.run, conditions) if conditions else {})


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
            return await checksum_table(conn, table, side="target")

    async with task_group() as group:
        source, target = group.create_task(read_source()), group.create_task(read_target())
    return source.result() == target.result()


def _copied(table: Table, ranges: Sequence[Range]) -> TableCopied:
    return TableCopied(
        table.qualified,
        sum(part.rows for part in ranges),
        sum(part.bytes for part in ranges),
        sum(part.seconds for part in ranges),
    )
