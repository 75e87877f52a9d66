"""Connection poolers: distinguished from a server, given our settings by hand, and refused where a session is
not one.

A pooler that lends its servers for a transaction at a time (PgBouncer's pool_mode = transaction) loses what a
session holds: its settings, its locks, the snapshot it exported. Every one of them would be lost silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from wsdash.data.limits import ANSWER_SECONDS
from wsdash.data.pg.settings import set_settings
from wsdash.data.pg.transactions import begin, commit
from wsdash.errors import InputError

PROBES = 5
"""A pooler that deals its servers out in turn may give the same one twice; hardly so often."""


async def use_pooler(
    conn: asyncpg.Connection, settings: dict[str, str], again: Callable[[], Awaitable[asyncpg.Connection]]
) -> None:
    """Make a pooled connection fit for use: proven to keep its session, and with the settings set by hand.

    again: opens another connection of the same kind. Raises InputError when the pooler works by transactions
    or statements.
    """
    try:
        other = await again()
    except (TimeoutError, OSError, asyncpg.PostgresError):
        other = None  # no room for a second session: then they are not lent by the transaction
    if other is not None:
        try:
            shared = await _shared(conn, other)
        finally:
            other.terminate()
        if shared:
            raise InputError(
                "the address leads to a connection pooler that works by transactions, which loses snapshots, "
                "locks and settings",
                where="the database's host and port",
                remedy="give the address of the server itself, or set pool_mode = session for this database",
            )
    await set_settings(conn, settings)


async def _shared(conn: asyncpg.Connection, other: asyncpg.Connection) -> bool:
    """Whether two connections meet on one server process, or one of them changes its own."""
    mine: set[int] = set()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            for _ in range(PROBES):
                mine.add(await conn.fetchval("SELECT pg_backend_pid()"))
                await begin(other)
                if await other.fetchval("SELECT pg_backend_pid()") in mine:
                    return True
                mine.add(await conn.fetchval("SELECT pg_backend_pid()"))
                await commit(other)
    except TimeoutError:
        return False  # the other session waits until this one ends: each has a server of its own
    except asyncpg.PostgresError:
        return True  # by statements: a transaction is refused, or a prepared statement is gone
    return len(mine) > 1
