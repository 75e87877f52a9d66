"""The state of one side: open or closed, how many switches it has seen, how far the other one's changes are
here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import asyncpg

from wsdash.data.online.position import Position
from wsdash.data.online.tracked import STATE
from wsdash.data.pg.sql import literal

SECONDS = 20.0

PRESENT = f"SELECT to_regclass({literal(STATE)}) IS NOT NULL"
READ = f"""
SELECT run, state, turn, opened_at::text AS opened_at, closed_by::text AS closed_by,
       position::text AS position, position_turn, position_boot,
       coalesce(position_ground, '') AS position_ground, suspects,
       coalesce(opened_ground, '') AS opened_ground, coalesce(own_boot, '') AS own_boot, shape
FROM {STATE}
"""


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
    if not await conn.fetchval(PRESENT, timeout=SECONDS):
        return None
    row = await conn.fetchrow(READ, timeout=SECONDS)
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
