"""New keys for old ones: the pairs are kept in the target, so that an old key resolves for ever."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from wsdash.data.limits import FILL_SECONDS, TIMEOUT
from wsdash.data.mapping.types import KEY_SCHEMA, KeyMap
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.errors import described
from wsdash.data.pg.sql import column_list, ident, literal
from wsdash.data.pg.transactions import begin, commit, roll_back
from wsdash.data.pg.transfer import Stream, server_words, transfer
from wsdash.data.schema.ddl import Statement
from wsdash.data.snapshot.hold import Snapshot
from wsdash.data.tables.shape import Lookup, Table
from wsdash.errors import WsdashError

STAGE = "wsdash_rows"
"""The temporary table through which rows with looked-up keys go, in their own transaction."""


async def fill_key_maps(
    snapshot: Snapshot, target: tuple[Endpoint, asyncpg.Connection], maps: Sequence[KeyMap]
) -> None:
    """Give every old key of the snapshot that has none yet a new one, in order; pairs never change.

    Each map is one transaction. Call it before the rows are written. Raises as transfer.
    """
    endpoint, conn = target
    for keys in maps:
        with server_words(endpoint, f"writing the new keys of {keys.table}"):
            await begin(conn, timeout=TIMEOUT)
        try:
            await _fill(snapshot, endpoint, conn, keys)
        except BaseException:
            await roll_back(conn, timeout=TIMEOUT)
            raise


async def _fill(snapshot: Snapshot, endpoint: Endpoint, conn: asyncpg.Connection, keys: KeyMap) -> None:
    doing = f"writing the new keys of {keys.table}"
    comment = f"old and new keys of {keys.table}: keep it as long as anybody may ask by an old key"
    with server_words(endpoint, doing):
        await conn.execute(
            f"CREATE SCHEMA IF NOT EXISTS {ident(KEY_SCHEMA)}; "
            f"CREATE TABLE IF NOT EXISTS {keys.relation} (old_id {keys.old_type} PRIMARY KEY, "
            f"new_id {keys.new_type} NOT NULL UNIQUE); "
            f"COMMENT ON TABLE {keys.relation} IS {literal(comment)}; "
            f"COMMENT ON SCHEMA {ident(KEY_SCHEMA)} IS 'what wsdash copied here; all but the key_map tables "
            "may be dropped once the migration is over'; "
            f"CREATE TEMP TABLE wsdash_old (place bigint GENERATED ALWAYS AS IDENTITY, "
            f"old_id {keys.old_type}) ON COMMIT DROP",
            timeout=TIMEOUT,
        )
    stream = Stream(f"the keys of {keys.table}", keys.old, "pg_temp", "wsdash_old", ("old_id",), "text")
    await transfer((snapshot.endpoint, snapshot.conn), (endpoint, conn), stream, lambda _: None)
    largest = f"SELECT coalesce(max(new_id), 0) FROM {keys.relation}"
    if keys.above_seed_rows:
        name = keys.table.removeprefix(f"{keys.schema}.")
        seeds = f"SELECT max({ident(keys.column)}) FROM {ident(keys.schema, name)}"
        largest = f"SELECT greatest(0, ({seeds}), ({largest}))"
    with server_words(endpoint, doing):
        await commit(
            conn,
            f"INSERT INTO {keys.relation} (old_id, new_id) SELECT o.old_id, "
            f"({largest}) + row_number() OVER (ORDER BY o.place) "
            f"FROM wsdash_old o LEFT JOIN {keys.relation} k ON k.old_id = o.old_id WHERE k.old_id IS NULL "
            "ORDER BY o.place",
            timeout=FILL_SECONDS,
        )
        await conn.execute(f"ANALYZE {keys.relation}", timeout=FILL_SECONDS)


async def open_stage(conn: asyncpg.Connection, table: Table, lookups: Sequence[Lookup]) -> None:
    """An empty temporary table for rows with old keys; it goes with the transaction."""
    old = {lookup.column: lookup.old_type for lookup in lookups}
    columns = ", ".join(f"{ident(c.name)} {old.get(c.name, c.type)}" for c in table.copied_columns)
    await conn.execute(f"CREATE TEMP TABLE {STAGE} ({columns}) ON COMMIT DROP", timeout=TIMEOUT)


async def pass_stage(conn: asyncpg.Connection, table: Table, lookups: Sequence[Lookup], rows: int) -> None:
    """Write the staged rows with their new keys. Raises WsdashError when one has none."""
    values = {column.name: f"s.{ident(column.name)}" for column in table.copied_columns}
    source, found = f"pg_temp.{STAGE} s", []
    for place, lookup in enumerate(lookups):
        old, pair = f"s.{ident(lookup.column)}", f"k{place}"
        source += f" LEFT JOIN {lookup.keys} {pair} ON {pair}.old_id = {old}"
        values[lookup.column] = f"{pair}.new_id"
        found.append(f"({old} IS NULL OR {pair}.new_id IS NOT NULL)")
    status = await conn.execute(
        f"INSERT INTO {ident(table.schema, table.name)} ({column_list(list(values))}) "
        f"OVERRIDING SYSTEM VALUE SELECT {', '.join(values.values())} FROM {source} "
        f"WHERE {' AND '.join(found)}",
        timeout=FILL_SECONDS,
    )
    written = int(status.rsplit(" ", 1)[1])
    if written != rows:
        raise WsdashError(
            f"{table.qualified}: {rows - written:,} rows refer to keys that were given no new one",
            where=", ".join(lookup.keys for lookup in lookups),
            remedy='leave these rows out with where: in the mapping, or say missing: "null", then retry',
        )


@described("reading sequences")
async def serial_values(conn: asyncpg.Connection, tables: Sequence[Table]) -> list[Statement]:
    """Statements that set the sequences of the target's serial and identity columns after their rows."""
    statements = []
    for table in tables:
        name = ident(table.schema, table.name)
        for column in table.columns:
            sequence = await conn.fetchval(
                "SELECT pg_get_serial_sequence($1, $2)", name, column.name, timeout=TIMEOUT
            )
            if sequence is None:
                continue
            largest = f"(SELECT max({ident(column.name)}) FROM {name})"
            sql = (
                f"SELECT pg_catalog.setval({literal(sequence)}::regclass, "
                f"greatest(coalesce({largest}, 1), 1), coalesce({largest} >= 1, false))"
            )
            statements.append(
                Statement("sequence value", f"{table.qualified}.{column.name}", sql, schema=table.schema)
            )
    return statements
