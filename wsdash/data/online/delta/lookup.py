"""How the rows under a delta's keys are found: the planner knows neither how many keys there are nor how many
rows share a part of one, and each of its guesses can cost minutes inside the fence.

A few keys are looked up one by one. Where many keys share a value (one UPDATE gives all its audit rows one
timestamp), an index on that column alone finds all of these rows for each of the keys, and looks as cheap as
the key's: there the rows with these values are read once and joined. Many keys are joined.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from wsdash.data.limits import DELTA_SECONDS
from wsdash.data.pg.sql import ident, literal
from wsdash.data.tables.shape import Column

FEW = 20_000
"""Keys that are looked up one by one; the planner would read every chunk."""
UNASKED = 200
"""So few keys are looked up without asking what they share: the final delta is mostly of this size."""
SHARED = 20
"""Keys to one value of a column from which on that column counts as shared."""
MOST = 1000
"""Values that a query names."""
BESIDE = 50
"""Rows with these values, for each key, that are read once rather than looked up."""
_WAYS = "enable_nestloop", "enable_hashjoin", "enable_mergejoin", "enable_seqscan"


async def prepare_lookup(
    conn: asyncpg.Connection, keys: str, relation: str, columns: Sequence[tuple[str, Column]], count: int
) -> str:
    """Set up the session's transaction for joining keys to a table's rows (t), and give a condition on t that
    all of the rows satisfy: ` AND ...`, or "".

    keys: a FROM item and its WHERE clause, that gives the keys. relation: the table. columns: of each of the
    keys' columns its name there, and the table's column. count: of log lines, at least as many as keys.
    Raises asyncpg.PostgresError.
    """
    await _allow(conn, "enable_nestloop")
    shared = await _shared(conn, keys, relation, columns) if count > UNASKED else ""
    if shared or count > FEW:
        await join_all(conn)
    return shared


async def join_all(conn: asyncpg.Connection) -> None:
    """Set up the session's transaction for joining keys to all rows of a table."""
    # not by merging: it would take the order of a shared column alone for a cheap one
    await _allow(conn, "enable_hashjoin", "enable_seqscan")


async def _allow(conn: asyncpg.Connection, *ways: str) -> None:
    settings = (f"SET LOCAL {way} = {'on' if way in ways else 'off'}" for way in _WAYS)
    await conn.execute("; ".join(settings), timeout=DELTA_SECONDS)


async def _shared(
    conn: asyncpg.Connection, keys: str, relation: str, columns: Sequence[tuple[str, Column]]
) -> str:
    misleading = await _misleading(conn, relation, [column.name for _, column in columns])
    asked = [(name, column) for name, column in columns if column.name in misleading]
    if not asked:
        return ""
    counts = ", ".join(f"count(DISTINCT {name})" for name, _ in asked)
    found = await conn.fetchrow(f"SELECT count(*), {counts} FROM {keys}", timeout=DELTA_SECONDS)
    assert found is not None
    every, *distinct = found
    fewest, (name, column) = min(zip(distinct, asked, strict=True), key=lambda pair: pair[0])
    if not 0 < fewest <= min(every // SHARED, MOST):
        return ""
    values = await conn.fetchval(
        f"SELECT array_agg(DISTINCT {name})::text FROM {keys}", timeout=DELTA_SECONDS
    )
    condition = f"t.{ident(column.name)} = ANY ({literal(values)}::{column.type}[])"
    most = every * BESIDE
    rows = await conn.fetchval(
        f"SELECT count(*) FROM (SELECT FROM {relation} t WHERE {condition} LIMIT {most}) s",
        timeout=DELTA_SECONDS,
    )
    return f" AND {condition}" if rows < most else ""


async def _misleading(conn: asyncpg.Connection, relation: str, key: Sequence[str]) -> set[str]:
    """The columns of the key that an index begins with which does not hold all of it; in chunks, too."""
    found = await conn.fetch(
        """
        WITH RECURSIVE tree(id) AS (
          SELECT $1::text::regclass::oid
          UNION SELECT inhrelid FROM pg_catalog.pg_inherits JOIN tree ON inhparent = id)
        SELECT DISTINCT first.attname::text AS name FROM tree
        JOIN pg_catalog.pg_index i ON i.indrelid = id
        JOIN pg_catalog.pg_attribute first ON first.attrelid = id AND first.attnum = i.indkey[0]
        WHERE NOT $2::text[] <@ (SELECT coalesce(array_agg(attname::text), '{}')
          FROM pg_catalog.pg_attribute WHERE attrelid = id AND attnum = ANY (i.indkey))
        """,
        relation,
        list(key),
        timeout=DELTA_SECONDS,
    )
    return {row["name"] for row in found} & set(key)
