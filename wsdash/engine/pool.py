"""How many connections the new database has left, counted over one session that is kept for it.

A session opened for each count could not be opened when it matters: at the limit. Where the server refuses
another session, that is exhaustion, and is told as such.
"""

from __future__ import annotations

import asyncio

import asyncpg

from wsdash.config import Settings
from wsdash.data.pg.connect import close_politely, open_connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.errors import WsdashError
from wsdash.steps.base import endpoint
from wsdash.watch.sources import Connections

CLIENTS = """select coalesce(nullif(state, ''), 'hidden') as state, count(*) as clients from pg_stat_activity
where backend_type is null or backend_type in ('client backend', 'walsender') group by 1"""
"""A role without pg_read_all_stats sees of other roles' sessions only that they are there."""
LIMIT = """select current_setting('max_connections')::int
  - coalesce(current_setting('superuser_reserved_connections', true)::int, 0)
  - coalesce(current_setting('reserved_connections', true)::int, 0)"""
"""What clients without a reservation may have; reserved_connections is there from PostgreSQL 16 on."""
TIMEOUT = 5.0
SECONDS_TO_ASK = 8.0


class ConnectionCounter:
    """Counts; `close` lets the kept session go. One call at a time."""

    def __init__(self, settings: Settings) -> None:
        self._side = endpoint(settings.target)
        self._session: asyncpg.Connection | None = None
        self._limit = 1
        """The newest limit that was read; before the first, a refusal is 1 of 1."""

    async def __call__(self) -> Connections:
        """The clients' connections to the target's server. Raises UnreachableError or WsdashError."""
        try:
            with ServerErrors(self._side, "counting connections"):
                async with asyncio.timeout(SECONDS_TO_ASK):
                    session = await self._kept()
                    rows = await session.fetch(CLIENTS, timeout=TIMEOUT)
                    self._limit = max(1, int(await session.fetchval(LIMIT, timeout=TIMEOUT)))
        except WsdashError as error:
            if isinstance(error.__cause__, asyncpg.TooManyConnectionsError):
                return Connections(self._limit, self._limit, {"refused": 1})
            self._let_go()
            raise
        states = {str(row["state"]): int(row["clients"]) for row in rows}
        return Connections(sum(states.values()), self._limit, states)

    async def close(self) -> None:
        """Close the kept session."""
        session, self._session = self._session, None
        if session is not None:
            await close_politely(session)

    async def _kept(self) -> asyncpg.Connection:
        if self._session is None or self._session.is_closed():
            self._session = await open_connection(self._side, read_only=True)
        return self._session

    def _let_go(self) -> None:
        """A session that failed is not asked again."""
        session, self._session = self._session, None
        if session is not None:
            session.terminate()
