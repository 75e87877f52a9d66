"""The state of one side: open or closed, how many switches it has seen, how far it has the other one's rows.

How far is a snapshot, neither a sequence number nor a horizon. A sequence's order is not the order of
commits, and a horizon does not move while anybody on the server writes. What is new is what is visible now
and was not in the last snapshot: a transaction from its xmax on, or one that was running then. PgQ asks the
same (pgq.batch_event_sql).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import asyncpg

from wsdash.data.limits import SIDE_SECONDS
from wsdash.data.online.capture.tracked import SEAL, STATE
from wsdash.data.pg.sql import literal
from wsdash.errors import WsdashError

PRESENT = f"SELECT to_regclass({literal(STATE)}) IS NOT NULL"
READ = f"""
SELECT run, state, turn, opened_at::text AS opened_at, closed_by::text AS closed_by,
       position::text AS position, position_turn, position_boot,
       coalesce(position_ground, '') AS position_ground, suspects,
       coalesce(opened_ground, '') AS opened_ground, coalesce(own_boot, '') AS own_boot, shape
FROM {STATE}
"""


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
        timeout=SIDE_SECONDS,
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
        timeout=SIDE_SECONDS,
    )


@dataclass(frozen=True)
class State:
    """The state row of a side; see objects.BASE for what each column says."""

    run: str
    state: Literal["open", "closed"]
    turn: int
    opened_at: Position | None
    closed_by: str
    position: Position | None
    position_turn: int | None
    position_ground: str
    suspects: frozenset[int]
    opened_ground: str
    own_boot: str
    shape: str

    @property
    def open(self) -> bool:
        """Whether it takes writes."""
        return self.state == "open"


async def read_state(conn: asyncpg.Connection) -> State | None:
    """The side's state; None where no capture was ever installed. Raises asyncpg.PostgresError."""
    if not await conn.fetchval(PRESENT, timeout=SIDE_SECONDS):
        return None
    row = await conn.fetchrow(READ, timeout=SIDE_SECONDS)
    if row is None:
        return None
    opened = Position(row["opened_at"]) if row["opened_at"] else None
    position = Position(row["position"], row["position_boot"] or "") if row["position"] else None
    return State(
        row["run"],
        row["state"],
        row["turn"],
        opened,
        row["closed_by"] or "",
        position,
        row["position_turn"],
        row["position_ground"],
        frozenset(row["suspects"]),
        row["opened_ground"],
        row["own_boot"],
        row["shape"] or "",
    )
