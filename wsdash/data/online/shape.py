"""A fingerprint of what a delta relies on: the schema's tables, their columns, keys and triggers."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from wsdash.data.online.tracked import Tracked

SECONDS = 60.0

LINES = """
WITH roots AS (
  SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relpersistence::text AS persistence
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'f')
    AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid))
SELECT format('table %s (%s)', name, persistence) AS line FROM roots
UNION ALL
SELECT format('column %s.%s %s%s%s', r.name, a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
              CASE WHEN a.attgenerated <> '' THEN ' generated' ELSE '' END)
FROM roots r JOIN pg_attribute a ON a.attrelid = r.oid WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT format('key %s %s', r.name, pg_get_indexdef(i.indexrelid))
FROM roots r JOIN pg_index i ON i.indrelid = r.oid WHERE i.indisunique
UNION ALL
SELECT format('trigger %s %s %s', r.name, g.tgname, g.tgenabled)
FROM roots r JOIN pg_trigger g ON g.tgrelid = r.oid
WHERE NOT g.tgisinternal AND g.tgname <> 'ts_insert_blocker'
"""


async def read_shape(conn: asyncpg.Connection, tracked: Sequence[Tracked]) -> str:
    """One line a fact, in order. Chunks are not in it: they come and go. Raises asyncpg.PostgresError."""
    schemas = sorted({one.table.schema for one in tracked})
    rows = await conn.fetch(LINES, schemas, timeout=SECONDS)
    return "\n".join(sorted(row["line"] for row in rows))


def differences(before: str, now: str) -> list[str]:
    """What was added and removed, in words, sorted by subject."""
    old, new = set(before.splitlines()), set(now.splitlines())
    return [f"now: {line}" for line in sorted(new - old)] + [f"gone: {line}" for line in sorted(old - new)]
