"""One frozen view of a database, shared by any number of sessions, safe from chunks that come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import asyncpg

from wsdash.data.connect import Endpoint, connection
from wsdash.data.shape import Table
from wsdash.data.sql import ident
from wsdash.errors import UnreachableError, WsdashError
from wsdash.tasks import task_group

LOCK_SECONDS = 60.0
"""How long we wait for a table that somebody holds exclusively."""
HEARTBEAT_SECONDS = 5.0
ANSWER_SECONDS = 20.0
"""How long the server may take to answer the heartbeat and the commands that begin a session."""

NO_TIMEOUTS = """
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
               'idle_session_timeout', 'transaction_timeout') AND setting <> '0'
"""


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

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """Another read-only session that sees exactly the same rows.

        Raises UnreachableError when the server or the session that holds the snapshot is gone.
        """
        async with _frozen_session(self.endpoint, self.id) as conn:
            yield conn


@asynccontextmanager
async def open_snapshot(endpoint: Endpoint, tables: Sequence[Table]) -> AsyncIterator[Snapshot]:
    """Freeze a database for reading: the tables locked (ACCESS SHARE) first, then the snapshot exported.

    The lock lets writers go on and keeps back what a snapshot does not protect from: dropping, compressing
    and decompressing chunks. The holding session has no timeouts and a heartbeat; when it is lost, the block
    is cancelled and UnreachableError is raised. Raises WsdashError when a lock cannot be had in LOCK_SECONDS
    or a table is missing.
    """
    async with patient_connection(endpoint, read_only=True) as holder:
        lost = asyncio.Event()
        holder.add_termination_listener(lambda _: lost.set())
        snapshot_id = await _freeze(holder, endpoint, tables)
        taken_at = time.time()
        async with task_group() as group:
            heartbeat = group.create_task(_heartbeat(holder, endpoint, lost))
            async with _frozen_session(endpoint, snapshot_id) as conn:
                yield Snapshot(endpoint, snapshot_id, conn, taken_at)
            heartbeat.cancel()


@asynccontextmanager
async def patient_connection(endpoint: Endpoint, *, read_only: bool) -> AsyncIterator[asyncpg.Connection]:
    """A connection on which the server never gives up by itself, whatever its role's settings say."""
    async with connection(endpoint, read_only=read_only) as conn:
        await conn.execute(NO_TIMEOUTS, timeout=ANSWER_SECONDS)
        yield conn


async def hold_still(conn: asyncpg.Connection, endpoint: Endpoint, tables: Sequence[Table]) -> None:
    """Begin a transaction that sees one state of the tables and locks them (ACCESS SHARE) until it ends.

    Raises WsdashError when a lock cannot be had in LOCK_SECONDS or a table is missing, UnreachableError when
    the connection is lost.
    """
    names = ", ".join(ident(table.schema, table.name) for table in tables)
    with _lock_words(endpoint):
        await conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", timeout=ANSWER_SECONDS)
        if names:
            await conn.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE", timeout=LOCK_SECONDS)


@contextmanager
def _lock_words(endpoint: Endpoint) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise WsdashError(
            f"a table stayed locked by another session for {LOCK_SECONDS:.0f} s",
            where=endpoint.address,
            remedy="end the session that holds an exclusive lock (see pg_locks), then retry",
        ) from error
    except asyncpg.PostgresConnectionError as error:
        raise _lost(endpoint, error) from error
    except asyncpg.PostgresError as error:
        raise WsdashError(
            f"the tables cannot be held still for reading: {error}",
            where=endpoint.address,
            remedy="grant SELECT on them to the configured user; connect to the server, not to a pooler",
        ) from error


async def _freeze(holder: asyncpg.Connection, endpoint: Endpoint, tables: Sequence[Table]) -> str:
    await hold_still(holder, endpoint, tables)
    with _lock_words(endpoint):
        snapshot_id: str = await holder.fetchval("SELECT pg_export_snapshot()", timeout=ANSWER_SECONDS)
    return snapshot_id


@asynccontextmanager
async def _frozen_session(endpoint: Endpoint, snapshot_id: str) -> AsyncIterator[asyncpg.Connection]:
    async with patient_connection(endpoint, read_only=True) as conn:
        await conn.execute("SET row_security = off", timeout=ANSWER_SECONDS)
        await conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", timeout=ANSWER_SECONDS)
        try:
            await conn.execute(f"SET TRANSACTION SNAPSHOT '{snapshot_id}'", timeout=ANSWER_SECONDS)
        except asyncpg.PostgresError as error:
            raise _lost(endpoint, error) from error
        yield conn


async def _heartbeat(holder: asyncpg.Connection, endpoint: Endpoint, lost: asyncio.Event) -> None:
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await lost.wait()
        except TimeoutError:
            pass
        else:
            raise _lost(endpoint, ConnectionError("the session was ended"))
        try:
            await holder.execute("SELECT", timeout=ANSWER_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise _lost(endpoint, error) from error


def _lost(endpoint: Endpoint, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"the session that holds the snapshot of {endpoint.label} was lost ({error or type(error).__name__})",
        where=endpoint.address,
        remedy="see that the server runs and that nothing ends its sessions, then retry",
    )
