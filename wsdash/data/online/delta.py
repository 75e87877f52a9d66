"""What changed since a position, and its way into the other side: delete these keys, insert the rows that
exist.

Read in one snapshot, written in one transaction together with that snapshot as the new position; done twice
it does no harm. All deletes of a table come before its inserts, so that swapped unique values never meet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.online.position import Position
from wsdash.data.online.tracked import APPLYING, Tracked
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.sql import column_list, ident
from wsdash.data.pg.transfer import Stream, transfer
from wsdash.data.verify.checksum import checksum_rows
from wsdash.errors import WsdashError

SECONDS = 3600.0
FEW = 20_000
"""So many keys are looked up one by one; the planner's guess would be a full scan of every chunk."""
LOOK_UP = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off"
AS_PLANNED = "RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_seqscan"
ROUTED = "wsdash_routed"
"""The temporary table from which rows are inserted where COPY cannot."""
REPLICA = (
    "SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = on; "
    f"SELECT pg_catalog.set_config('{APPLYING}', 'on', true)"
)


@dataclass(frozen=True)
class Change:
    """What a delta holds of one table. whole: its keys do not tell it (TRUNCATE, no key): take all rows."""

    tracked: Tracked
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
    reader: asyncpg.Connection, tracked: Sequence[Tracked], since: Position, until: Position, whole: set[int]
) -> Delta:
    """Ask the logs, in the snapshot `until` that the session is in, which tables changed since a position.

    whole: numbers of tables that are taken whole whatever their log says. Raises asyncpg.PostgresError.
    """
    arms = " UNION ALL ".join(
        f"SELECT {one.number} AS number, count(*) AS lines, coalesce(bool_or(op = 'T'), false) AS whole "
        f"FROM {one.log} WHERE {since.since}"
        for one in tracked
    )
    by_number = {one.number: one for one in tracked}
    changes = [
        Change(by_number[row["number"]], row["lines"], row["whole"] or row["number"] in whole)
        for row in await reader.fetch(arms, timeout=SECONDS)
        if row["lines"] or row["number"] in whole
    ]
    return Delta(since, until, tuple(changes))


async def pending(conn: asyncpg.Connection, tracked: Sequence[Tracked], since: Position) -> int:
    """How many log lines are new since a position, as the session sees it now."""
    arms = " UNION ALL ".join(f"SELECT count(*) AS n FROM {one.log} WHERE {since.since}" for one in tracked)
    return int(await conn.fetchval(f"SELECT coalesce(sum(n), 0) FROM ({arms}) s", timeout=SECONDS))


async def make_stages(writer: asyncpg.Connection, tracked: Sequence[Tracked]) -> None:
    """Make the temporary tables that a delta's keys pass through, once a session."""
    for one in tracked:
        if not one.keyless:
            keys = ", ".join(
                f"{name} {column.type}" + (f" COLLATE {column.collation}" if column.collation else "")
                for name, column in zip(one.key_names, one.key, strict=True)
            )
            await writer.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS {one.stage} ({keys}, made boolean) ON COMMIT DELETE ROWS",
                timeout=60,
            )


async def write_delta(
    source: tuple[Endpoint, asyncpg.Connection],
    target: tuple[Endpoint, asyncpg.Connection],
    delta: Delta,
    routed: frozenset[int],
    *,
    may_empty: Collection[int],
    look: Callable[[Change], Awaitable[None]],
    on_bytes: Callable[[int], None] = lambda _: None,
) -> int:
    """Write a delta in the transaction that is open on the target; the caller commits it with the position.

    Returns how many rows were inserted. source: the session whose snapshot the delta was read in. routed:
    numbers of tables whose rows triggers of the target send elsewhere, which COPY would take for rows left
    out. may_empty: numbers of tables that may be emptied here when they must be taken whole. look: is called
    when a table's keys are staged on the target and its rows are as they were. Raises WsdashError as transfer
    does, and when such a table must not be emptied.
    """
    rows = 0
    await target[1].execute(REPLICA, timeout=SECONDS)
    for change in delta.changes:
        few = change.lines <= FEW and not change.whole
        for _, conn in (source, target):
            await conn.execute(LOOK_UP if few else AS_PLANNED, timeout=SECONDS)
        if change.whole:
            if change.tracked.number not in may_empty:
                raise WsdashError(
                    f"{change.tracked.table.qualified} was emptied or has no key: its changes cannot be "
                    "carried back row by row",
                    where=target[0].address,
                    remedy="carry this table back by hand, then retry",
                )
            await target[1].execute(f"DELETE FROM {change.tracked.relation}", timeout=SECONDS)
        else:
            await _delete_keys(source, target, change, delta, on_bytes, look)
        rows += await _insert_rows(source, target, change, delta, on_bytes, change.tracked.number in routed)
    return rows


async def check_delta(
    source: asyncpg.Connection, target: tuple[Endpoint, asyncpg.Connection], delta: Delta
) -> int:
    """Compare by content, before the commit, what both sides hold under the delta's keys; how many rows.

    Raises WsdashError naming the table that differs.
    """
    rows = 0
    for change in delta.changes:
        tracked = change.tracked
        columns = tracked.table.copied_columns
        staged = f"pg_temp.{tracked.stage}"
        ours = await checksum_rows(source, columns, _rows(change, _keys(tracked, delta.since)))
        theirs = await checksum_rows(target[1], columns, _rows(change, staged))
        if ours != theirs:
            raise WsdashError(
                f"{tracked.table.qualified}: after {change.lines:,} changes were carried, the rows differ "
                f"({ours.rows:,} rows here, {theirs.rows:,} there)",
                where=target[0].address,
                remedy="drop the rule or trigger in that database that changes rows, then retry",
            )
        rows += ours.rows
    return rows


def _keys(tracked: Tracked, since: Position) -> str:
    """The changed keys as a subquery over the log; made: a row was put there anew."""
    names = ", ".join(tracked.key_names)
    return (
        f"(SELECT {names}, bool_or(op = 'I') AS made FROM {tracked.log} "
        f"WHERE op <> 'T' AND {since.since} GROUP BY {names})"
    )


def _rows(change: Change, keys: str) -> str:
    """The rows that exist under these keys."""
    tracked = change.tracked
    columns = ", ".join(f"t.{ident(name)}" for name in tracked.columns)
    if change.whole:
        return f"SELECT {columns} FROM {tracked.relation} t"
    return f"SELECT {columns} FROM {keys} k JOIN {tracked.relation} t ON {tracked.match}"


async def _delete_keys(
    source: tuple[Endpoint, asyncpg.Connection],
    target: tuple[Endpoint, asyncpg.Connection],
    change: Change,
    delta: Delta,
    on_bytes: Callable[[int], None],
    look: Callable[[Change], Awaitable[None]],
) -> None:
    tracked = change.tracked
    subject = f"the changed keys of {tracked.table.qualified}"
    query = f"SELECT * FROM {_keys(tracked, delta.since)} k"
    stream = Stream(subject, query, "pg_temp", tracked.stage, (*tracked.key_names, "made"), "text")
    await transfer(source, target, stream, on_bytes)
    await look(change)
    await target[1].execute(
        f"DELETE FROM {tracked.relation} t USING pg_temp.{tracked.stage} k WHERE {tracked.match}",
        timeout=SECONDS,
    )


async def _insert_rows(
    source: tuple[Endpoint, asyncpg.Connection],
    target: tuple[Endpoint, asyncpg.Connection],
    change: Change,
    delta: Delta,
    on_bytes: Callable[[int], None],
    routed: bool,
) -> int:
    tracked, table = change.tracked, change.tracked.table
    query = _rows(change, _keys(tracked, delta.since))
    into = ("pg_temp", ROUTED) if routed else (table.schema, table.name)
    if routed:
        await target[1].execute(
            f"CREATE TEMP TABLE {ROUTED} (LIKE {tracked.relation}) ON COMMIT DROP", timeout=SECONDS
        )
    stream = Stream(table.qualified, query, *into, tracked.columns or None, "text")
    rows = await transfer(source, target, stream, on_bytes)
    if routed:
        names = column_list(tracked.columns)
        await target[1].execute(
            f"INSERT INTO {tracked.relation} ({names}) OVERRIDING SYSTEM VALUE "
            f"SELECT {names} FROM pg_temp.{ROUTED}; DROP TABLE pg_temp.{ROUTED}",
            timeout=SECONDS,
        )
    return rows
