"""Row counts of both sides, for the row-diff pane and for evidence: exact, or estimated in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg

from wsdash.config import DatabaseSettings, Settings
from wsdash.data.connect import Endpoint, connection
from wsdash.data.sql import ident
from wsdash.errors import UnreachableError
from wsdash.model import RowsReading
from wsdash.steps.base import endpoint
from wsdash.watch.clock import Clock, SystemClock

STANDING = """
WITH RECURSIVE tree(root, oid) AS (
  SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
  UNION SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
SELECT r.relname AS name, concat_ws(' ', r.oid, pg_relation_filenode(r.oid)) AS identity,
       sum(CASE WHEN c.relkind <> 'r' THEN 0 WHEN c.reltuples > 0 THEN c.reltuples
                ELSE coalesce(pg_stat_get_live_tuples(c.oid), 0) END)::bigint AS guess,
       sum(coalesce(pg_stat_get_tuples_inserted(c.oid) - pg_stat_get_tuples_deleted(c.oid), 0))::bigint AS net
FROM tree t JOIN pg_class r ON r.oid = t.root JOIN pg_class c ON c.oid = t.oid
GROUP BY r.relname, r.oid ORDER BY 1
"""
"""Every root table: what changes when it is made anew or truncated, a guess of its rows out of the
statistics of the relations that hold them (the root of a hypertable knows nothing), and how many were
inserted less those deleted."""
LOOK_SECONDS = 10.0
COUNT_SECONDS = 15.0
"""The longest one count may take; a table that takes longer is estimated."""
ROUND_SECONDS = 30.0
"""After so much counting, the other tables of a round are estimated."""
SHARE = 0.05
"""Exact counting takes at most this part of the time."""
CREDIT_SECONDS = 1.0
"""So much counting may be saved up."""


@dataclass(frozen=True)
class Standing:
    """What a server's catalog and statistics say of a table, without reading it."""

    identity: str
    guess: int
    net: int


@dataclass(frozen=True)
class Counted:
    """The last exact count of a table on both sides; a side is None where it was not there or took too long.

    at: seconds since the epoch.
    """

    at: float
    rows: tuple[int | None, int | None]
    standing: tuple[Standing | None, Standing | None]


class RowWatch:
    """Counts again and again at little cost to the servers.

    Both sides of a table are counted together. Exact counts take SHARE of the time; between them a count is
    the last exact one and what was inserted and deleted since, by the servers' own statistics.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._sides = (settings.source, settings.target)
        self._clock = clock or SystemClock()
        self._counted: dict[str, Counted] = {}
        self._credit = 0.0
        self._looked_at: float | None = None

    async def __call__(self) -> list[RowsReading]:
        """Every root table of both schemas now. A side that cannot be read gives None for its tables.

        Raises UnreachableError when neither side can be read.
        """
        self._earn()
        async with AsyncExitStack() as stack:
            looks = [self._look(stack, side) for side in self._sides]
            old, new = await asyncio.gather(*looks, return_exceptions=True)
            for look in (old, new):
                if isinstance(look, BaseException) and not isinstance(look, UnreachableError):
                    raise look
            if isinstance(old, BaseException) and isinstance(new, BaseException):
                raise old
            views = [None if isinstance(look, BaseException) else look for look in (old, new)]
            names = sorted({name for view in views if view is not None for name in view.tables})
            exact = await self._count_some(names, views)
        schema = self._sides[0].schema
        return [self._reading(f"{schema}.{name}", name, views, name in exact) for name in names]

    def _earn(self) -> None:
        now = self._clock.monotonic()
        since = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        self._credit = min(CREDIT_SECONDS, self._credit + SHARE * since)

    async def _look(self, stack: AsyncExitStack, side: DatabaseSettings) -> _View:
        try:
            session = await stack.enter_async_context(connection(endpoint(side), read_only=True))
            rows = await session.fetch(STANDING, side.schema, timeout=LOOK_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise UnreachableError(f"{side.label} could not be counted: {error}", where=side.label) from error
        tables = {row["name"]: Standing(row["identity"], row["guess"], row["net"]) for row in rows}
        return _View(session, side.schema, tables)

    async def _count_some(self, names: Sequence[str], views: Sequence[_View | None]) -> set[str]:
        """Count what was never counted as it is now, then the longest uncounted while there is credit."""
        new = [name for name in names if not self._stands(name, views)]
        old = sorted(set(names) - set(new), key=lambda name: self._counted[name].at)
        begun, exact = self._clock.monotonic(), set()
        for name in (*new, *old):
            spent = self._clock.monotonic() - begun
            if spent > ROUND_SECONDS or (name not in new and spent >= self._credit):
                break
            counts = [_count(view, name) for view in views]
            rows = await asyncio.gather(*counts)
            standing = [None if view is None else view.tables.get(name) for view in views]
            self._counted[name] = Counted(self._clock.time(), (rows[0], rows[1]), (standing[0], standing[1]))
            exact.add(name)
        self._credit -= self._clock.monotonic() - begun
        return exact

    def _stands(self, name: str, views: Sequence[_View | None]) -> bool:
        """Whether the last exact count is of the tables that are there now."""
        counted = self._counted.get(name)
        if counted is None:
            return False
        for was, view in zip(counted.standing, views, strict=True):
            now = None if view is None else view.tables.get(name)
            if now is not None and (was is None or was.identity != now.identity):
                return False
        return True

    def _reading(self, table: str, name: str, views: Sequence[_View | None], exact: bool) -> RowsReading:
        counted = self._counted.get(name)
        rows: list[int | None] = []
        estimated = False
        for place, view in enumerate(views):
            now = None if view is None else view.tables.get(name)
            was = counted.standing[place] if counted is not None else None
            base = counted.rows[place] if counted is not None else None
            if now is None:
                rows.append(None)
            elif exact and base is not None:
                rows.append(base)
            else:
                estimated = True
                same = was is not None and base is not None and was.identity == now.identity
                rows.append(
                    max(0, base + now.net - was.net) if same and was and base is not None else now.guess
                )
        at = counted.at if counted is not None and None not in _seen(counted, views, name) else None
        return RowsReading(table=table, source=rows[0], target=rows[1], estimated=estimated, exact_at=at)


@dataclass(frozen=True)
class _View:
    """One side in one round."""

    session: asyncpg.Connection
    schema: str
    tables: dict[str, Standing]


async def count_table(side: Endpoint, schema: str, table: str) -> int:
    """Exact row count of one table, read through its root. Raises UnreachableError."""
    async with connection(side, read_only=True) as session:
        return await _exact(session, schema, table)


async def count_rows(settings: Settings) -> list[RowsReading]:
    """Counts of every root table of both schemas now, both sides at once: exact as far as they can be had.

    A side that cannot be read gives None for its tables. Raises UnreachableError when neither can.
    """
    return await RowWatch(settings)()


def _seen(counted: Counted, views: Sequence[_View | None], name: str) -> list[int | None]:
    """The exact counts of the sides that have the table now."""
    return [
        counted.rows[place] for place, view in enumerate(views) if view is not None and name in view.tables
    ]


async def _count(view: _View | None, name: str) -> int | None:
    """None where it is not there or cannot be counted in time."""
    if view is None or name not in view.tables:
        return None
    try:
        return await _exact(view.session, view.schema, name)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


async def _exact(session: asyncpg.Connection, schema: str, table: str) -> int:
    query = f"SELECT count(*) FROM {ident(schema, table)}"
    count: int = await session.fetchval(query, timeout=COUNT_SECONDS)
    return count
