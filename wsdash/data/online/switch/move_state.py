"""The state of a move, read from two facts: which of the two sides is open. And what a lost COMMIT did."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import asyncpg

from wsdash.data.limits import SETTLE_SECONDS, SIDE_PAUSE_SECONDS
from wsdash.data.online.capture.position import State, read_state
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.errors import RefusedError, UnreachableError, WsdashError


@dataclass(frozen=True)
class MoveState:
    """Both sides' states. leaving: the side that changes come from, or that was just closed."""

    source: State
    target: State
    leaving: Endpoint

    @property
    def between(self) -> bool:
        """Both closed: the switch is past its point of no return, and goes forward."""
        return not self.source.open and not self.target.open


async def read_move_state(here: Endpoint, there: Endpoint) -> MoveState | None:
    """Read both sides, the source and the target; None while one of them has no capture yet.

    Raises RefusedError when both are open, UnreachableError, WsdashError.
    """
    if (source := await read_side_state(here)) is None or (target := await read_side_state(there)) is None:
        return None
    if source.open and target.open and source.turn > target.turn:
        raise RefusedError(
            f"{there.label} is open too: its writes were given up when it was away, and "
            f"{here.label} has gone on since",
            where=there.address,
            remedy="take its capture away (wsdash finish --remove-traces), then begin the move anew",
        )
    if source.open and target.open:
        raise RefusedError(
            f"BOTH databases take writes ({here.label} turn {source.turn}, {there.label} turn "
            f"{target.turn}): what is written to one of them is missing in the other",
            where=f"{here.address} and {there.address}",
            remedy="stop all writers now, compare the two (wsdash verify), and close one of them by hand",
        )
    if source.open != target.open:
        leaving = here if source.open else there
    elif source.turn != target.turn:
        leaving = here if source.turn > target.turn else there
    else:
        raise RefusedError(
            f"both databases are closed at turn {source.turn}: no switch was under way",
            where=f"{here.address} and {there.address}",
            remedy="see who changed schema wsdash in them",
        )
    return MoveState(source, target, leaving)


async def settle(side: Endpoint, xid: str, turn: int) -> bool:
    """Whether the transaction that was to close a side did: asked of the server, never guessed.

    xid: its number, where known. turn: what the side's state would be then. Raises WsdashError
    when the server does not say within SETTLE_SECONDS.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            if (answer := await _ask(side, xid, turn)) is not None:
                return answer
            reason = "its transaction is still open"
        except UnreachableError as error:
            reason = error.what
        if time.monotonic() > deadline:
            raise WsdashError(
                f"it is not known whether {side.label} was closed: {reason}",
                where=side.address,
                remedy="when the server answers again, resume: the move goes on from what it says",
            )
        await asyncio.sleep(SIDE_PAUSE_SECONDS)


async def _ask(side: Endpoint, xid: str, turn: int) -> bool | None:
    """None: not decided yet."""
    async with connection(side, read_only=True) as conn:
        with ServerErrors(side, "asking what became of the switch"):
            if xid and await _status(conn, xid) == "in progress":
                return None
            state = await read_state(conn)
            if state is None:
                raise RefusedError(f"the capture is gone from {side.label}", where=side.address)
            return not state.open and state.turn == turn


async def _status(conn: asyncpg.Connection, xid: str) -> str | None:
    """What the server says of a transaction; None for one that is older than it remembers, or none yet."""
    try:
        status: str | None = await conn.fetchval(
            "SELECT pg_xact_status($1::text::xid8)", xid, timeout=SIDE_PAUSE_SECONDS * 100
        )
    except asyncpg.InvalidParameterValueError:
        return None  # "is in the future": a crash took it, and its number was not used again
    return status


async def read_side_state(side: Endpoint) -> State | None:
    """One side's state; None where it has no capture. Raises UnreachableError, WsdashError."""
    async with connection(side, read_only=True) as conn:
        with ServerErrors(side, "reading the state of the move"):
            return await read_state(conn)
