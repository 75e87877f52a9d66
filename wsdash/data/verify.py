"""Equal means equal by content: every row of every table, hashed on both servers at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import asyncpg

from wsdash.data.checksum import NO_ROWS, TableChecksum, checksum_table
from wsdash.data.connect import Endpoint
from wsdash.data.copy_jobs import Schedule
from wsdash.data.shape import Column, Table
from wsdash.data.snapshot import Snapshot, open_snapshot, patient_connection
from wsdash.data.transfer import server_words
from wsdash.data.verify_diff import Pair, differing_rows
from wsdash.model import TableVerified
from wsdash.tasks import task_group

TIMEOUT = 60.0

COLUMNS = """
SELECT n.nspname AS schema, c.relname AS table, a.attname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""


@dataclass(frozen=True)
class _Comparable:
    """A table, and which of its columns both sides have."""

    table: Table
    columns: tuple[Column, ...]
    in_target: bool

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
) -> list[TableVerified]:
    """Compare every row of `tables` on both sides; results in their order, on_table hears each as it comes.

    One snapshot a side. Counts and checksums are made by the servers, both at once, `workers` tables at a
    time and each with the server's parallel query. Where they differ, only the differing buckets of rows are
    opened, down to keys and cells, and told in `differences` (at most 20 lines). The order of rows and
    columns does not matter; a table without a key is compared as a multiset; a missing table or column is
    a difference; columns that only the target has are not looked at. Writes nothing. Raises
    UnreachableError and WsdashError.
    """
    comparables = await _comparables(target, tables)
    found: dict[str, TableVerified] = {}
    async with (
        open_snapshot(source, tables) as old,
        open_snapshot(target, [one.table for one in comparables if one.in_target]) as new,
    ):

        def tell(result: TableVerified) -> None:
            found[result.name] = result
            on_table(result)

        schedule: Schedule[Pair] = Schedule()
        for one in comparables:
            schedule.add(partial(_verify, one, tell), (-one.table.bytes,))
        async with task_group() as group:
            for _ in range(min(workers, len(comparables))):
                group.create_task(_work(schedule, old, new, workers))
    return [found[table.qualified] for table in tables]


async def _work(schedule: Schedule[Pair], old: Snapshot, new: Snapshot, workers: int) -> None:
    async with old.session() as source, new.session() as target:
        for snapshot, conn in ((old, source), (new, target)):
            with server_words(snapshot.endpoint, "beginning to compare", "then retry"):
                await conn.execute(
                    f"SET jit = off; SET max_parallel_workers_per_gather = {int(workers)}", timeout=TIMEOUT
                )
        await schedule.work(Pair(old.endpoint, source, new.endpoint, target))


async def _comparables(target: Endpoint, tables: Sequence[Table]) -> list[_Comparable]:
    there: dict[tuple[str, str], set[str]] = {}
    async with patient_connection(target, read_only=True) as conn:
        with server_words(target, "reading the target's columns", "then retry"):
            rows = await conn.fetch(COLUMNS, list({table.schema for table in tables}), timeout=TIMEOUT)
    for row in rows:
        there.setdefault((row["schema"], row["table"]), set()).add(row["name"])
    result = []
    for table in tables:
        names = there.get((table.schema, table.name))
        columns = tuple(c for c in table.copied_columns if names is None or c.name in names)
        result.append(_Comparable(table, columns, names is not None))
    return result


async def _verify(one: _Comparable, tell: Callable[[TableVerified], None], pair: Pair) -> None:
    old, new = await _both(one, pair)
    differences: list[str] = []
    if not one.in_target:
        differences.append(f"table {one.table.qualified} is missing in {pair.new_side.label}")
    elif one.lacking:
        differences += [f"column {name} is missing in {pair.new_side.label}" for name in one.lacking]
    if old != new and one.in_target:
        differences += await differing_rows(pair, one.table, one.columns, old.rows + new.rows)
    tell(
        TableVerified(
            name=one.table.qualified,
            source_rows=old.rows,
            target_rows=new.rows,
            source_checksum=old.checksum,
            target_checksum=new.checksum,
            match=old == new and one.in_target and not one.lacking,
            differences=tuple(differences[:20]),
        )
    )


async def _both(one: _Comparable, pair: Pair) -> tuple[TableChecksum, TableChecksum]:
    async def checksum(endpoint: Endpoint, conn: asyncpg.Connection) -> TableChecksum:
        with server_words(endpoint, f"comparing {one.table.qualified}", "then retry"):
            return await checksum_table(conn, one.table, columns=one.columns)

    async with task_group() as group:
        old = group.create_task(checksum(pair.old_side, pair.old))
        new = group.create_task(checksum(pair.new_side, pair.new)) if one.in_target else None
    return old.result(), new.result() if new is not None else NO_ROWS
