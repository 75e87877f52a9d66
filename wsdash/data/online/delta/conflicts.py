"""Rows that somebody else changed on a closed side: applying changes over them would lose that change.

Who wrote a row decides: a transaction after the one that closed the side, and none of ours. A row that
is missing there, though the other side never made it anew, was deleted by somebody. Rows that are the same on
both sides are no conflict.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from wsdash.data.limits import CONFLICTS_SECONDS
from wsdash.data.online.capture.tracked import APPLIED, Tracked
from wsdash.data.online.delta.transfer import Change
from wsdash.data.pg.sql import column_list, ident
from wsdash.data.pg.transactions import transaction
from wsdash.errors import RefusedError

SHOWN = 10
MOST = 1000
"""So many conflicts of one table are listed."""


@dataclass(frozen=True)
class Conflict:
    """One row, side by side, in the target's columns. key: of its columns; ours: on the side that changes
    come from, theirs: on the closed one; None: no such row there."""

    tracked: Tracked
    key: dict[str, Any]
    ours: dict[str, Any] | None
    theirs: dict[str, Any] | None

    @property
    def id(self) -> str:
        """What a choice names it by."""
        return f"{self.tracked.table.qualified} {json.dumps(self.key, sort_keys=True)}"

    @property
    def differing(self) -> list[str]:
        """The columns that differ."""
        ours, theirs = self.ours or {}, self.theirs or {}
        return [name for name in self.tracked.columns if ours.get(name) != theirs.get(name)]

    def lines(self) -> list[str]:
        """The cells that differ, side by side."""
        ours, theirs = self.ours or {}, self.theirs or {}
        if self.ours is None or self.theirs is None:
            return [f"{self.id}: there is no such row on {'one' if self.ours is None else 'the other'} side"]
        return [f"{self.id}: {name}: {ours.get(name)!r} | {theirs.get(name)!r}" for name in self.differing]


class ConflictsError(RefusedError):
    """Somebody changed rows of the closed side; nothing was applied."""

    def __init__(self, conflicts: Sequence[Conflict], where: str) -> None:
        lines = [line for one in conflicts[:SHOWN] for line in one.lines()]
        super().__init__(
            f"{len(conflicts)} rows were changed on the closed side by somebody else: {'; '.join(lines)}",
            where=where,
            remedy="choose, for each row or for all, which side's row stays",
        )
        self.conflicts = tuple(conflicts)


async def find_conflicts(
    reader: asyncpg.Connection, writer: asyncpg.Connection, change: Change, match: str, closed_by: str
) -> list[Conflict]:
    """The conflicts of a delta's keys (k), which are staged on the writer's side; match: joins them to its
    rows (t). Raises asyncpg.PostgresError.

    Not for a real hypertable, whose compressed rows have no writer: there the comparison at a held snapshot
    finds what differs.
    """
    route = change.route
    entered = route.entered
    names = [ident(column.name) for column in route.key]
    staged = ", ".join(f"{k} AS {name}" for k, name in zip(route.key_names, names, strict=True))
    shown = [ident(column.name) for column in route.target.key]
    key = ", ".join(f"{sql} AS {name}" for sql, name in zip(route.shown_key, shown, strict=True))
    found = (
        f"SELECT k.* FROM pg_temp.{route.stage} k LEFT JOIN {entered.relation} t ON {match} "
        f"WHERE CASE WHEN t.{names[0]} IS NULL THEN NOT k.made ELSE "
        f"age(t.xmin) < age($1::text::xid8::xid) "
        f"AND NOT EXISTS (SELECT FROM {APPLIED} a WHERE a.xid::xid = t.xmin) END LIMIT {MOST}"
    )
    rows = await writer.fetch(
        f"SELECT to_jsonb(s)::text AS key FROM (SELECT {key} FROM (SELECT {staged} FROM ({found}) f) "
        f"AS {ident(entered.table.name)}) s",
        closed_by,
        timeout=CONFLICTS_SECONDS,
    )
    keys = [row["key"] for row in rows]
    if not keys:
        return []
    ours = await _rows(reader, route.target, route.shown[0], keys)
    theirs = await _rows(writer, route.target, route.shown[1], keys)
    return [
        Conflict(route.target, json.loads(text), ours.get(place), theirs.get(place))
        for place, text in enumerate(keys)
        if ours.get(place) != theirs.get(place)
    ]


async def _rows(
    conn: asyncpg.Connection, tracked: Tracked, relation: str, keys: Sequence[str]
) -> dict[int, dict[str, Any]]:
    """The rows under these keys by their places; relation: has the tracked table's columns."""
    named = ", ".join(f"{ident(column.name)} {column.type}" for column in tracked.key)
    match = " AND ".join(f"t.{ident(name)} = r.{ident(name)}" for name in tracked.table.key)
    columns = ", ".join(f"t.{ident(name)}" for name in tracked.columns)
    found = await conn.fetch(
        f"SELECT u.place, (SELECT to_jsonb(s) FROM (SELECT {columns}) s)::text AS row "
        "FROM unnest($1::text[]) WITH ORDINALITY u(key, place), "
        f"jsonb_to_record(u.key::jsonb) r({named}) JOIN {relation} t ON {match}",
        list(keys),
        timeout=CONFLICTS_SECONDS,
    )
    return {row["place"] - 1: json.loads(row["row"]) for row in found}


async def keep_theirs(conn: asyncpg.Connection, conflicts: Sequence[Conflict]) -> None:
    """Write the closed side's rows into the open one, where they are changes like any other then.

    conn: a session of the open side. In replica role, so that its own triggers invent nothing; our log sees
    it. Raises asyncpg.PostgresError.
    """
    async with transaction(conn):
        await conn.execute("SET LOCAL session_replication_role = replica", timeout=CONFLICTS_SECONDS)
        for one in conflicts:
            tracked = one.tracked
            key = json.dumps(one.key)
            names = column_list(tracked.columns)
            named = ", ".join(f"{ident(column.name)} {column.type}" for column in tracked.key)
            match = " AND ".join(f"t.{ident(name)} = r.{ident(name)}" for name in tracked.table.key)
            await conn.execute(
                f"DELETE FROM {tracked.relation} t USING jsonb_to_record($1::text::jsonb) r({named}) "
                f"WHERE {match}",
                key,
                timeout=CONFLICTS_SECONDS,
            )
            if one.theirs is not None:
                await conn.execute(
                    f"INSERT INTO {tracked.relation} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} "
                    f"FROM jsonb_populate_record(NULL::{tracked.relation}, $1::text::jsonb)",
                    json.dumps(one.theirs),
                    timeout=CONFLICTS_SECONDS,
                )
