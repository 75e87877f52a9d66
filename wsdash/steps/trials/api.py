"""Item test-api: the guide's functional list and latencies against the new API.

The list runs by what that API itself says it has and stores.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

from wsdash.api.client import ApiClient, Json
from wsdash.data.tables.read import count_of
from wsdash.errors import WsdashError
from wsdash.model import CriterionMeasured, StepId
from wsdash.model.facts import API_TESTED, Tried
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.items import TestItems, client, items_for_test, remove_left
from wsdash.steps.limits import API_READY_SECONDS
from wsdash.steps.services.readiness import require_healthy, unhealthy

DEFAULT_BODY: Json = {
    "title": "{marker}",
    "description": "made and removed by wsdash: ünïcödé ✓ '\"\\",
    "category": "{category}",
    "priority": "low",
    "tags": ["wsdash", "test"],
}
DEFAULT_UPDATE: Json = {"title": "{marker} updated"}
SAMPLES = 20
FEWEST_SAMPLES = 5
FUNCTIONAL_REQUESTS = 25
"""About so many requests the functional list takes."""
GONE = (404, 410)
REFUSED = (400, 422)


@dataclass(frozen=True)
class Check:
    """One line of the list: what was tried, whether it held, what was seen."""

    name: str
    holds: bool
    seen: str


@dataclass(frozen=True)
class Made:
    """A test item as it was made. sent: the body; stored: the fields that the API's first answer shows as
    stored; ignored: those that it leaves out or sets by itself."""

    id: str
    sent: Json
    answer: Json
    stored: tuple[str, ...]
    ignored: tuple[str, ...] = field(default=())


async def functional_checks(api: ApiClient, items: TestItems, expected: int | None) -> list[Check]:
    """List, categories, create, read back, update, delete, and a status moved across every column.

    expected: how many items there are, None where that is not known. Raises WsdashError.
    """
    rows, count = await api.list_items()
    checks = [_listed(rows, count, expected)]
    names = await category_names(api)
    if api.api.categories_path:
        checks.append(categories_check(names))
    made = await create_item(api, items, names)
    ignored = f"; not stored by this API: {', '.join(made.ignored)}" if made.ignored else ""
    checks.append(Check("create item", bool(made.stored), f"id {made.id}{ignored}"))
    checks.append(await read_back(api, made))
    if api.api.statuses and "status" in made.answer:
        checks.append(await _kanban(api, made.id))
    checks.append(await update_item(api, items, made.id))
    await delete_item(api, items, made.id)
    await api.call("GET", api.item_path(made.id), expect=GONE)
    checks.append(Check("delete item", True, "404 afterwards"))
    if not api.api.body:
        await api.call("POST", api.api.path, {"title": ""}, expect=REFUSED)
        checks.append(Check("refuse an invalid item", True, "400"))
    return checks


def _listed(rows: list[Any], count: int | None, expected: int | None) -> Check:
    seen = f"{len(rows)} listed" + (f", count {count}" if count is not None else "")
    if expected is None:
        return Check("list items", True, seen)
    if count is None:
        return Check("list items", len(rows) <= expected, f"{seen}; it tells no count to compare")
    return Check("list items", count == expected, f"count {count}, the source holds {expected}")


async def category_names(api: ApiClient) -> list[str]:
    """The categories that the API has, in its order; [] where it has no such page configured."""
    if not api.api.categories_path:
        return []
    rows = (await api.call("GET", api.api.categories_path)).get("data") or []
    named = [row.get("name", row.get("id")) if isinstance(row, dict) else row for row in rows]
    return [str(name) for name in named if name is not None]


def categories_check(names: list[str]) -> Check:
    """Whether the API has any category to choose from."""
    shown = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
    return Check("categories dropdown", bool(names), f"{len(names)} categories: {shown}" if names else "none")


def new_body(api: ApiClient, items: TestItems, names: list[str]) -> Json:
    """The body of a test item, as configured or the workspace API's, with our marker in it."""
    filled: Json = _filled(api.api.body or DEFAULT_BODY, items.marker, names[0] if names else "dashboard")
    return filled


def _filled(value: Any, marker: str, category: str) -> Any:
    if isinstance(value, str):
        return value.replace("{marker}", marker).replace("{category}", category)
    if isinstance(value, dict):
        return {key: _filled(one, marker, category) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, marker, category) for one in value]
    return value


async def create_item(api: ApiClient, items: TestItems, names: list[str]) -> Made:
    """Make an item that carries our marker. Raises WsdashError."""
    sent = new_body(api, items, names)
    answer = await api.call("POST", api.api.path, sent, expect=(201, 200))
    made = _item_of(answer)
    item_id = await _noted(api, items, made)
    wanted = api.api.compare or tuple(sent)
    # a field that is left out, or null, is not this API's to store; one that comes back changed is its fault
    stored = tuple(name for name in wanted if made.get(name) is not None or name in api.api.compare)
    return Made(item_id, sent, made, stored, tuple(name for name in sent if name not in stored))


async def _noted(api: ApiClient, items: TestItems, made: Json) -> str:
    found = item_id_of(made)
    if not found:
        raise WsdashError(
            f"POST {api.api.path} gave no id of the new item", where=api.base, remedy="see the API's logs"
        )
    await items.made(found)
    return found


def item_id_of(answer: Json) -> str:
    """The id of the item in an answer, as text; '' where it has none."""
    found = _item_of(answer).get("id")
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


async def read_back(api: ApiClient, made: Made) -> Check:
    """Whether each stored field is read back as it was sent."""
    back = await read_item(api, made.id)
    differing = [name for name in made.stored if back.get(name) != made.sent.get(name)]
    seen = f"differs in {', '.join(differing)}" if differing else f"equal in {', '.join(made.stored)}"
    return Check("read it back", not differing, seen)


def changed_body(api: ApiClient, items: TestItems) -> Json:
    """What a test item is changed to; it carries our marker still."""
    filled: Json = _filled(api.api.update or DEFAULT_UPDATE, items.marker, "")
    return filled


async def update_item(api: ApiClient, items: TestItems, item_id: str) -> Check:
    """Change an item, and read the change back."""
    change = changed_body(api, items)
    await api.call(api.api.update_method, api.item_path(item_id), change, expect=(200, 204))
    back = await read_item(api, item_id)
    differing = [name for name, value in change.items() if back.get(name) != value]
    seen = ", ".join(f"{name} {back.get(name)!r}" for name in change)
    return Check("update item", not differing, seen)


async def delete_item(api: ApiClient, items: TestItems, item_id: str) -> None:
    """Remove an item through the API."""
    await api.call("DELETE", api.item_path(item_id), expect=(200, 202, 204))
    items.removed(item_id)


async def _kanban(api: ApiClient, item_id: str) -> Check:
    seen = []
    for status in api.api.statuses:
        path = api.item_path(item_id)
        await api.call(api.api.update_method, path, {"status": status}, expect=(200, 204))
        seen.append(str((await read_item(api, item_id)).get("status")))
    return Check("kanban status moves", seen == list(api.api.statuses), " → ".join(seen))


async def read_item(api: ApiClient, item_id: str) -> Json:
    """An item as the API shows it."""
    return _item_of(await api.call("GET", api.item_path(item_id)))


def _item_of(answer: Json) -> Json:
    inner = answer.get("data", answer.get("item"))
    return inner if isinstance(inner, dict) else answer


def percentile(samples: list[float], share: float) -> float:
    """Nearest-rank percentile of a non-empty list; share 0..1."""
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def samples_within(api: ApiClient, wanted: int, each: int) -> int:
    """How many samples of `each` requests fit what the API takes without waiting, at most `wanted`."""
    spare = api.allowance.spare()
    return wanted if spare is None else max(FEWEST_SAMPLES, min(wanted, spare // each))


async def latencies(api: ApiClient, items: TestItems) -> tuple[list[float], list[float]]:
    """Durations in seconds of GETs of the list and of POSTs of items (removed again); fewer where the API's
    limit leaves room for fewer."""
    count = samples_within(api, SAMPLES, 3)
    names = await category_names(api)
    return await timed_gets(api, count), await timed_posts(api, items, names, count)


async def timed_gets(api: ApiClient, count: int) -> list[float]:
    """Durations in seconds of `count` GETs of the list, one after the other."""
    await api.call("GET", api.api.path)  # the first request of a fresh service pays for its connections
    return [(await api.timed("GET", api.api.path))[1] for _ in range(count)]


async def timed_posts(api: ApiClient, items: TestItems, names: list[str], count: int) -> list[float]:
    """Durations in seconds of `count` POSTs of items, each removed again."""
    posts = []
    for _ in range(count):
        body = new_body(api, items, names)
        answer, seconds = await api.timed("POST", api.api.path, body, expect=(201, 200))
        posts.append(seconds)
        await delete_item(api, items, await _noted(api, items, _item_of(answer)))
    return posts


class TestApi:
    """Test API endpoints."""

    __test__ = False
    id: str = StepId.TEST_API

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run's tests all held, none of their rows is left, and the API is well now, also by
        its container's own health check.
        """
        result = ctx.facts.get(API_TESTED)
        if result is None:
            return Evidence(False, "the endpoints were not tested in this run")
        if not result["holds"]:
            return Evidence(False, result["text"])
        if (left := TestItems.noted(ctx)) is not None:
            return Evidence(False, f"items of the tests, marked {left.marker}, were not proven removed")
        async with client(ctx) as api:
            await api.wait_ready(5.0)
            rows, count = await api.list_items()
        if said := await unhealthy(ctx):
            return Evidence(False, said)
        shown = f"{len(rows) if count is None else count:,}"
        return Evidence(True, f"{result['text']}; now {shown} items at {ctx.settings.api.new}")

    async def act(self, ctx: StepContext) -> None:
        """Run the list once the API's container is healthy; the test rows are removed whatever happens."""
        await require_healthy(ctx, API_READY_SECONDS)
        begun: Tried = {"holds": False, "text": "the tests were begun and not ended", "at": time.time()}
        await ctx.facts.put(API_TESTED, begun)
        expected = await self._expected(ctx)
        async with items_for_test(ctx) as (api, items):
            await api.wait_ready(API_READY_SECONDS)
            checks = await functional_checks(api, items, expected)
            gets, posts = await latencies(api, items)
            pace = api.allowance.text
        limits = ctx.settings.thresholds
        get_p95, post_p95 = percentile(gets, 0.95), percentile(posts, 0.95)
        failed = [f"{check.name} ({check.seen})" for check in checks if not check.holds]
        for name, value, limit in (
            ("GET", get_p95, limits.get_seconds),
            ("POST", post_p95, limits.post_seconds),
        ):
            ctx.emit(
                CriterionMeasured(
                    id=f"{name.lower()}-latency",
                    holds=value < limit,
                    measured=f"p95 {value * 1000:.0f} ms",
                    threshold=f"< {limit * 1000:.0f} ms",
                )
            )
            if value >= limit:
                failed.append(
                    f"{name} {ctx.settings.api.path} p95 {value * 1000:.0f} ms, limit {limit * 1000:.0f} ms"
                )
        latency = (
            f"GET p50 {percentile(gets, 0.5) * 1000:.0f} p95 {get_p95 * 1000:.0f} ms (limit "
            f"{limits.get_seconds * 1000:.0f}), POST p50 {percentile(posts, 0.5) * 1000:.0f} "
            f"p95 {post_p95 * 1000:.0f} ms (limit {limits.post_seconds * 1000:.0f}), {len(gets)} samples each"
        )
        latency += f"; the tests sent {pace}" if pace else ""
        held = ", ".join(check.name for check in checks if check.holds)
        text = f"{held}; {latency}" if not failed else "failed: " + "; ".join(failed)
        await ctx.facts.put(API_TESTED, Tried(holds=not failed, text=text, at=time.time()))
        if failed:
            raise WsdashError(
                text, where=ctx.settings.api.new, remedy="see the API's logs, correct it, retry"
            )

    async def _expected(self, ctx: StepContext) -> int | None:
        """How many items the API should list."""
        # the source goes on in a rehearsal; what was copied was compared before this
        side = (ctx.source, ctx.settings.source) if ctx.trial is None else (ctx.target, ctx.settings.target)
        return await count_of(side[0], side[1].schema, ctx.settings.api.table)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The tests leave nothing, also when they were killed; their result no longer counts."""
        done = await remove_left(ctx)
        await ctx.facts.put(API_TESTED, None)
        return Evidence(True, done) if done else None
