"""What a delta relies on, read from the catalog: a table's relations, its chunks, the schema's shape.

- Trees: the relations that hold a table's rows on one side, and whether our triggers are on all of them.
- Ground: dropping, truncating or rewriting a chunk fires no trigger. So each delta compares the chunks with
  those of the delta before. What moved makes its table suspect: it is compared completely before a switch,
  and taken whole where it differs.
- Shape: a fingerprint of the schema's tables, their columns, keys and triggers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import msgspec

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.limits import TIMEOUT
from wsdash.data.online.capture.tracked import Tracked

TREES = """
WITH RECURSIVE tree(number, oid, child) AS (
  SELECT number, to_regclass(name)::oid, false FROM unnest($1::integer[], $2::text[]) u(number, name)
  UNION ALL
  SELECT t.number, i.inhrelid, true FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
SELECT t.number, t.child, format('%I.%I', n.nspname, c.relname) AS name, c.relkind::text AS kind,
       array(SELECT g.tgname || '=' || g.tgenabled::text FROM pg_trigger g JOIN pg_proc f ON f.oid = g.tgfoid
             WHERE g.tgrelid = c.oid AND f.pronamespace = to_regnamespace($3)) AS triggers
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1, 2, 3
"""
HAS_HYPERTABLES = "SELECT to_regclass('_timescaledb_catalog.hypertable') IS NOT NULL"
HYPERTABLES = "SELECT format('%I.%I', schema_name, table_name) AS name FROM _timescaledb_catalog.hypertable"
CHUNKS = """
WITH RECURSIVE tree(number, oid, child) AS (
  SELECT number, to_regclass(name)::oid, false FROM unnest($1::integer[], $2::text[]) u(number, name)
  UNION ALL
  SELECT t.number, i.inhrelid, true FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
SELECT t.number, format('%I.%I', n.nspname, c.relname) AS name, c.relfilenode::bigint AS file
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.child
"""
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


@dataclass(frozen=True)
class Relation:
    """One relation. triggers: those of ours on it, by name, with pg_trigger.tgenabled."""

    name: str
    triggers: dict[str, str]


@dataclass(frozen=True)
class Tree:
    """A table and what inherits from it. kind: plain, partitions, inheritance, hypertable or missing."""

    kind: str
    root: Relation
    children: tuple[Relation, ...]

    @property
    def clones_rows(self) -> bool:
        """Whether the server clones a root's row triggers to the children."""
        return self.kind in ("partitions", "hypertable")

    @property
    def unguarded(self) -> list[str]:
        """Relations on which our log trigger is missing or disabled."""
        return [
            one.name
            for one in (self.root, *self.children)
            if one.triggers.get("wsdash_log", "D") not in ("O", "A")
        ]


async def read_trees(conn: asyncpg.Connection, tracked: Sequence[Tracked]) -> dict[int, Tree]:
    """Each table's relations by its number, as they are now. Raises asyncpg.PostgresError."""
    hypertables: set[str] = set()
    if await conn.fetchval(HAS_HYPERTABLES, timeout=TIMEOUT):
        hypertables = {row["name"] for row in await conn.fetch(HYPERTABLES, timeout=TIMEOUT)}
    numbers, names = [one.number for one in tracked], [one.relation for one in tracked]
    found: dict[int, list[asyncpg.Record]] = {}
    for row in await conn.fetch(TREES, numbers, names, SCHEMA, timeout=TIMEOUT):
        found.setdefault(row["number"], []).append(row)
    return {one.number: _tree(one, found.get(one.number, []), hypertables) for one in tracked}


def _tree(tracked: Tracked, rows: Sequence[asyncpg.Record], hypertables: set[str]) -> Tree:
    if not rows:
        return Tree("missing", Relation(tracked.relation, {}), ())
    root, *children = (Relation(row["name"], dict(one.split("=") for one in row["triggers"])) for row in rows)
    if root.name in hypertables:
        kind = "hypertable"
    elif rows[0]["kind"] == "p":
        kind = "partitions"
    else:
        kind = "inheritance" if children else "plain"
    return Tree(kind, root, tuple(children))


class Chunk(msgspec.Struct, frozen=True):
    """One chunk. number: of its table. file: where its rows lie; another one after a rewrite or TRUNCATE."""

    number: int
    file: int


Ground = dict[str, Chunk]
"""The chunks by quoted name."""


async def read_ground(conn: asyncpg.Connection, tracked: Sequence[Tracked]) -> Ground:
    """The chunks as the session's snapshot sees them. Raises asyncpg.PostgresError."""
    numbers, names = [one.number for one in tracked], [one.relation for one in tracked]
    rows = await conn.fetch(CHUNKS, numbers, names, timeout=TIMEOUT)
    return {row["name"]: Chunk(row["number"], row["file"]) for row in rows}


def moved(before: Ground, now: Ground) -> dict[int, list[str]]:
    """What happened to chunks that were there before, by table; new chunks are no matter."""
    found: dict[int, list[str]] = {}
    for name, chunk in before.items():
        if name not in now:
            found.setdefault(chunk.number, []).append(f"{name} is gone")
        elif now[name].file != chunk.file:
            found.setdefault(chunk.number, []).append(f"{name} was rewritten or emptied")
    return found


def to_text(ground: Ground) -> str:
    """For the state row."""
    return msgspec.json.encode(ground).decode()


def from_text(text: str) -> Ground:
    """Out of the state row; '' is none."""
    return msgspec.json.decode(text, type=Ground) if text else {}


async def read_shape(conn: asyncpg.Connection, tracked: Sequence[Tracked]) -> str:
    """One line a fact, in order. Chunks are not in it: they come and go. Raises asyncpg.PostgresError."""
    schemas = sorted({one.table.schema for one in tracked})
    rows = await conn.fetch(LINES, schemas, timeout=TIMEOUT)
    return "\n".join(sorted(row["line"] for row in rows))


def differences(before: str, now: str) -> list[str]:
    """What was added and removed, in words, sorted by subject."""
    old, new = set(before.splitlines()), set(now.splitlines())
    return [f"now: {line}" for line in sorted(new - old)] + [f"gone: {line}" for line in sorted(old - new)]
