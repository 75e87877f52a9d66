"""Triggers that send a row of an inheritance parent to its child: at work although triggers are off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.quoting import ident

ROUTERS = """
SELECT tgname AS name FROM pg_trigger
WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgtype & 7 = 7 AND tgenabled = 'O' ORDER BY tgname
"""
"""Enabled BEFORE INSERT row triggers."""


@asynccontextmanager
async def routers_always(conn: asyncpg.Connection, parents: Sequence[str]) -> AsyncIterator[None]:
    """Let the routing triggers of inheritance parents (quoted names) fire in replica role, for a block.

    To be used in a transaction: a failure leaves putting them back to its rollback. Raises
    asyncpg.PostgresError.
    """
    routers = []
    for parent in parents:
        for row in await conn.fetch(ROUTERS, parent, timeout=TIMEOUT):
            routers.append((parent, ident(row["name"])))
    for parent, trigger in routers:
        await conn.execute(f"ALTER TABLE ONLY {parent} ENABLE ALWAYS TRIGGER {trigger}", timeout=TIMEOUT)
    yield
    for parent, trigger in routers:
        await conn.execute(f"ALTER TABLE ONLY {parent} ENABLE TRIGGER {trigger}", timeout=TIMEOUT)
