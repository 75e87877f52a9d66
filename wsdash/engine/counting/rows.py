"""Row counts of both sides, for the row-diff pane: exact, or estimated in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.data.pg.connect import KeptSession
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import ident
from wsdash.engine.counting.pairs import NOT_BY_COUNT, CountPair, Pairing
from wsdash.engine.limits import COUNT_SECONDS, CREDIT_SECONDS, ROUND_SECONDS, STATISTICS_SECONDS
from wsdash.errors import DefectError, InputError, WsdashError
from wsdash.model import RowsReading
from wsdash.steps.base import endpoint

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
SHARE = 0.05
"""Exact counting takes at most this part of the time."""


@dataclass(frozen=True)
class CountedSides:
    """What a server's catalog and statistics say of a table, without reading it."""

    identity: str
    guess: int
    net: int


@dataclass(frozen=True)
class Counted:
    """The last exact count of a pair of tables; a side is None where it was not there or took too long.

    at: seconds since the epoch.
    """

    pair: CountPair
    at: float
    rows: tuple[int | None, int | None]
    sides: tuple[CountedSides | None, CountedSides | None]


class RowWatch:
    """Counts again and again at little cost to the servers.

    Both sides of a table are counted together, paired through the mapping where there is one. Exact counts
    take SHARE of the time; between them a count is the last exact one and what was inserted and deleted
    since, by the servers' own statistics. A session a side is kept from one look to the next; `close` lets
    both go.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._sides = [
            (KeptSession(endpoint(side)), side.schema) for side in (settings.source, settings.target)
        ]
        self._paired = Pairing(settings)
        self._clock = clock or SystemClock()
        self._counted: dict[str, Counted] = {}
        self._credit = 0.0
        self._looked_at: float | None = None

    async def __call__(self) -> list[RowsReading]:
        """Every root table of both schemas now. A side that cannot be read gives None for its tables.

        Raises WsdashError when neither side can be read, InputError for a mapping that cannot be.
        """
        self._earn()
        try:
            return await self._looked()
        except BaseException:
            for kept, _ in self._sides:  # a question may still be under way
                kept.drop()
            raise

    async def close(self) -> None:
        """Close both sessions; the next look opens others."""
        await asyncio.gather(*(kept.close() for kept, _ in self._sides))

    async def _looked(self) -> list[RowsReading]:
        looks = await asyncio.gather(*(_look(*side) for side in self._sides), return_exceptions=True)
        views = [None if isinstance(look, BaseException) else look for look in looks]
        failures = [look for look in looks if isinstance(look, BaseException)]
        for failure in failures:
            if not _is_of_the_server(failure):
                raise failure
        if len(failures) == len(looks):
            raise failures[0]
        for (kept, _), view in zip(self._sides, views, strict=True):
            if view is None:
                kept.drop()
        pairs = await self._paired(_identities(views[0]), _identities(views[1]))
        exact = await self._count_some(pairs, views)
        return [self._reading(pair, views, pair.name in exact) for pair in pairs]

    def _earn(self) -> None:
        now = self._clock.monotonic()
        since = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        self._credit = min(CREDIT_SECONDS, self._credit + SHARE * since)

    async def _count_some(self, pairs: Sequence[CountPair], views: Sequence[_View | None]) -> set[str]:
        """Count what was never counted as it is now, then the longest uncounted while there is credit."""
        new = [pair for pair in pairs if not self._stands(pair, views)]
        old = sorted(
            (pair for pair in pairs if pair not in new), key=lambda pair: self._counted[pair.name].at
        )
        begun, exact = self._clock.monotonic(), set()
        for place, pair in enumerate((*new, *old)):
            spent = self._clock.monotonic() - begun
            if spent > ROUND_SECONDS or (place >= len(new) and spent >= self._credit):
                break
            rows = await asyncio.gather(*(_count(view, pair, side) for side, view in enumerate(views)))
            sides = [_counted_side(view, pair, side) for side, view in enumerate(views)]
            self._counted[pair.name] = Counted(
                pair, self._clock.time(), (rows[0], rows[1]), (sides[0], sides[1])
            )
            exact.add(pair.name)
        self._credit -= self._clock.monotonic() - begun
        return exact

    def _stands(self, pair: CountPair, views: Sequence[_View | None]) -> bool:
        """Whether the last exact count is of the tables that are there now."""
        counted = self._counted.get(pair.name)
        if counted is None or counted.pair != pair:
            return False
        for side, was in enumerate(counted.sides):
            now = _counted_side(views[side], pair, side)
            if now is not None and (was is None or was.identity != now.identity):
                return False
        return True

    def _reading(self, pair: CountPair, views: Sequence[_View | None], exact: bool) -> RowsReading:
        counted = self._counted.get(pair.name)
        if counted is not None and counted.pair != pair:
            counted = None
        rows: list[int | None] = []
        estimated = False
        for side, view in enumerate(views):
            now = _counted_side(view, pair, side)
            base = counted.rows[side] if counted is not None else None
            if side == 0 and pair.fixed is not None:
                rows.append(pair.fixed)
            elif now is None:
                rows.append(None)
            elif exact and base is not None:
                rows.append(base)
            else:
                estimated = True
                was = counted.sides[side] if counted is not None else None
                rows.append(_carried_on(pair.query if side == 0 else "", base, was, now))
        at = counted.at if counted is not None and None not in _seen(counted, views) else None
        unknown = pair.query and views[0] is not None and rows[0] is None
        note = pair.note or (NOT_BY_COUNT if unknown else "")
        return RowsReading(pair.name, rows[0], rows[1], estimated, at, note)


def _carried_on(query: str, base: int | None, was: CountedSides | None, now: CountedSides) -> int | None:
    """An estimate: the last exact count and what the statistics say since then, else their guess. Of a part
    of a table they say nothing: its count is known only while the table has not changed in number."""
    same = was is not None and base is not None and was.identity == now.identity
    if query:
        return base if same and was is not None and was.net == now.net else None
    return max(0, base + now.net - was.net) if same and was and base is not None else now.guess


@dataclass(frozen=True)
class _View:
    """One side in one round."""

    session: asyncpg.Connection
    schema: str
    tables: dict[str, CountedSides]


async def _look(kept: KeptSession, schema: str) -> _View:
    session = await kept.get()
    with ServerErrors(session, "counting rows"):
        rows = await session.fetch(STANDING, schema, timeout=STATISTICS_SECONDS)
    tables = {row["name"]: CountedSides(row["identity"], row["guess"], row["net"]) for row in rows}
    return _View(session, schema, tables)


async def count_rows(settings: Settings) -> list[RowsReading]:
    """Counts of every root table of both schemas now, both sides at once: exact as far as they can be had.

    A side that cannot be read gives None for its tables. Raises UnreachableError when neither can.
    """
    watch = RowWatch(settings)
    try:
        return await watch()
    finally:
        await watch.close()


def _identities(view: _View | None) -> dict[str, str] | None:
    return None if view is None else {name: table.identity for name, table in view.tables.items()}


def _counted_side(view: _View | None, pair: CountPair, side: int) -> CountedSides | None:
    return None if view is None else view.tables.get(pair.side(side))


def _seen(counted: Counted, views: Sequence[_View | None]) -> list[int | None]:
    """The exact counts of the sides that have the table now."""
    sides = range(len(views))
    return [
        counted.rows[side] for side in sides if _counted_side(views[side], counted.pair, side) is not None
    ]


async def _count(view: _View | None, pair: CountPair, side: int) -> int | None:
    """None where it is not there or cannot be counted in time."""
    name = pair.side(side)
    if view is None or name not in view.tables:
        return None
    try:
        rows = pair.query if side == 0 and pair.query else ident(view.schema, name)
        with ServerErrors(view.session, "counting rows"):
            return await _exact(view.session, rows)
    except WsdashError as error:
        if not _is_of_the_server(error):
            raise
        return None


def _is_of_the_server(error: BaseException) -> bool:
    """Whether the other side may still be read; not so after bad input or a bug of ours."""
    return isinstance(error, WsdashError) and not isinstance(error, InputError | DefectError)


async def _exact(session: asyncpg.Connection, rows: str) -> int:
    """rows: what follows FROM."""
    count: int = await session.fetchval(f"SELECT count(*) FROM {rows}", timeout=COUNT_SECONDS)
    return count
