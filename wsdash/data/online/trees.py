"""The relations that hold a table's rows on one side, and whether our triggers are on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.online.tracked import Tracked

SECONDS = 60.0

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
    if await conn.fetchval(HAS_HYPERTABLES, timeout=SECONDS):
        hypertables = {row["name"] for row in await conn.fetch(HYPERTABLES, timeout=SECONDS)}
    numbers, names = [one.number for one in tracked], [one.relation for one in tracked]
    found: dict[int, list[asyncpg.Record]] = {}
    for row in await conn.fetch(TREES, numbers, names, SCHEMA, timeout=SECONDS):
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
