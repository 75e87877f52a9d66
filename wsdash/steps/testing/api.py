"""The functional and the latency lines of the testing checklist, tried on the new API.

Every item that a trial makes carries our marker and is removed, also what a killed trial left.
"""

from __future__ import annotations

from urllib.parse import urldefrag

from wsdash.outside.http import client_session
from wsdash.steps.api.checks import (
    GONE,
    Check,
    categories_check,
    category_names,
    create_item,
    delete_item,
    percentile,
    read_back,
    samples_within,
    timed_gets,
    timed_posts,
    update_item,
)
from wsdash.steps.api.items import client, items_for_test
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.rows.counts import stored_items
from wsdash.watch.pollers.http import timed_get

LATENCY_SAMPLES = 40
NAME_IT = "name it in wsdash.yaml, or leave this test out"


def _evidence(check: Check, more: str = "") -> Evidence:
    return Evidence(check.holds, f"{check.name}: {check.seen}{more}")


async def list_items(ctx: StepContext) -> Evidence:
    """GET of the list: its count is the table's."""
    async with client(ctx) as api:
        rows, count = await api.list_items()
    stored = await stored_items(ctx.target, ctx.settings.target.schema, ctx.settings.api.table)
    text = f"{len(rows)} items listed" + (f", count {count}" if count is not None else "")
    if stored is None:
        return Evidence(True, f"{text}; there is no table {ctx.settings.api.table} to compare with")
    shown = len(rows) if count is None else count
    return Evidence(shown == stored, f"{text}, the table holds {stored:,}")


async def try_create(ctx: StepContext) -> Evidence:
    """POST an item, read it back equal."""
    async with items_for_test(ctx) as (api, items):
        made = await create_item(api, items, await category_names(api))
        check = await read_back(api, made)
    return Evidence(check.holds, f"item {made.id} created and read back {check.seen}; removed")


async def try_update(ctx: StepContext) -> Evidence:
    """Change an item, read the change back."""
    async with items_for_test(ctx) as (api, items):
        made = await create_item(api, items, await category_names(api))
        check = await update_item(api, items, made.id)
    return _evidence(check, " after the update; removed")


async def try_delete(ctx: StepContext) -> Evidence:
    """DELETE an item, 404 afterwards."""
    async with items_for_test(ctx) as (api, items):
        made = await create_item(api, items, await category_names(api))
        await delete_item(api, items, made.id)
        await api.call("GET", api.item_path(made.id), expect=GONE)
    return Evidence(True, f"item {made.id} deleted; 404 afterwards")


async def categories_populated(ctx: StepContext) -> Evidence:
    """The API has categories to choose from."""
    if not ctx.settings.api.categories_path:
        return Evidence(False, "api.categories_path is empty: none are asked for", True, remedy=NAME_IT)
    async with client(ctx) as api:
        return _evidence(categories_check(await category_names(api)))


async def dashboard_loads(ctx: StepContext) -> Evidence:
    """The dashboard's page answers 200 with HTML. What is behind # never reaches a server."""
    url = urldefrag(ctx.settings.api.dashboard).url
    if not url:
        return Evidence(False, "api.dashboard is empty: there is no page to load", True, remedy=NAME_IT)
    async with client_session() as session:
        answer = await timed_get(session, url)
    if answer.seconds is None:
        return Evidence(False, f"{url}: {answer.error}")
    page = b"<html" in answer.body[:4096].lower() or b"<!doctype" in answer.body[:4096].lower()
    text = f"{url} answered {answer.status}, {len(answer.body):,} bytes, in {answer.seconds * 1000:.0f} ms"
    return Evidence(answer.status == 200 and page, text if page else f"{text}, no HTML page")


async def get_latency(ctx: StepContext) -> Evidence:
    """GET of the list: p95 under the guide's limit."""
    async with client(ctx) as api:
        samples = await timed_gets(api, samples_within(api, LATENCY_SAMPLES, 1))
    return _latency(f"GET {ctx.settings.api.path}", samples, ctx.settings.thresholds.get_seconds)


async def post_latency(ctx: StepContext) -> Evidence:
    """POST of an item: p95 under the guide's limit."""
    async with items_for_test(ctx) as (api, items):
        names = await category_names(api)
        samples = await timed_posts(api, items, names, samples_within(api, LATENCY_SAMPLES, 2))
    return _latency(f"POST {ctx.settings.api.path}", samples, ctx.settings.thresholds.post_seconds)


def _latency(what: str, samples: list[float], limit: float) -> Evidence:
    p50, p95 = percentile(samples, 0.5), percentile(samples, 0.95)
    text = f"{what}: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms of {len(samples)}"
    return Evidence(p95 < limit, f"{text}, limit {limit * 1000:.0f} ms")
