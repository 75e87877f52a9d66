"""Sequences follow the move: each goes on from the greatest value of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.pg.sql import ident, literal

SECONDS = 60.0
NAMES = """
SELECT n.nspname AS schema, c.relname AS name, s.seqincrement > 0 AS ascending
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1::text[]) ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Value:
    """A sequence's value. called: it was given out already."""

    last: int
    called: bool
    ascending: bool

    @property
    def rank(self) -> tuple[int, bool]:
        """The further one has the greater rank."""
        return (self.last if self.ascending else -self.last), self.called


async def read_sequences(conn: asyncpg.Connection, schemas: Sequence[str]) -> dict[str, Value]:
    """The values of now by quoted name. Raises asyncpg.PostgresError."""
    rows = await conn.fetch(NAMES, list(schemas), timeout=SECONDS)
    if not rows:
        return {}
    names = [ident(row["schema"], row["name"]) for row in rows]
    arms = " UNION ALL ".join(
        f"SELECT {place} AS place, last_value, is_called FROM {name}" for place, name in enumerate(names)
    )
    values = {row["place"]: row for row in await conn.fetch(arms, timeout=SECONDS)}
    return {
        name: Value(values[place]["last_value"], values[place]["is_called"], rows[place]["ascending"])
        for place, name in enumerate(names)
    }


def set_further(ours: dict[str, Value], theirs: dict[str, Value]) -> list[str]:
    """The commands that move each of `theirs` on to where `ours` is further."""
    return [
        f"SELECT pg_catalog.setval({literal(name)}::regclass, {ours[name].last}, "
        f"{'true' if ours[name].called else 'false'})"
        for name, there in theirs.items()
        if name in ours and ours[name].rank > there.rank
    ]
