"""One frozen view of a database, shared by any number of sessions, safe from chunks that come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import asyncpg

from wsdash.data.limits import (
    BUSY_SECONDS,
    HEARTBEAT_SECONDS,
    LOCK_SECONDS,
    SESSION_ANSWER_SECONDS,
    UNHELD_SECONDS,
)
from wsdash.data.pg.connect import Endpoint, connection, open_connection, opened_together
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transactions import SNAPSHOT, begin, roll_back
from wsdash.data.snapshot.chunk_states import (
    NO_CHUNKS,
    ChunkStates,
    lock_chunks,
    read_states,
    require_unmoved,
)
from wsdash.data.tables.shape import Table
from wsdash.errors import WsdashError
from wsdash.tasks import task_group

HELD_BY_ALL = 200
"""So many tables and chunks every session of a snapshot locks; more where the server has room for the
locks."""
ROOM = """
SELECT current_setting('max_locks_per_transaction')::bigint
     * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)
"""
BUSY_ATTEMPTS = 5


class BusyError(WsdashError):
    """A table's shape is about to be changed by somebody else."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that lives as long as its open_snapshot block.

    id: as pg_export_snapshot names it. conn: a session inside the snapshot, for the block's own use.
    taken_at: seconds since the epoch.
    """

    endpoint: Endpoint
    id: str
    conn: asyncpg.Connection
    taken_at: float
    tables: tuple[Table, ...] = ()
    chunks: ChunkStates = NO_CHUNKS
    """The chunks of its hypertables when it was taken."""
    held_by_all: bool = True
    """Every session in it locks every table and chunk, so that none waits behind a change that waits for
    it."""

    async def require_unmoved(self) -> None:
        """Prove that what was read in the snapshot is what was there: call it when all is read.

        Raises MovedError when maintenance rewrote chunks since the snapshot was taken (read all of it anew
        then), UnreachableError.
        """
        if self.chunks.states:
            async with connection(self.endpoint, read_only=True) as conn:
                with ServerErrors(self.endpoint, "the states of the chunks cannot be read again"):
                    await require_unmoved(conn, self.endpoint, self.tables, self.chunks)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """Another read-only session that sees exactly the same rows.

        Raises UnreachableError when the server or the session that holds the snapshot is gone, BusyError when
        somebody waits to change a table's shape.
        """
        async with connection(self.endpoint, read_only=True) as conn:
            await _join(conn, self)
            yield conn


@asynccontextmanager
async def open_snapshot(endpoint: Endpoint, tables: Sequence[Table]) -> AsyncIterator[Snapshot]:
    """Freeze a database for reading: the tables locked (ACCESS SHARE) first, then the snapshot exported.

    The locks let writers go on and keep back what a snapshot does not protect from: dropping, compressing
    and decompressing chunks. Where a chunk could be rewritten nevertheless, require_unmoved finds it. The
    holding session has no timeouts and a heartbeat; when it is lost, the block is cancelled and
    UnreachableError is raised. Raises WsdashError when a lock cannot be had in LOCK_SECONDS or a table is
    missing, BusyError when somebody waits to change one.
    """
    async with open_readers(endpoint, tables, 1) as (snapshot, _):
        yield snapshot


@asynccontextmanager
async def open_readers(
    endpoint: Endpoint, tables: Sequence[Table], count: int
) -> AsyncIterator[tuple[Snapshot, list[asyncpg.Connection]]]:
    """A snapshot as open_snapshot gives it, and `count` sessions in it; its own conn is the first of them.

    When somebody waits to change a table, all is let go and taken again after them, BUSY_ATTEMPTS times.
    """
    one = partial(open_connection, endpoint, read_only=True)
    async with opened_together(count + 1, one) as (holder, *readers):
        lost = asyncio.Event()
        holder.add_termination_listener(lambda _: lost.set())
        for attempt in range(1, BUSY_ATTEMPTS + 1):
            snapshot = await _freeze(holder, endpoint, tables, readers)
            try:
                async with task_group() as joining:
                    for reader in readers:
                        joining.create_task(_join(reader, snapshot))
                break
            except BusyError:
                if attempt == BUSY_ATTEMPTS:
                    raise
            for conn in (holder, *readers):
                await roll_back(conn)
            await asyncio.sleep(BUSY_SECONDS)
        async with task_group() as group:
            heartbeat = group.create_task(_heartbeat(holder, endpoint, lost))
            try:
                yield snapshot, readers
            except (WsdashError, asyncpg.PostgresError):
                # a reader may have failed because a chunk was rewritten under it: that is the reason then
                if not lost.is_set():
                    await snapshot.require_unmoved()
                raise
            heartbeat.cancel()


@asynccontextmanager
async def readers_in(
    snapshot: Snapshot, count: int
) -> AsyncIterator[tuple[Snapshot, list[asyncpg.Connection]]]:
    """`count` sessions in a snapshot that somebody else holds open, and the snapshot with the first as its
    own conn. Raises what Snapshot.session does.
    """
    async with AsyncExitStack() as stack:
        async with task_group() as group:
            opening = [group.create_task(stack.enter_async_context(snapshot.session())) for _ in range(count)]
        readers = [task.result() for task in opening]
        yield replace(snapshot, conn=readers[0]), readers


async def hold_still(conn: asyncpg.Connection, endpoint: Endpoint, tables: Sequence[Table]) -> ChunkStates:
    """Begin a transaction that sees one state of the tables and locks them (ACCESS SHARE) until it ends.

    Returns the states of the hypertables' chunks in it (snapshot/chunk_states.py): they must be the same once
    all is read. Raises WsdashError when a lock cannot be had in LOCK_SECONDS or a table is missing,
    UnreachableError when the connection is lost.
    """
    names = ", ".join(ident(table.schema, table.name) for table in tables)
    with ServerErrors(endpoint, "the tables cannot be held still for reading"):
        await begin(conn, f"SET LOCAL lock_timeout = '{LOCK_SECONDS:.0f}s'", mode=SNAPSHOT)
        if names:
            lock = f"LOCK TABLE {names} IN ACCESS SHARE MODE"
            await conn.execute(lock, timeout=LOCK_SECONDS + SESSION_ANSWER_SECONDS)
        locked = await lock_chunks(conn, tables)
        return await read_states(conn, tables, locked)


async def _freeze(
    holder: asyncpg.Connection,
    endpoint: Endpoint,
    tables: Sequence[Table],
    readers: Sequence[asyncpg.Connection],
) -> Snapshot:
    states = await hold_still(holder, endpoint, tables)
    with ServerErrors(endpoint, "the snapshot cannot be exported"):
        snapshot_id: str = await holder.fetchval(
            "SELECT pg_export_snapshot()", timeout=SESSION_ANSWER_SECONDS
        )
        taken_at, relations = time.time(), sum(1 + len(table.chunks) for table in tables)
        held = relations <= HELD_BY_ALL or await _has_room(holder, relations * (1 + len(readers)))
    return Snapshot(endpoint, snapshot_id, readers[0], taken_at, tuple(tables), states, held)


async def _has_room(conn: asyncpg.Connection, locks: int) -> bool:
    """Whether so many locks take no more than a quarter of what the server has room for."""
    return bool(await conn.fetchval(f"SELECT {locks:d} <= ({ROOM}) / 4", timeout=SESSION_ANSWER_SECONDS))


async def _join(conn: asyncpg.Connection, snapshot: Snapshot) -> None:
    """Put a session into the snapshot and let it hold the tables and their chunks too.

    Its locks are taken now or not at all: a change that waits for the holder's lock would keep this session
    waiting behind it, the copy would wait for this session, and the change for the copy.
    """
    endpoint = snapshot.endpoint
    wait = LOCK_SECONDS if snapshot.held_by_all else UNHELD_SECONDS
    commands = [
        f"SET TRANSACTION SNAPSHOT '{snapshot.id}'",
        f"SET row_security = off; SET lock_timeout = '{wait:.0f}s'",
    ]
    if snapshot.tables and snapshot.held_by_all:
        names = ", ".join(ident(table.schema, table.name) for table in snapshot.tables)
        commands.append(f"LOCK TABLE {names} IN ACCESS SHARE MODE NOWAIT")
    holding = f"the session that holds the snapshot of {endpoint.label} cannot be joined"
    with ServerErrors(endpoint, holding):
        try:
            await begin(conn, *commands, mode=SNAPSHOT)
        except asyncpg.LockNotAvailableError as error:
            raise BusyError(
                f"another session of {endpoint.label} waits to change a table that is being read",
                where=endpoint.address,
                remedy="let it finish (see pg_stat_activity and pg_locks), then retry",
            ) from error


async def _heartbeat(holder: asyncpg.Connection, endpoint: Endpoint, lost: asyncio.Event) -> None:
    with ServerErrors(endpoint, "the session that holds the snapshot"):
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await lost.wait()
            except TimeoutError:
                pass
            else:
                raise ConnectionResetError("the session was ended")
            await holder.execute("SELECT", timeout=SESSION_ANSWER_SECONDS)
