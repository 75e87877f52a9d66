"""Equal means equal by content: every row of every table, hashed on both servers at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transfer import server_words
from wsdash.data.pg.workers import Schedule
from wsdash.data.snapshot.chunk_states import read_anew
from wsdash.data.snapshot.hold import Snapshot, open_snapshot
from wsdash.data.tables.shape import Column, Side, Table, source_tables
from wsdash.data.verify.checksum import (
    SMALL_ROWS,
    Parts,
    borders_fit,
    by_hash,
    from_sums,
    range_column,
    rows_guessed,
    sample_borders,
)
from wsdash.data.verify.diff import (
    Differing,
    SessionPair,
    Sums,
    differing_rows,
    lone_connections,
    lone_pair,
    require_lone_unmoved,
    shared_pair,
    sums_of,
    whole,
)
from wsdash.model import TableVerified
from wsdash.tasks import task_group

SESSION_BYTES = 32 << 20
"""A further pair of sessions is opened for every so much to read."""

BATCH_BYTES = 8 << 20
BATCH_TABLES = 50
"""Small tables are read together, up to so much."""

COLUMNS = """
SELECT n.nspname AS schema, c.relname AS table, a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type,
       c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS plain
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""


@dataclass(frozen=True)
class _Comparable:
    """A table, which of its columns both sides have, and what the target has.

    types: of the target's columns by name; None where the target lacks the table. plain: the target's rows
    are in one relation.
    """

    table: Table
    columns: tuple[Column, ...]
    types: dict[str, str] | None
    plain: bool

    @property
    def in_target(self) -> bool:
        """Whether the target has the table."""
        return self.types is not None

    @property
    def lacking(self) -> list[str]:
        """Columns that the target does not have."""
        there = {column.name for column in self.columns}
        return [column.name for column in self.table.copied_columns if column.name not in there]


async def verify_tables(
    source: Endpoint,
    target: Endpoint,
    tables: Sequence[Table],
    *,
    on_table: Callable[[TableVerified], None],
    workers: int,
    on_retake: Callable[[str], None] = lambda _: None,
    snapshot: Snapshot | None = None,
) -> list[TableVerified]:
    """Compare every row of `tables` on both sides; results in their order, on_table hears each as it comes.

    One snapshot a side. Counts and checksums are made by the servers, both at once, at most `workers` tables
    at a time and each with the server's parallel query. Where they differ, only the differing parts of the
    rows are opened, down to keys and cells, and listed in `differences` (at most 20 lines). The order of rows
    and columns does not matter; a table without a key is compared as a multiset; a missing table or column
    is a difference; columns that only the target has are not looked at. When maintenance of the source's
    chunks rewrites what is being read, all is compared anew (on_retake hears why). Writes nothing.
    snapshot: read the source's rows in this one, which the caller holds open, and takes anew when MovedError
    is raised; None: in a new one. Raises
    UnreachableError and WsdashError.
    """
    if snapshot is not None:
        return await _verify_tables(source, target, tables, on_table, workers, snapshot)
    return await read_anew(lambda: _verify_tables(source, target, tables, on_table, workers, None), on_retake)


async def _verify_tables(
    source: Endpoint,
    target: Endpoint,
    tables: Sequence[Table],
    on_table: Callable[[TableVerified], None],
    workers: int,
    snapshot: Snapshot | None,
) -> list[TableVerified]:
    found: dict[str, TableVerified] = {}

    def tell(result: TableVerified) -> None:
        found[result.name] = result
        on_table(result)

    sessions = min(workers, len(tables), 1 + sum(table.bytes for table in tables) // SESSION_BYTES)
    if sessions <= 1 and snapshot is None:
        async with lone_connections(source, target) as conns:
            comparables = await _comparables(target, conns[1], tables)
            pair = await lone_pair(
                (source, target), conns, (source_tables(tables), _in_target(comparables)), workers
            )
            await _schedule(comparables, tell).work(pair)
            await require_lone_unmoved(pair, source_tables(tables))
    else:
        async with connection(target, read_only=True) as conn:
            comparables = await _comparables(target, conn, tables)
        async with (
            _source_snapshot(source, tables, snapshot) as old,
            open_snapshot(target, _in_target(comparables)) as new,
        ):
            schedule = _schedule(comparables, tell)

            async def work() -> None:
                async with shared_pair(old, new, workers) as pair:
                    await schedule.work(pair)

            async with task_group() as group:
                for _ in range(max(1, sessions)):
                    group.create_task(work())
            await old.require_unmoved()
    return [found[table.qualified] for table in tables]


def _source_snapshot(
    source: Endpoint, tables: Sequence[Table], held: Snapshot | None
) -> AbstractAsyncContextManager[Snapshot]:
    return open_snapshot(source, source_tables(tables)) if held is None else nullcontext(held)


def _in_target(comparables: Sequence[_Comparable]) -> list[Table]:
    """The tables to be locked in the target: it has no chunks."""
    return [replace(one.table, hypertable="", chunks=()) for one in comparables if one.in_target]


def _schedule(
    comparables: Sequence[_Comparable], tell: Callable[[TableVerified], None]
) -> Schedule[SessionPair]:
    """The largest tables first, each alone; small ones together, for the sake of round trips."""
    schedule: Schedule[SessionPair] = Schedule()
    batch: list[_Comparable] = []
    for one in sorted(comparables, key=lambda one: -one.table.bytes):
        held = sum(other.table.bytes for other in batch)
        if batch and (held + one.table.bytes > BATCH_BYTES or len(batch) == BATCH_TABLES):
            schedule.add(partial(_verify, batch, tell), (-held,))
            batch = []
        batch.append(one)
    if batch:
        schedule.add(partial(_verify, batch, tell), (0,))
    return schedule


async def _comparables(
    target: Endpoint, conn: asyncpg.Connection, tables: Sequence[Table]
) -> list[_Comparable]:
    there: dict[tuple[str, str], dict[str, str]] = {}
    plain: dict[tuple[str, str], bool] = {}
    with server_words(target, "reading the target's columns", "then retry"):
        rows = await conn.fetch(COLUMNS, list({table.schema for table in tables}), timeout=TIMEOUT)
    for row in rows:
        name = (row["schema"], row["table"])
        there.setdefault(name, {})[row["name"]] = row["type"]
        plain[name] = row["plain"]
    result = []
    for table in tables:
        name = (table.schema, table.name)
        types = there.get(name)
        columns = tuple(c for c in table.copied_columns if types is None or c.name in types)
        result.append(_Comparable(table, columns, types, plain.get(name, False)))
    return result


async def _verify(batch: list[_Comparable], tell: Callable[[TableVerified], None], pair: SessionPair) -> None:
    """Compare some tables, with one query a side and more only where they differ."""
    parts = [await _divide(one, pair) for one in batch]
    old, new = await _sums(batch, parts, pair)
    for number, one in enumerate(batch):
        found = Differing(one.table, one.columns, parts[number], old.get(number, {}), new.get(number, {}))
        tell(await _judge(one, found, pair))


async def _judge(one: _Comparable, found: Differing, pair: SessionPair) -> TableVerified:
    differences: list[str] = []
    if not one.in_target:
        differences.append(f"table {one.table.qualified} is missing in {pair.new_side.label}")
    elif one.lacking:
        differences += [f"column {name} is missing in {pair.new_side.label}" for name in one.lacking]
    if found.numbers and one.in_target:
        differences += await differing_rows(pair, found)
    ours, theirs = from_sums(*whole(found.old)), from_sums(*whole(found.new))
    return TableVerified(
        name=one.table.qualified,
        source_rows=ours.rows,
        target_rows=theirs.rows,
        source_checksum=ours.checksum,
        target_checksum=theirs.checksum,
        match=not found.numbers and one.in_target and not one.lacking,
        differences=tuple(differences[:20]),
    )


async def _divide(one: _Comparable, pair: SessionPair) -> Parts:
    """The parts of a large table by ranges of its key, where one side can be sampled; else by hash."""
    rows = rows_guessed(one.table)
    if rows < SMALL_ROWS or one.types is None:
        return Parts()
    if one.table.mapped is not None:
        return by_hash(rows)  # a border of the target's key says nothing about the source's rows
    column = range_column(one.table, one.columns, one.types)
    plain_here = not one.table.hypertable and not one.table.chunks
    if column is None or not borders_fit(column, pair.old, pair.new) or not (plain_here or one.plain):
        return by_hash(rows)
    side, conn = (pair.old_side, pair.old) if plain_here else (pair.new_side, pair.new)
    with server_words(side, f"dividing {one.table.qualified}", "then retry"):
        borders = await sample_borders(conn, one.table, column)
    return Parts(column=column, borders=borders) if borders else by_hash(rows)


async def _sums(
    batch: Sequence[_Comparable], parts: Sequence[Parts], pair: SessionPair
) -> tuple[dict[int, Sums], dict[int, Sums]]:
    """The sums of every part of every table of the batch, on both sides, by the table's place in it."""
    doing = f"comparing {batch[0].table.qualified}" + (f" and {len(batch) - 1} more" if batch[1:] else "")

    async def read(old: bool) -> dict[int, Sums]:
        asked = [number for number, one in enumerate(batch) if old or one.in_target]

        def query(conn: asyncpg.Connection, side: Side) -> str:
            return " UNION ALL ".join(
                f"SELECT {number} AS number, s.* "
                f"FROM ({parts[number].sums_query(conn, batch[number].table, batch[number].columns, side)}) s"
                for number in asked
            )

        rows = await pair.fetch(old, doing, query) if asked else []
        by_number: dict[int, list[asyncpg.Record]] = {}
        for row in rows:
            by_number.setdefault(row["number"], []).append(row)
        return {number: sums_of(rows) for number, rows in by_number.items()}

    async with task_group() as group:
        old, new = group.create_task(read(True)), group.create_task(read(False))
    return old.result(), new.result()
