"""Transactions: the one way to begin, end and nest them on a session of asyncpg.

asyncpg's own transaction object refuses a session that was begun by a literal BEGIN, and does not notice one
that was ended by a literal COMMIT. Here all is said in SQL, and the state is read from the protocol: a block
inside a transaction, whoever began it, is a savepoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import asyncpg
import asyncpg.pool

from wsdash.data.limits import COMMIT_SECONDS, SESSION_ANSWER_SECONDS

Session: TypeAlias = "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy[Any]"
"""A session of our own, or one lent by a pool."""


SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""The mode of a transaction that reads one state of the database."""
_SAVEPOINT = "wsdash_block"
"""Savepoints of one name nest: the newest is meant."""


@asynccontextmanager
async def transaction(
    conn: Session,
    mode: str = "",
    *,
    taken_back: bool = False,
    commit_seconds: float = COMMIT_SECONDS,
) -> AsyncIterator[None]:
    """One transaction for the length of a block; a savepoint where one is open already.

    mode: what follows BEGIN (SNAPSHOT, READ ONLY ...); it must be '' for a savepoint to be right.
    taken_back: the block's work is undone at its end, whatever happened. An error in the block undoes it and
    is raised as itself. Raises what the driver raises when the session is lost.
    """
    nested = conn.is_in_transaction()
    await conn.execute(
        f"SAVEPOINT {_SAVEPOINT}" if nested else f"BEGIN {mode}", timeout=SESSION_ANSWER_SECONDS
    )
    try:
        yield
    except BaseException:
        if not conn.is_closed():
            # the block's own error says more than a failure to take it back; the session ends with that
            with suppress(
                asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError
            ):
                await _take_back(conn, nested)
        raise
    if taken_back:
        if not conn.is_closed():
            await _take_back(conn, nested)
    else:
        end = f"RELEASE SAVEPOINT {_SAVEPOINT}" if nested else "COMMIT"
        await conn.execute(end, timeout=commit_seconds)


async def begin(
    conn: Session, *commands: str, mode: str = "", timeout: float = SESSION_ANSWER_SECONDS
) -> None:
    """Begin a transaction that commit or roll_back ends, or the end of the session.

    commands are sent in the same message, after BEGIN. Raises RuntimeError when one is open already.
    """
    if conn.is_in_transaction():
        raise RuntimeError("a transaction is open already on this session")
    await conn.execute("; ".join([f"BEGIN {mode}", *commands]), timeout=timeout)


async def commit(conn: Session, *commands: str, timeout: float = COMMIT_SECONDS) -> None:
    """Send commands and COMMIT in one message: all of it is done, or the transaction is not committed."""
    await conn.execute("; ".join([*commands, "COMMIT"]), timeout=timeout)


async def roll_back(conn: Session, timeout: float = SESSION_ANSWER_SECONDS) -> None:
    """Take back the session's transaction; nothing on a session that is closed or has none."""
    # not asked before: until a cancelled command has ended, the driver knows only what was before it
    if not conn.is_closed():
        await conn.execute("ROLLBACK", timeout=timeout)


async def _take_back(conn: Session, nested: bool) -> None:
    undo = f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}" if nested else "ROLLBACK"
    await conn.execute(undo, timeout=SESSION_ANSWER_SECONDS)
