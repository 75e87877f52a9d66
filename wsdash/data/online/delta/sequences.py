"""Sequences follow the move: each goes on from the greatest value of both sides.

Without a mapping both sides' are the same by name; through one, a sequence follows the column that owns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.online.capture.tracked import Tracked
from wsdash.data.online.delta.routes import Route
from wsdash.data.pg.sql import ident, literal
from wsdash.tasks import task_group

OWNED = """
SELECT u.relation, u.name AS column, n.nspname AS schema, c.relname AS name
FROM unnest($1::text[], $2::text[]) u(relation, name)
JOIN pg_class c ON c.oid = to_regclass(pg_get_serial_sequence(u.relation, u.name))
JOIN pg_namespace n ON n.oid = c.relnamespace
"""
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
    rows = await conn.fetch(NAMES, list(schemas), timeout=TIMEOUT)
    if not rows:
        return {}
    names = [ident(row["schema"], row["name"]) for row in rows]
    arms = " UNION ALL ".join(
        f"SELECT {place} AS place, last_value, is_called FROM {name}" for place, name in enumerate(names)
    )
    values = {row["place"]: row for row in await conn.fetch(arms, timeout=TIMEOUT)}
    return {
        name: Value(values[place]["last_value"], values[place]["is_called"], rows[place]["ascending"])
        for place, name in enumerate(names)
    }


async def follow_sequences(
    left: asyncpg.Connection, entered: asyncpg.Connection, routes: Sequence[Route]
) -> list[str]:
    """The commands that move the entered side's sequences on to where they must go on.

    left, entered: sessions of the two sides. Raises asyncpg.PostgresError.
    """
    schemas = [sorted({one.table.schema for one in side}) for side in _sides(routes)]
    async with task_group() as group:
        reading = [
            group.create_task(read_sequences(conn, names))
            for conn, names in zip((left, entered), schemas, strict=True)
        ]
    ours, theirs = (task.result() for task in reading)
    mapped = [route for route in routes if route.plain]
    if not mapped:
        return set_further(ours, theirs)
    here = await _owned(left, [(route.left.relation, name) for route in mapped for name, _ in route.plain])
    there = await _owned(
        entered, [(route.entered.relation, name) for route in mapped for name in route.names]
    )
    follows = {
        here[route.left.relation, ours_]: there[route.entered.relation, theirs_]
        for route in mapped
        for ours_, theirs_ in route.plain
        if (route.left.relation, ours_) in here and (route.entered.relation, theirs_) in there
    }
    commands = set_further({follows.get(name, name): value for name, value in ours.items()}, theirs)
    alone = {key: name for key, name in there.items() if name not in follows.values() and name in theirs}
    return commands + [
        f"SELECT pg_catalog.setval({literal(name)}::regclass, s.most) "
        f"FROM (SELECT max({ident(column)}) AS most FROM {relation}) s WHERE s.most > {theirs[name].last}"
        for (relation, column), name in alone.items()
    ]


def _sides(routes: Sequence[Route]) -> tuple[list[Tracked], list[Tracked]]:
    return [route.left for route in routes], [route.entered for route in routes]


async def _owned(conn: asyncpg.Connection, columns: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The quoted names of the sequences that these columns own, by relation and column."""
    relations, names = [one[0] for one in columns], [one[1] for one in columns]
    rows = await conn.fetch(OWNED, relations, names, timeout=TIMEOUT)
    return {(row["relation"], row["column"]): ident(row["schema"], row["name"]) for row in rows}


def set_further(ours: dict[str, Value], theirs: dict[str, Value]) -> list[str]:
    """The commands that move each of `theirs` on to where `ours` is further."""
    return [
        f"SELECT pg_catalog.setval({literal(name)}::regclass, {ours[name].last}, "
        f"{'true' if ours[name].called else 'false'})"
        for name, there in theirs.items()
        if name in ours and ours[name].rank > there.rank
    ]
