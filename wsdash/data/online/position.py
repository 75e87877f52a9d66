"""How far a side's changes are known: a snapshot, not a sequence number and not a horizon.

A sequence's order is not the order of commits, and a horizon does not move while anybody on the server
writes. What is new is what is visible now and was not in the last snapshot: a transaction from its xmax on,
or one that was running then. PgQ asks the same (pgq.batch_event_sql).
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from wsdash.data.online.tracked import SEAL
from wsdash.errors import WsdashError

SECONDS = 20.0


@dataclass(frozen=True)
class Position:
    """A snapshot of the side that is left: transactions below xmax are in it, but for the running ones.

    boot: when that server had started, as it says.
    """

    snapshot: str
    boot: str = ""

    @property
    def since(self) -> str:
        """The SQL condition on a log's line that its transaction is not in this snapshot."""
        _, xmax, running = self._parts()
        condition = f"xid >= '{xmax}'::xid8"
        if running:
            condition += f" OR xid = ANY ('{{{','.join(running)}}}'::xid8[])"
        return f"({condition})"

    def _parts(self) -> tuple[int, int, list[str]]:
        try:
            xmin, xmax, running = self.snapshot.split(":")
            return int(xmin), int(xmax), [str(int(one)) for one in running.split(",") if one]
        except ValueError as error:
            raise WsdashError(
                f"{self.snapshot!r} is not a snapshot",
                where="the position that is noted in schema wsdash",
                remedy="begin the online move anew",
            ) from error


async def read_position(conn: asyncpg.Connection) -> Position:
    """The snapshot that this session's transaction reads in. Raises asyncpg.PostgresError."""
    row = await conn.fetchrow(
        "SELECT pg_current_snapshot()::text AS snapshot, pg_postmaster_start_time()::text AS boot",
        timeout=SECONDS,
    )
    assert row is not None
    return Position(row["snapshot"], row["boot"])


async def seal(conn: asyncpg.Connection) -> None:
    """Commit something on that server and wait until it is on disk: call it after a position was read and
    before it is trusted.

    A server that crashes gives the transaction ids that it had not flushed to other transactions, which the
    position would call known. It also keeps the other side from holding what this one may yet lose.
    Raises asyncpg.PostgresError.
    """
    await conn.execute(
        "SET LOCAL synchronous_commit = on; "  # the server makes one transaction of a message
        f"UPDATE {SEAL} SET seals = seals + 1",
        timeout=SECONDS,
    )
