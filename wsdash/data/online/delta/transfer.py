"""What changed since a position, and its way into the other side: delete these keys, insert the rows that
exist.

Read in one snapshot, written in one transaction together with that snapshot as the new position; done twice
it does no harm. All deletes of a table come before its inserts, so that swapped unique values never meet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.limits import DELTA_SECONDS
from wsdash.data.online.capture.position import Position
from wsdash.data.online.capture.tracked import APPLYING, Tracked
from wsdash.data.online.delta.lookup import join_all, prepare_lookup
from wsdash.data.online.delta.routes import Route
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.sql import column_list, ident
from wsdash.data.pg.transfer import Stream, transfer
from wsdash.data.verify.checksum import checksum_rows
from wsdash.errors import WsdashError

ROUTED = "wsdash_routed"
"""The temporary table from which rows are inserted where COPY cannot."""
KEPT = "wsdash_kept"
"""And the one with what nothing fills of the rows that were there."""
REPLICA = (
    "SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = on; "
    f"SELECT pg_catalog.set_config('{APPLYING}', 'on', true)"
)


@dataclass(frozen=True)
class Change:
    """What a delta holds of one table. whole: its keys do not tell it (TRUNCATE, no key): take all rows."""

    route: Route
    lines: int
    whole: bool


@dataclass(frozen=True)
class Delta:
    """What is between two positions, read in a snapshot that is still open on the side that is left."""

    since: Position
    until: Position
    changes: tuple[Change, ...]

    @property
    def lines(self) -> int:
        """Log lines that it answers."""
        return sum(change.lines for change in self.changes)


async def read_delta(
    reader: asyncpg.Connection, routes: Sequence[Route], since: Position, until: Position, whole: set[int]
) -> Delta:
    """Ask the logs, in the snapshot `until` that the session is in, which tables changed since a position.

    whole: numbers of entered tables that are taken whole whatever their log says. Raises
    asyncpg.PostgresError.
    """
    logs = {route.left.number: route.left.log for route in routes}
    arms = " UNION ALL ".join(
        f"SELECT {number} AS number, count(*) AS lines, coalesce(bool_or(op = 'T'), false) AS whole "
        f"FROM {log} WHERE {since.since}"
        for number, log in logs.items()
    )
    found = {row["number"]: row for row in await reader.fetch(arms, timeout=DELTA_SECONDS)} if arms else {}
    changes = []
    for route in routes:
        row, taken = found[route.left.number], route.entered.number in whole
        if row["lines"] or taken:
            changes.append(Change(route, row["lines"], row["whole"] or taken or route.whole))
    return Delta(since, until, tuple(changes))


async def pending(conn: asyncpg.Connection, tracked: Sequence[Tracked], since: Position) -> int:
    """How many log lines are new since a position, as the session sees it now."""
    arms = " UNION ALL ".join(f"SELECT count(*) AS n FROM {one.log} WHERE {since.since}" for one in tracked)
    return int(await conn.fetchval(f"SELECT coalesce(sum(n), 0) FROM ({arms}) s", timeout=DELTA_SECONDS))


async def make_stages(writer: asyncpg.Connection, routes: Sequence[Route]) -> None:
    """Make the temporary tables that a delta's keys pass through, once a session."""
    for route in routes:
        if not route.whole:
            keys = ", ".join(
                f"{name} {column.type}" + (f" COLLATE {column.collation}" if column.collation else "")
                for name, column in zip(route.key_names, route.key, strict=True)
            )
            await writer.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS {route.stage} ({keys}, made boolean) ON COMMIT DELETE ROWS",
                timeout=60,
            )


async def write_delta(
    source: tuple[Endpoint, asyncpg.Connection],
    target: tuple[Endpoint, asyncpg.Connection],
    delta: Delta,
    routed: frozenset[int],
    *,
    may_empty: Collection[int],
    look: Callable[[Change, str], Awaitable[None]],
    on_bytes: Callable[[int], None] = lambda _: None,
) -> int:
    """Write a delta in the transaction that is open on the target; the caller commits it with the position.

    Returns how many rows were inserted. source: the session whose snapshot the delta was read in. routed:
    numbers of tables whose rows triggers of the target send elsewhere, which COPY would take for rows left
    out. may_empty: numbers of tables that may be emptied here when they must be taken whole. look: is called
    when a table's keys (k) are staged on the target and its rows (t) are as they were, with the condition
    that joins them. Raises WsdashError as transfer does, and when such a table must not be emptied.
    """
    rows = 0
    await target[1].execute(REPLICA, timeout=DELTA_SECONDS)
    for change in delta.changes:
        route = change.route
        if change.whole:
            if route.entered.number not in may_empty:
                raise WsdashError(
                    f"{route.entered.table.qualified} was emptied or has no key: its changes cannot be "
                    "carried back row by row",
                    where=target[0].address,
                    remedy="carry this table back by hand, then retry",
                )
            beside = f" WHERE NOT ({route.beside})" if route.beside else ""
            await target[1].execute(f"DELETE FROM {route.entered.relation} t{beside}", timeout=DELTA_SECONDS)
        else:
            await _delete_keys(source, target, change, delta, on_bytes, look)
        rows += await _insert_rows(source, target, change, delta, on_bytes, route.entered.number in routed)
    return rows


async def check_delta(
    source: asyncpg.Connection, target: tuple[Endpoint, asyncpg.Connection], delta: Delta
) -> int:
    """Compare by content, before the commit, what both sides hold under the delta's keys; how many rows.

    Raises WsdashError naming the table that differs.
    """
    rows = 0
    for change in delta.changes:
        route = change.route
        left = await _left_rows(source, change, delta)
        ours = await checksum_rows(source, route.columns, left)
        there = route.every_entered if change.whole else route.entered_rows(await _staged(target[1], change))
        theirs = await checksum_rows(target[1], route.columns, there)
        if ours != theirs:
            raise WsdashError(
                f"{route.entered.table.qualified}: after {change.lines:,} changes were carried, the rows "
                f"differ ({ours.rows:,} rows here, {theirs.rows:,} there)",
                where=target[0].address,
                remedy="drop the rule or trigger in that database that changes rows, then retry",
            )
        rows += ours.rows
    return rows


async def _delete_keys(
    source: tuple[Endpoint, asyncpg.Connection],
    target: tuple[Endpoint, asyncpg.Connection],
    change: Change,
    delta: Delta,
    on_bytes: Callable[[int], None],
    look: Callable[[Change, str], Awaitable[None]],
) -> None:
    route = change.route
    subject = f"the changed keys of {route.left.table.qualified}"
    query = route.changed_keys(delta.since)
    stream = Stream(subject, query, "pg_temp", route.stage, (*route.key_names, "made"), "text")
    await transfer(source, target, stream, on_bytes)
    match = await _staged(target[1], change)
    await look(change, match)
    staged = f"pg_temp.{route.stage} k"
    if route.kept:
        keys = ", ".join(f"k.{name}" for name in route.key_names)
        kept = ", ".join(f"t.{ident(column.name)}" for column in route.kept)
        await target[1].execute(
            f"CREATE TEMP TABLE {KEPT} ON COMMIT DROP AS SELECT {keys}, {kept} "
            f"FROM {staged} JOIN {route.entered.relation} t ON {match}",
            timeout=DELTA_SECONDS,
        )
    await target[1].execute(
        f"DELETE FROM {route.entered.relation} t USING {staged} WHERE {match}", timeout=DELTA_SECONDS
    )


async def _staged(conn: asyncpg.Connection, change: Change) -> str:
    """The condition that joins the staged keys (k) to the entered rows (t)."""
    route = change.route
    keys = tuple(zip(route.key_names, route.key, strict=True))
    shared = await prepare_lookup(conn, f"pg_temp.{route.stage}", route.entered.relation, keys, change.lines)
    return route.match + shared


async def _left_rows(conn: asyncpg.Connection, change: Change, delta: Delta) -> str:
    """The query for the rows that a change means, on the side that is left."""
    route = change.route
    if change.whole or not route.found:
        await join_all(conn)
        return route.every_left if change.whole else route.left_rows(delta.since)
    keys = f"{route.left.log} WHERE op <> 'T' AND {delta.since.since}"
    shared = await prepare_lookup(conn, keys, route.left.relation, route.found_columns, change.lines)
    return route.left_rows(delta.since, shared)


async def _insert_rows(
    source: tuple[Endpoint, asyncpg.Connection],
    target: tuple[Endpoint, asyncpg.Connection],
    change: Change,
    delta: Delta,
    on_bytes: Callable[[int], None],
    routed: bool,
) -> int:
    route, table = change.route, change.route.entered.table
    query = await _left_rows(source[1], change, delta)
    kept = bool(route.kept) and not change.whole
    staged = routed or kept
    into = ("pg_temp", ROUTED) if staged else (table.schema, table.name)
    if staged:
        await target[1].execute(
            f"CREATE TEMP TABLE {ROUTED} ON COMMIT DROP AS "
            f"SELECT {column_list(route.names)} FROM {route.entered.relation} LIMIT 0",
            timeout=DELTA_SECONDS,
        )
    stream = Stream(table.qualified, query, *into, route.names or None, "text")
    rows = await transfer(source, target, stream, on_bytes)
    if staged:
        await join_all(target[1])
        await target[1].execute(_from_stage(route, kept=kept), timeout=DELTA_SECONDS)
    return rows


def _from_stage(route: Route, *, kept: bool) -> str:
    """The commands that insert the staged rows; kept: those that were there keep what nothing fills, and the
    others get its default."""
    relation, names = route.entered.relation, column_list(route.names)
    values = ", ".join(f"t.{ident(name)}" for name in route.names)
    insert = (
        f"INSERT INTO {relation} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM pg_temp.{ROUTED} t"
    )
    if not kept:
        return f"{insert}; DROP TABLE pg_temp.{ROUTED}"
    more = [column.name for column in route.kept]
    held = ", ".join(f"k.{ident(name)}" for name in more)
    return (
        f"INSERT INTO {relation} ({names}, {column_list(more)}) OVERRIDING SYSTEM VALUE "
        f"SELECT {values}, {held} FROM pg_temp.{ROUTED} t JOIN pg_temp.{KEPT} k ON {route.match}; "
        f"{insert} WHERE NOT EXISTS (SELECT FROM pg_temp.{KEPT} k WHERE {route.match}); "
        f"DROP TABLE pg_temp.{ROUTED}; DROP TABLE pg_temp.{KEPT}"
    )
