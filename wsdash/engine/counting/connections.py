"""How many connections the new database has left, counted over one session that is kept for it.

A session opened for each count could not be opened when it matters: at the limit. Where the server refuses
another session, that is exhaustion, and is reported as such.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from wsdash.config import Settings
from wsdash.data.pg.connect import KeptSession
from wsdash.data.pg.errors import ServerErrors
from wsdash.engine.limits import POOL_TIMEOUT, SECONDS_TO_ASK
from wsdash.errors import WsdashError
from wsdash.steps.base import endpoint
from wsdash.watch.sources import Connections

CLIENTS = """select coalesce(nullif(state, ''), 'hidden') as state, usename as role, datname as database,
coalesce(application_name, '') = 'wsdash' as ours, count(*) as clients
from pg_stat_activity where backend_type = 'client backend'
or (backend_type is null and usesysid is not null and datid is not null) group by 1, 2, 3, 4"""
"""A role without pg_read_all_stats sees of other roles' sessions only whose and where they are."""
LIMITS = """select 'server' as kind, '' as name, current_setting('max_connections')::int
  - coalesce(current_setting('superuser_reserved_connections', true)::int, 0)
  - coalesce(current_setting('reserved_connections', true)::int, 0) as most
union all select 'database', datname, datconnlimit from pg_database
  where datname = current_database() and datconnlimit >= 0
union all select 'role', rolname, rolconnlimit from pg_roles
  where rolcanlogin and not rolsuper and rolconnlimit >= 0"""
"""What clients without a reservation may have. reserved_connections is there from PostgreSQL 16 on. A role's
limit counts its sessions in every database, and binds no superuser."""


class Client(NamedTuple):
    """So many sessions of one kind; ours: of wsdash itself."""

    state: str
    role: str
    database: str
    ours: bool
    number: int


class Limit(NamedTuple):
    """How many sessions there may be: of the server, a database or a role."""

    kind: str
    name: str
    most: int


def nearest(clients: Sequence[Client], limits: Sequence[Limit], database: str) -> Connections:
    """The sessions that count against the limit of which most is used.

    A role matters that uses `database` for more than watching: that wsdash is at the limit of a role of its
    own is nobody's trouble.
    """
    states: dict[str, int] = {}
    for client in clients:
        states[client.state] = states.get(client.state, 0) + client.number
    used_by = {client.role for client in clients if client.database == database and not client.ours}
    worst: Connections | None = None
    for limit in limits:
        if limit.kind == "role" and limit.name not in used_by:
            continue
        used = sum(client.number for client in clients if _counts(client, limit))
        found = Connections(used, max(1, limit.most), states, f"{limit.kind} {limit.name}".strip())
        if worst is None or found.used / found.limit > worst.used / worst.limit:
            worst = found
    return worst or Connections(sum(states.values()), 1, states)


def _counts(client: Client, limit: Limit) -> bool:
    match limit.kind:
        case "database":
            return client.database == limit.name
        case "role":
            return client.role == limit.name
    return True


class ConnectionCounter:
    """Counts; `close` lets the kept session go. One call at a time."""

    def __init__(self, settings: Settings) -> None:
        self._kept = KeptSession(endpoint(settings.target))
        self._limit = 1
        """The newest limit that was read; before the first, a refusal is 1 of 1."""

    async def __call__(self) -> Connections:
        """The clients' connections, counted against the limit that is nearest to being used up.

        That is the server's, the target database's, or that of a role that has sessions in it. Raises
        UnreachableError or WsdashError.
        """
        side = self._kept.endpoint
        try:
            with ServerErrors(side, "counting connections"):
                async with asyncio.timeout(SECONDS_TO_ASK):
                    session = await self._kept.get()
                    rows = await session.fetch(CLIENTS, timeout=POOL_TIMEOUT)
                    limits = await session.fetch(LIMITS, timeout=POOL_TIMEOUT)
        except WsdashError as error:
            if isinstance(error.__cause__, asyncpg.TooManyConnectionsError):
                return Connections(self._limit, self._limit, {"refused": 1})
            self._kept.drop()
            raise
        found = nearest([Client(*row) for row in rows], [Limit(*row) for row in limits], side.database)
        self._limit = found.limit
        return found

    async def close(self) -> None:
        """Close the kept session."""
        await self._kept.close()
