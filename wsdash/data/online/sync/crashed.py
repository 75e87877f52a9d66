"""What a crash of a side's server takes: the rows of tables that are unlogged there.

wsdash makes the target's tables logged; a schema of the target's own may have others.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.online.capture.position import State, read_position
from wsdash.data.online.capture.tracked import Tracked
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint

UNLOGGED = """
SELECT number FROM unnest($1::integer[], $2::text[]) u(number, name)
JOIN pg_class c ON c.oid = to_regclass(name) WHERE c.relpersistence = 'u'
"""


async def read_unlogged(conn: asyncpg.Connection, tracked: Sequence[Tracked]) -> frozenset[int]:
    """Numbers of the tables that are unlogged on that session's side. Raises asyncpg.PostgresError."""
    numbers, names = [one.number for one in tracked], [one.relation for one in tracked]
    return frozenset(row["number"] for row in await conn.fetch(UNLOGGED, numbers, names, timeout=TIMEOUT))


async def emptied_by_crash(
    move: Move, side: Endpoint, conn: asyncpg.Connection, state: State
) -> frozenset[int]:
    """Numbers of unlogged tables that must be taken whole, since the side's server was started anew.

    A clean restart leaves their rows, and cannot be distinguished from a crash: the target's are taken whole
    after either. Of the source's only those without a row are, since its rows are never removed at once.
    Raises asyncpg.PostgresError.
    """
    if state.own_boot in ("", (await read_position(conn)).boot):
        return frozenset()
    tracked = move.tracked_on(side)
    unlogged = await read_unlogged(conn, tracked)
    if side == move.target:
        return unlogged
    return frozenset(
        [
            one.number
            for one in tracked
            if one.number in unlogged
            and not await conn.fetchval(f"SELECT EXISTS (SELECT FROM {one.relation})", timeout=TIMEOUT)
        ]
    )
