"""One stream of rows from one server into the other: bounded in memory, never left hanging by a failure."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import asyncpg

from wsdash.data.limits import LAST_WORDS_SECONDS, STALL_SECONDS
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.errors import ServerErrors
from wsdash.errors import WsdashError
from wsdash.tasks import task_group

PIPE_BYTES = 4 << 20
"""How much one stream holds between the two servers."""
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Stream:
    """What is copied: the source's query into the target's columns (None: all that COPY fills).

    subject: the table, for messages.
    """

    subject: str
    query: str
    schema: str
    table: str
    columns: tuple[str, ...] | None
    format: Literal["binary", "text"] = "binary"


class Pipe:
    """Bytes on their way: put() waits while PIPE_BYTES are held, iterating waits while nothing is."""

    def __init__(self, limit: int = PIPE_BYTES) -> None:
        self._limit = limit
        self._held: deque[bytes] = deque()
        self._bytes = 0
        self._finished = False
        self._room = asyncio.Event()
        self._filled = asyncio.Event()
        self._room.set()

    async def put(self, data: bytes) -> None:
        """Add data once there is room; a single piece larger than the limit passes alone."""
        await self._room.wait()
        self._held.append(data)
        self._bytes += len(data)
        self._filled.set()
        if self._bytes >= self._limit:
            self._room.clear()

    def finish(self) -> None:
        """Nothing more will come."""
        self._finished = True
        self._filled.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await self._filled.wait()
            while self._held:
                data = self._held.popleft()
                self._bytes -= len(data)
                if self._bytes < self._limit:
                    self._room.set()
                yield data
            if self._finished:
                return
            self._filled.clear()


async def transfer(
    source: tuple[Endpoint, asyncpg.Connection],
    target: tuple[Endpoint, asyncpg.Connection],
    stream: Stream,
    on_bytes: Callable[[int], None],
) -> int:
    """Copy the rows of a query into a table; returns how many. The caller owns the target's transaction.

    When one half fails, or its connection is lost, the other is cancelled at once. Raises WsdashError with
    the failing server's own words and address (UnreachableError when it is gone or nothing moves for
    STALL_SECONDS).
    """
    pipe = Pipe()
    async with task_group() as group:
        watches = [
            group.create_task(_watch(endpoint, conn, stream.subject)) for endpoint, conn in (source, target)
        ]
        reader = group.create_task(_read(*source, stream, pipe, on_bytes))
        written = await group.create_task(_write(*target, stream, pipe))
        read = await reader
        for watch in watches:
            watch.cancel()
    if read != written:
        raise WsdashError(
            f"{stream.subject}: {read:,} rows were read, but the target took {written:,}",
            where=target[0].address,
            remedy="drop the target's rule or trigger that leaves rows out, then retry",
        )
    return written


def server_words(
    server: Endpoint | asyncpg.Connection, doing: str, again: str = "then retry: what was copied is kept"
) -> ServerErrors:
    """ServerErrors for a step of a copy, which a retry continues."""
    return ServerErrors(server, doing, again)


async def _read(
    endpoint: Endpoint,
    conn: asyncpg.Connection,
    stream: Stream,
    pipe: Pipe,
    on_bytes: Callable[[int], None],
) -> int:
    with server_words(endpoint, f"reading {stream.subject}"):
        async with _stalling() as stall:

            async def sink(data: bytes) -> None:
                stall(None)
                await pipe.put(data)
                on_bytes(len(data))
                stall(STALL_SECONDS)

            try:
                status = await conn.copy_from_query(stream.query, output=sink, format=stream.format)
            except BaseException:
                conn.terminate()  # closing politely would wait for bytes that nobody reads any more
                raise
    pipe.finish()
    return _rows(status)


async def _write(endpoint: Endpoint, conn: asyncpg.Connection, stream: Stream, pipe: Pipe) -> int:
    with server_words(endpoint, f"writing {stream.subject}"):
        async with _stalling() as stall:

            async def rows() -> AsyncIterator[bytes]:
                stall(None)
                async for data in pipe:
                    # a huge row in pieces: the connection takes each only when the one before is on its way
                    for start in range(0, len(data), PIECE_BYTES):
                        stall(STALL_SECONDS)
                        yield data if len(data) <= PIECE_BYTES else data[start : start + PIECE_BYTES]
                        stall(None)
                stall(STALL_SECONDS)

            status = await conn.copy_to_table(
                stream.table,
                schema_name=stream.schema,
                columns=stream.columns,
                source=rows(),
                format=stream.format,
            )
    return _rows(status)


async def _watch(endpoint: Endpoint, conn: asyncpg.Connection, subject: str) -> None:
    """Fails when the connection is lost: a half that waits for room would not notice by itself."""
    lost = asyncio.Event()

    def listener(_: object) -> None:
        lost.set()

    conn.add_termination_listener(listener)
    try:
        if not conn.is_closed():
            await lost.wait()
        await asyncio.sleep(LAST_WORDS_SECONDS)
    finally:
        conn.remove_termination_listener(listener)
    with server_words(endpoint, f"carrying {subject}"):
        raise ConnectionResetError("the server ended the session")


@asynccontextmanager
async def _stalling() -> AsyncIterator[Callable[[float | None], None]]:
    """A deadline in so many seconds, for the one whose turn it is; None while it waits for the other half."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(STALL_SECONDS) as timeout:
        yield lambda seconds: timeout.reschedule(None if seconds is None else loop.time() + seconds)


def _rows(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
