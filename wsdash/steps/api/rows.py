"""Rows that the tests of the API leave in the target: found by the tests' marker and ids, counted, removed.

A row of the items' table is ours only when it carries the marker. A row elsewhere (an audit log, say) is ours
when it carries the marker, refers to one of our items by a foreign key, or names one of our ids: a UUID by
itself, another kind of id only in a row that is no older than the tests, because such a number may have been
somebody else's before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import DATABASE_ERRORS, describe, session_lives, words_of
from wsdash.data.pg.quoting import ident
from wsdash.data.pg.transactions import transaction
from wsdash.errors import WsdashError
from wsdash.steps.limits import SEARCH_SECONDS, SLACK_SECONDS

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
COLUMNS = """
SELECT c.oid, c.relname AS name, a.attname AS attribute, t.typcategory = 'D' AS timed,
       EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = c.oid
               AND k.confrelid = to_regclass($2) AND k.conkey = ARRAY[a.attnum]) AS refers,
       (a.attname ~ '_id$') AS names_id
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
ORDER BY c.relname, a.attnum"""


@dataclass(frozen=True)
class Traces:
    """What the tests' rows are known by. ids: of the items they made; begun: epoch seconds."""

    marker: str
    ids: tuple[str, ...]
    begun: float


@dataclass
class _Table:
    name: str
    times: list[str] = field(default_factory=list)
    refers: list[str] = field(default_factory=list)
    names_id: list[str] = field(default_factory=list)


async def found_ids(target: Endpoint, schema: str, table: str, marker: str) -> list[str]:
    """The ids of the items that carry the marker. Raises WsdashError."""
    async with connection(target, read_only=True) as session:
        try:
            return await _ids_with(session, schema, table, marker)
        except DATABASE_ERRORS as error:
            raise _failed("searched for", target, marker, error) from error


async def count_rows(target: Endpoint, schema: str, table: str, traces: Traces) -> dict[str, int]:
    """Table -> rows of the tests that are in it; tables without any are left out. Raises WsdashError."""
    async with connection(target, read_only=True) as session:
        try:
            found: dict[str, int] = {}
            for name, (condition, values) in (await _conditions(session, schema, table, traces)).items():
                count = await session.fetchval(
                    f"SELECT count(*) FROM {ident(schema, name)} t WHERE {condition}",
                    *values,
                    timeout=SEARCH_SECONDS,
                )
                found |= {name: int(count)} if count else {}
            return found
        except DATABASE_ERRORS as error:
            raise _failed("counted", target, traces.marker, error) from error


async def remove_rows(target: Endpoint, schema: str, table: str, traces: Traces) -> dict[str, int]:
    """Remove them in one transaction; table -> rows removed. Raises WsdashError, and then nothing was.

    Triggers stay on, so that this needs no more rights than the rows themselves: rows that refer to the items
    go first, and what an audit trigger writes about the items' end is removed after them.
    """
    async with connection(target, read_only=False) as session:
        try:
            async with transaction(session):
                removed: dict[str, int] = {}
                conditions = await _conditions(session, schema, table, traces)
                others = [name for name in conditions if name != table]
                for name in (*others, *([table] if table in conditions else []), *others):
                    condition, values = conditions[name]
                    tag = await session.execute(
                        f"DELETE FROM {ident(schema, name)} t WHERE {condition}",
                        *values,
                        timeout=SEARCH_SECONDS,
                    )
                    if count := int(tag.split()[-1]):
                        removed[name] = removed.get(name, 0) + count
                return removed
        except DATABASE_ERRORS as error:
            raise _failed("removed", target, traces.marker, error) from error


async def _conditions(
    session: asyncpg.Connection, schema: str, table: str, traces: Traces
) -> dict[str, tuple[str, list[object]]]:
    """Table of the schema -> which of its rows `t` are ours, and the values of that condition."""
    tables: dict[str, _Table] = {}
    for row in await session.fetch(COLUMNS, schema, ident(schema, table), timeout=SEARCH_SECONDS):
        one = tables.setdefault(row["name"], _Table(row["name"]))
        for column, fits in ((one.times, row["timed"]), (one.refers, row["refers"])):
            if fits:
                column.append(row["attribute"])
        if row["names_id"] and not row["refers"]:
            one.names_id.append(row["attribute"])
    ours = set[str]()
    if table in tables:
        ours = {*await _ids_with(session, schema, table, traces.marker)}
    return {
        name: ("strpos(t::text, $1) > 0", [traces.marker]) if name == table else _elsewhere(one, ours, traces)
        for name, one in tables.items()
    }


def _elsewhere(table: _Table, ours: set[str], traces: Traces) -> tuple[str, list[object]]:
    """ours: ids of items that are there and carry the marker; a key refers to nothing else."""
    ids = ours | {*traces.ids}
    parts, values = ["strpos(t::text, $1) > 0"], list[object]([traces.marker])

    def add(columns: Sequence[str], wanted: list[str], more: str = "") -> None:
        if columns and wanted:
            values.append(wanted)
            named = " OR ".join(f"t.{ident(column)}::text = ANY (${len(values)})" for column in columns)
            parts.append(f"(({named}){more})")

    add(table.refers, sorted(ours))
    add(table.names_id, sorted(one for one in ids if UUID.fullmatch(one)))
    if table.times and table.names_id:
        newest = "greatest(" + ", ".join(f"t.{ident(name)}::timestamptz" for name in table.times) + ")"
        since = f" AND {newest} >= to_timestamp({traces.begun - SLACK_SECONDS:.3f})"
        add(table.names_id, sorted(one for one in ids if not UUID.fullmatch(one)), since)
    return " OR ".join(parts), values


async def _ids_with(session: asyncpg.Connection, schema: str, table: str, marker: str) -> list[str]:
    place = ident(schema, table)
    known = await session.fetchval(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'id'", place
    )
    if not known:
        return []
    rows = await session.fetch(
        f"SELECT t.id::text AS id FROM {place} t WHERE strpos(t::text, $1) > 0",
        marker,
        timeout=SEARCH_SECONDS,
    )
    return [row["id"] for row in rows]


def _failed(what: str, target: Endpoint, marker: str, error: BaseException) -> WsdashError:
    if not session_lives(error):
        return describe(error, target, "looking for the tests' rows")
    return WsdashError(
        f"the tests' rows could not be {what}: {words_of(error)}",
        where=target.address,
        remedy=f"delete the rows that contain {marker} by hand, or give this user the right to, then retry",
    )
