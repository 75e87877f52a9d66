"""Locks taken so that nobody queues behind us for long: a short wait, then again later."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import asyncpg

from wsdash.data.pg.errors import server_of
from wsdash.data.pg.transactions import transaction
from wsdash.errors import WsdashError

WAIT_MILLISECONDS = 200
"""How long we wait for a lock, and writers behind us."""
ATTEMPTS = 100
PAUSE_SECONDS = 0.25
SECONDS = 60.0

HOLDERS = """
SELECT DISTINCT a.pid, a.usename::text AS role, extract(epoch FROM now() - a.xact_start)::bigint AS seconds,
       coalesce(left(a.query, 100), '') AS query
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.relation = ANY ($1::text[]::regclass[]) AND l.pid <> pg_backend_pid()
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
ORDER BY 3 DESC NULLS LAST LIMIT 5
"""


async def patiently(
    conn: asyncpg.Connection,
    relations: list[str],
    work: Callable[[], Awaitable[None]],
    *,
    doing: str,
    attempts: int = ATTEMPTS,
) -> None:
    """Do `work` in one transaction whose locks are waited for WAIT_MILLISECONDS, up to `attempts` times.

    relations: the tables (quoted) whose lock it needs. Raises WsdashError naming who holds them when no
    attempt gets them; what `work` raises else.
    """
    for _ in range(attempts):
        try:
            async with transaction(conn):
                await conn.execute(f"SET LOCAL lock_timeout = '{WAIT_MILLISECONDS}ms'", timeout=SECONDS)
                await work()
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))
    holders = await conn.fetch(HOLDERS, relations, timeout=SECONDS)
    named = "; ".join(
        f"pid {row['pid']} ({row['role']}, for {row['seconds'] or 0} s: {row['query']})" for row in holders
    )
    raise WsdashError(
        f"{doing}: its lock cannot be had, it is held by {named or 'sessions that come and go'}",
        where=server_of(conn).address,
        remedy="let that session end (or end it: SELECT pg_terminate_backend(PID)), then retry",
    )
