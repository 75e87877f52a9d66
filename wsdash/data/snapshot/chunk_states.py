"""Proof that the chunks of hypertables were not rewritten while they were read.

TimescaleDB plans a query by a chunk's state of now, not by its state in the query's snapshot. Rows that
were in the uncompressed part of a partially compressed chunk are therefore missed by an older snapshot once
the chunk is recompressed, and neither the snapshot nor ACCESS SHARE keeps recompression back (seen on
2.23.0). So:

- a chunk is locked in SHARE UPDATE EXCLUSIVE mode where the role may: every maintenance call waits for
  that, and no reader or writer does. Its root is not: an insert that needs a new chunk takes that mode there.
- the states of all chunks in the snapshot are compared with their states once all is read. A catalog row
  keeps the transaction that wrote it (xmin), so that a state that came back is noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from wsdash.data.limits import RETAKE_SECONDS, TIMEOUT
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.transactions import transaction
from wsdash.data.tables.shape import Table
from wsdash.errors import WsdashError

KIND = "timescaledb"
"""What Table.hypertable says of a real hypertable."""
COMPRESSED = 1
PARTIAL = 8
"""Bits of a chunk's status (2 is: compressed, with unordered batches; 4 is: frozen)."""
SHOWN = 3
READ_ATTEMPTS = 5

T = TypeVar("T")

PRESENT = "SELECT to_regclass('_timescaledb_catalog.chunk') IS NOT NULL"

STATES = """
SELECT format('%I.%I', c.schema_name, c.table_name) AS chunk, c.status, c.compressed_chunk_id AS compressed,
       c.xmin::text AS written_by, r.relfilenode::bigint AS heap, z.relfilenode::bigint AS inner_heap
FROM unnest($1::text[], $2::text[]) wanted(schema, name)
JOIN _timescaledb_catalog.hypertable h ON (h.schema_name, h.table_name) = (wanted.schema, wanted.name)
  OR h.id IN (SELECT a.mat_hypertable_id FROM _timescaledb_catalog.continuous_agg a
              WHERE (a.user_view_schema, a.user_view_name) = (wanted.schema, wanted.name))
JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = h.id
JOIN pg_catalog.pg_namespace rn ON rn.nspname = c.schema_name
JOIN pg_catalog.pg_class r ON r.relnamespace = rn.oid AND r.relname = c.table_name
LEFT JOIN _timescaledb_catalog.chunk i ON i.id = c.compressed_chunk_id
LEFT JOIN pg_catalog.pg_namespace zn ON zn.nspname = i.schema_name
LEFT JOIN pg_catalog.pg_class z ON z.relnamespace = zn.oid AND z.relname = i.table_name
ORDER BY c.id
"""


class MovedError(WsdashError):
    """Maintenance rewrote chunks while they were read: what was read may lack rows, and must be read anew."""


@dataclass(frozen=True)
class ChunkState:
    """One chunk as the catalog has it. compressed: the id of its compressed relation; heap and inner_heap:
    the
    files of its two relations; written_by: the transaction that wrote the catalog's row."""

    status: int
    compressed: int | None
    written_by: str
    heap: int | None
    inner_heap: int | None


@dataclass(frozen=True)
class ChunkStates:
    """The chunks of the tables that are read, by quoted name, as the snapshot sees them.

    locked: no maintenance call can touch them while the snapshot lives.
    """

    states: dict[str, ChunkState]
    locked: bool

    @property
    def evidence(self) -> str:
        """How it is known that nothing moved, for people; '' where there are no hypertables."""
        if not self.states:
            return "chunks locked against maintenance" if self.locked else ""
        how = "locked against maintenance, and their" if self.locked else "their"
        return f"{len(self.states)} chunks: {how} states were the same before and after"


NO_CHUNKS = ChunkStates({}, False)


async def lock_chunks(conn: asyncpg.Connection, tables: Sequence[Table]) -> bool:
    """Keep maintenance away from the tables' chunks until the transaction ends; whether that could be done.

    Call it before the transaction's first query, which takes the snapshot. It waits for nobody: where a
    chunk is being maintained or vacuumed, where the role may not, or where there are too many, nothing is
    locked. Raises what the driver raises when the session is lost.
    """
    chunks = [f"ONLY {chunk}" for table in tables if table.hypertable == KIND for chunk in table.chunks]
    if not chunks:
        return False
    try:
        async with transaction(conn):
            names = ", ".join(chunks)
            await conn.execute(f"LOCK TABLE {names} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT", timeout=TIMEOUT)
    except (
        asyncpg.InsufficientPrivilegeError,
        asyncpg.LockNotAvailableError,
        asyncpg.UndefinedTableError,
        asyncpg.OutOfMemoryError,
    ):
        return False
    return True


async def read_states(conn: asyncpg.Connection, tables: Sequence[Table], locked: bool) -> ChunkStates:
    """The states of the chunks as the session's snapshot sees them; empty where there are no hypertables.

    Raises WsdashError when they cannot be read and nothing was locked: then nothing proves what is read.
    """
    # where the catalog reader could not ask TimescaleDB, a hypertable is taken for a parent with chunks
    if not any(table.hypertable for table in tables) or not await conn.fetchval(PRESENT, timeout=TIMEOUT):
        return ChunkStates({}, locked)
    try:
        async with transaction(conn):
            names = [table.schema for table in tables], [table.name for table in tables]
            rows = await conn.fetch(STATES, *names, timeout=TIMEOUT)
    except asyncpg.PostgresError as error:
        if isinstance(error, asyncpg.PostgresConnectionError) or conn.is_closed():
            raise
        if locked:
            return ChunkStates({}, locked)
        raise WsdashError(
            f"the states of the chunks cannot be read ({error}): maintenance could hide rows unnoticed",
            where="_timescaledb_catalog.chunk in the source",
            remedy="GRANT SELECT ON ALL TABLES IN SCHEMA _timescaledb_catalog TO the configured user",
        ) from error
    parts = ("status", "compressed", "written_by", "heap", "inner_heap")
    return ChunkStates({row["chunk"]: ChunkState(*(row[part] for part in parts)) for row in rows}, locked)


async def require_unmoved(
    conn: asyncpg.Connection, endpoint: Endpoint, tables: Sequence[Table], before: ChunkStates
) -> None:
    """Compare the states of now with those of the snapshot. Call it when all is read.

    conn: a session that sees what is committed now. Raises MovedError naming the chunks that were rewritten,
    WsdashError as read_states.
    """
    if not before.states:
        return
    lines = moved(before, await read_states(conn, tables, before.locked))
    if lines:
        more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        raise MovedError(
            f"maintenance rewrote chunks while they were read: {'; '.join(lines[:SHOWN])}{more}",
            where=endpoint.address,
            remedy="pause its compression and retention jobs, or retry when they are done",
        )


async def read_anew(read: Callable[[], Awaitable[T]], on_retake: Callable[[str], None]) -> T:
    """What `read` gives; called again, READ_ATTEMPTS times in all, when chunks moved under it.

    on_retake hears why, before each further attempt. Raises what `read` raises, at last MovedError.
    """
    for attempt in range(2, READ_ATTEMPTS + 1):
        try:
            return await read()
        except MovedError as error:
            on_retake(f"{error.what}: read anew, attempt {attempt} of {READ_ATTEMPTS}")
            await asyncio.sleep(RETAKE_SECONDS)
    return await read()


def moved(before: ChunkStates, after: ChunkStates) -> list[str]:
    """What happened to the chunks, one line for each whose rows the snapshot may not see completely any more.

    A new chunk, and rows written into a compressed one, are not among these.
    """
    lines = []
    for chunk, old in before.states.items():
        new = after.states.get(chunk)
        if new is None:
            lines.append(f"{chunk} is gone")
        elif (new.heap, new.inner_heap, new.compressed) != (old.heap, old.inner_heap, old.compressed):
            lines.append(f"{chunk} was {_what_happened(old, new)}")
        elif old.status & COMPRESSED and not old.status & PARTIAL:
            # all its rows are in the compressed relation, and that is the same one still
            if not new.status & COMPRESSED:
                lines.append(f"{chunk} was decompressed")
        elif new.written_by != old.written_by:
            lines.append(f"{chunk} was {_what_happened(old, new)}")
    return lines


def _what_happened(old: ChunkState, new: ChunkState) -> str:
    if old.compressed is None and new.compressed is not None:
        return "compressed"
    if old.compressed is not None and new.compressed is None:
        return "decompressed"
    return "recompressed" if old.compressed is not None else "rewritten"
