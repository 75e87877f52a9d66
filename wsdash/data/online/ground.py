"""The chunks that rows lie in: dropping, truncating or rewriting one fires no trigger.

So each delta compares them with those of the delta before. What moved makes its table suspect: it must be
compared completely before a switch, and taken whole where it differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from wsdash.data.online.tracked import Tracked

SECONDS = 60.0

CHUNKS = """
WITH RECURSIVE tree(number, oid, child) AS (
  SELECT number, to_regclass(name)::oid, false FROM unnest($1::integer[], $2::text[]) u(number, name)
  UNION ALL
  SELECT t.number, i.inhrelid, true FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
SELECT t.number, format('%I.%I', n.nspname, c.relname) AS name, c.relfilenode::bigint AS file
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.child
"""


class Chunk(msgspec.Struct, frozen=True):
    """One chunk. number: of its table. file: where its rows lie; another one after a rewrite or TRUNCATE."""

    number: int
    file: int


Ground = dict[str, Chunk]
"""The chunks by quoted name."""


async def read_ground(conn: asyncpg.Connection, tracked: Sequence[Tracked]) -> Ground:
    """The chunks as the session's snapshot sees them. Raises asyncpg.PostgresError."""
    numbers, names = [one.number for one in tracked], [one.relation for one in tracked]
    rows = await conn.fetch(CHUNKS, numbers, names, timeout=SECONDS)
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
