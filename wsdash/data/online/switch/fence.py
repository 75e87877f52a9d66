"""The fence around a side that is about to be closed: an advisory lock that every gate tries in shared mode.

One transaction holds it until the side is closed, so that nothing is left when it ends any other way; the
server ends it itself when we are killed, stopped or cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.limits import SIDE_SECONDS
from wsdash.data.online.capture.objects import closed_functions
from wsdash.data.online.capture.tracked import FENCE, STATE, Tracked
from wsdash.data.pg.transactions import begin, commit
from wsdash.errors import RefusedError


@dataclass
class Fence:
    """The fence on one side. session: its own; limit: seconds after which the server lifts it by itself."""

    session: asyncpg.Connection
    limit: float
    tracked: Sequence[Tracked]
    xid: str = ""
    """The transaction that closes the side, once it was about to."""

    async def prepare(self) -> None:
        """Begin the transaction that will hold it. Raises asyncpg.PostgresError."""
        limit = f"'{max(1, int(self.limit * 1000))}ms'"
        await begin(
            self.session,
            f"SET LOCAL lock_timeout = {limit}",
            f"SET LOCAL statement_timeout = {limit}",
            f"SET LOCAL idle_in_transaction_session_timeout = {limit}",
            "SET LOCAL synchronous_commit = on",
        )
        # an autovacuum worker in our way is asked to end after so long; only a superuser may set it
        await self.session.execute(
            "SELECT set_config('deadlock_timeout', '20ms', true) "
            "WHERE current_setting('is_superuser') = 'on'",
            timeout=SIDE_SECONDS,
        )

    async def ask(self) -> None:
        """Ask for the fence: new writers are refused from now on; returns when open ones have ended.

        Raises asyncpg.LockNotAvailableError when they have not within the limit.
        """
        await self.session.execute(
            f"SELECT pg_advisory_xact_lock({FENCE})", timeout=self.limit + SIDE_SECONDS
        )

    async def lock(self) -> None:
        """Keep out who passes no gate (a writer into a chunk itself): nobody writes after this returns."""
        relations = ", ".join(one.relation for one in self.tracked)
        await self.session.execute(
            f"LOCK TABLE {relations} IN SHARE ROW EXCLUSIVE MODE", timeout=self.limit + SIDE_SECONDS
        )

    async def close(self, turn: int) -> None:
        """Make the side refuse writes for good, in this transaction; turn: the side's number then.

        Raises RefusedError when its state is not the expected one.
        """
        await self.session.execute(closed_functions(self.tracked), timeout=self.limit + SIDE_SECONDS)
        row = await self.session.fetchrow(
            f"UPDATE {STATE} SET state = 'closed', turn = $1, closed_by = pg_current_xact_id(), "
            "own_boot = pg_postmaster_start_time()::text "
            "WHERE state = 'open' AND turn = $1 - 1 RETURNING closed_by::text AS xid",
            turn,
            timeout=SIDE_SECONDS,
        )
        if row is None:
            raise RefusedError("the side was opened or closed by somebody else meanwhile")
        self.xid = row["xid"]

    async def commit(self) -> None:
        """The point of no return. Raises what the driver raises: then ask (settle), never guess."""
        await commit(self.session, timeout=SIDE_SECONDS)
