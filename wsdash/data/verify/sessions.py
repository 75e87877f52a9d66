"""The sessions of a comparison: each worker has one on each side, in its side's snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from wsdash.data.limits import CHECKSUM_SECONDS, SHORT_SECONDS, TIMEOUT
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transactions import roll_back
from wsdash.data.pg.transfer import server_words
from wsdash.data.snapshot.chunk_states import NO_CHUNKS, ChunkStates, require_unmoved
from wsdash.data.snapshot.hold import Snapshot, hold_still
from wsdash.data.tables.shape import Side, Table
from wsdash.tasks import task_group

Query = Callable[[asyncpg.Connection, Side], str]
"""Makes a query for a session of one of the sides."""


@dataclass(frozen=True)
class SessionPair:
    """One worker's two sessions. seconds: the longest a query may take."""

    old_side: Endpoint
    old: asyncpg.Connection
    new_side: Endpoint
    new: asyncpg.Connection
    seconds: float = CHECKSUM_SECONDS
    chunks: ChunkStates = NO_CHUNKS
    """The chunks of the old side's hypertables, of a lone pair."""

    async def both(self, doing: str, query: Query) -> tuple[list[Any], list[Any]]:
        """Fetch on both sides at once what `query` makes of each side's session."""
        async with task_group() as group:
            old = group.create_task(self.fetch(True, doing, query))
            new = group.create_task(self.fetch(False, doing, query))
        return old.result(), new.result()

    async def fetch(self, old: bool, doing: str, query: Query) -> list[Any]:
        """Fetch from the old side or from the new one. Raises WsdashError with the server's own words."""
        endpoint, conn = (self.old_side, self.old) if old else (self.new_side, self.new)
        with server_words(endpoint, doing, "then retry"):
            return list(await conn.fetch(query(conn, "source" if old else "target"), timeout=self.seconds))


@asynccontextmanager
async def lone_connections(
    source: Endpoint, target: Endpoint
) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """One read-only connection to each side, opened at once."""
    async with AsyncExitStack() as stack:
        async with task_group() as group:
            old, new = (
                group.create_task(stack.enter_async_context(connection(side, read_only=True)))
                for side in (source, target)
            )
        yield old.result(), new.result()


async def lone_pair(
    sides: tuple[Endpoint, Endpoint],
    conns: tuple[asyncpg.Connection, asyncpg.Connection],
    tables: tuple[Sequence[Table], Sequence[Table]],
    workers: int,
) -> SessionPair:
    """The connections as a pair, each in a transaction that sees one state of its tables until it ends.

    For little to compare: a snapshot that several sessions share costs more to set up than such a
    comparison takes. Raises WsdashError when a table cannot be locked.
    """
    async with task_group() as group:
        old, _ = [
            group.create_task(_begin(side, conn, held, workers))
            for side, conn, held in zip(sides, conns, tables, strict=True)
        ]
    return SessionPair(sides[0], conns[0], sides[1], conns[1], SHORT_SECONDS, old.result())


async def require_lone_unmoved(pair: SessionPair, tables: Sequence[Table]) -> None:
    """Prove that what a lone pair read of the source is what was there; ends its transaction there.

    Raises MovedError when maintenance rewrote chunks meanwhile.
    """
    if pair.chunks.states:
        with server_words(pair.old_side, "reading the states of the chunks again", "then retry"):
            await roll_back(pair.old)
            await require_unmoved(pair.old, pair.old_side, tables, pair.chunks)


async def _begin(
    endpoint: Endpoint, conn: asyncpg.Connection, tables: Sequence[Table], workers: int
) -> ChunkStates:
    await _settle(endpoint, conn, workers)
    return await hold_still(conn, endpoint, tables)


@asynccontextmanager
async def shared_pair(old: Snapshot, new: Snapshot, workers: int) -> AsyncIterator[SessionPair]:
    """A pair of sessions in two snapshots that others share, with the servers' parallel query."""
    async with old.session() as source, new.session() as target:
        for snapshot, conn in ((old, source), (new, target)):
            await _settle(snapshot.endpoint, conn, workers)
        yield SessionPair(old.endpoint, source, new.endpoint, target)


async def _settle(endpoint: Endpoint, conn: asyncpg.Connection, workers: int) -> None:
    settings = f"SET row_security = off; SET jit = off; SET max_parallel_workers_per_gather = {int(workers)}"
    with server_words(endpoint, "beginning to compare", "then retry"):
        await conn.execute(settings, timeout=TIMEOUT)
