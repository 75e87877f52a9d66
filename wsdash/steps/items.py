"""Items that the tests make through the API: noted before they exist, removed through the API, then as rows.

Rows that the tests leave in the target are found by the tests' marker and ids, counted, and removed.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from wsdash.api.client import ApiClient
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import DATABASE_ERRORS, describe, session_lives, words_of
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transactions import transaction
from wsdash.errors import WsdashError
from wsdash.model import Notice
from wsdash.model.facts import TEST_ROWS, RowsOfTests
from wsdash.steps.base import StepContext
from wsdash.steps.limits import SEARCH_SECONDS, SLACK_SECONDS, START_SECONDS

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


PREFIX = "wsdash-test-"
MOST_THROUGH_API = 200
"""Items removed one by one through the API; what is left then goes in the database alone."""


class TestItems:
    """The tests' items of one run. They carry a marker that is noted before the first of them is made, so
    that one whose answer was lost, or that a killed test left, is found by it."""

    __test__ = False

    def __init__(self, ctx: StepContext, noted: RowsOfTests) -> None:
        self._ctx = ctx
        self.marker = str(noted["marker"])
        self._begun = float(noted["begun"])
        self._ids = [str(one) for one in noted["ids"]]
        self._gone: set[str] = set()

    @classmethod
    async def begin(cls, ctx: StepContext) -> TestItems:
        """Note a new marker; what an earlier test left is removed first. Raises WsdashError."""
        await remove_left(ctx)
        noted = RowsOfTests(marker=PREFIX + secrets.token_hex(6), ids=[], begun=time.time())
        await ctx.facts.put(TEST_ROWS, noted)
        return cls(ctx, noted)

    @classmethod
    def noted(cls, ctx: StepContext) -> TestItems | None:
        """What an earlier test noted and did not prove removed; None where there is nothing."""
        noted = ctx.facts.get(TEST_ROWS)
        return cls(ctx, noted) if noted else None

    async def made(self, *ids: str) -> None:
        """Note the ids that the API gave."""
        self._ids += ids
        noted = RowsOfTests(marker=self.marker, ids=self._ids, begun=self._begun)
        await self._ctx.facts.put(TEST_ROWS, noted)

    def removed(self, item: str) -> None:
        """The API said that this one is gone."""
        self._gone.add(item)

    async def remove(self, api: ApiClient | None) -> str:
        """Remove everything, prove it, and forget it; what was done, in words. Raises WsdashError.

        api: None where the API is not there: then in the database alone.
        """
        target, place = self._ctx.target, self._place
        ids = [*dict.fromkeys([*self._ids, *await found_ids(target, *place, self.marker)])]
        if ids != self._ids:
            await self.made(*(one for one in ids if one not in self._ids))
        through = len(self._gone)
        if api is not None:
            for one in [one for one in ids if one not in self._gone][:MOST_THROUGH_API]:
                through += await self._remove_through(api, one)
        traces = Traces(self.marker, tuple(ids), self._begun)
        rows = await remove_rows(target, *place, traces)
        left = await count_rows(target, *place, traces)
        if left:
            raise WsdashError(
                f"rows of the tests are still there: {_counted(left)}",
                where=target.address,
                remedy=f"delete the rows that contain {self.marker} by hand, then retry",
            )
        await self._ctx.facts.put(TEST_ROWS, None)
        in_database = f"; {_counted(rows)} removed in the database" if rows else ""
        return f"{len(ids)} test items made, {through} removed through the API{in_database}, none left"

    @property
    def _place(self) -> tuple[str, str]:
        return self._ctx.settings.target.schema, self._ctx.settings.api.table

    async def _remove_through(self, api: ApiClient, item: str) -> int:
        """1 when this removed it. One that no longer carries our marker is not ours."""
        path = api.item_path(item)
        try:
            found = await api.call("GET", path, expect=(200, 404, 410))
            if self.marker not in json.dumps(found, ensure_ascii=False):
                return 0
            await api.call("DELETE", path, expect=(200, 202, 204))
        except WsdashError as error:  # the database is asked next, and has the last word
            text = f"test item {item} could not be removed through the API: {error.what}"
            self._ctx.emit(Notice(level="warning", text=text, item=self._ctx.item))
            return 0
        return 1


async def remove_left(ctx: StepContext) -> str:
    """Remove what an earlier test noted and left, through the API where it answers; '' where nothing was.

    Raises WsdashError.
    """
    left = TestItems.noted(ctx)
    if left is None:
        return ""
    async with client(ctx) as api:
        done = await left.remove(api if (await api.ping()).ready else None)
    ctx.emit(Notice(level="info", text=f"left by an earlier test: {done}", item=ctx.item))
    return done


async def clear_at_start(ctx: StepContext) -> None:
    """What remove_left does, within START_SECONDS; a failure is a warning, and the next test tries again."""
    try:
        async with asyncio.timeout(START_SECONDS):
            await remove_left(ctx)
    except (WsdashError, TimeoutError) as error:
        why = str(error) or f"not done within {START_SECONDS:.0f} s"
        text = f"items that an earlier test made may still be in the target: {why}"
        ctx.emit(Notice(level="warning", text=text, item=ctx.item))


def client(ctx: StepContext, base: str = "") -> ApiClient:
    """A client of the new API (or of `base`) that tells, as the item's own, when it has to wait."""

    def waiting(text: str) -> None:
        ctx.emit(Notice(level="info", text=text, item=ctx.item))

    return ApiClient(base or ctx.settings.api.new, ctx.settings.api, waiting=waiting)


@asynccontextmanager
async def items_for_test(ctx: StepContext) -> AsyncIterator[tuple[ApiClient, TestItems]]:
    """The new API and items to make on it: whatever happens inside, they are removed, and proven gone."""
    items = await TestItems.begin(ctx)
    async with client(ctx) as api:
        try:
            yield api, items
        except asyncio.CancelledError:
            await items.remove(None)  # nobody waits for an API's limit now
            raise
        except BaseException:
            await items.remove(api)
            raise
        await items.remove(api)


def _counted(rows: dict[str, int]) -> str:
    return ", ".join(f"{count} rows of {name}" for name, count in rows.items())
