"""Items that the tests make through the API: noted before they exist, removed through the API and then in the
database, and proven gone."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wsdash.api.client import ApiClient
from wsdash.errors import WsdashError
from wsdash.model import Notice
from wsdash.model.facts import TEST_ROWS, RowsOfTests
from wsdash.steps.api.rows import Traces, count_rows, found_ids, remove_rows
from wsdash.steps.base import StepContext
from wsdash.steps.limits import START_SECONDS

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
