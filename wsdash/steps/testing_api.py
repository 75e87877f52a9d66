"""The functional and the latency lines of the testing checklist, tried on the new API.

Every item that a trial makes carries our marker and is removed, also what a killed trial left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urldefrag

import aiohttp

from wsdash.steps.api_checks import (
    POST_SAMPLES,
    create_test_item,
    delete_test_item,
    missing_categories,
    percentile,
    read_item,
    remove_test_rows,
    timed_gets,
    timed_posts,
)
from wsdash.steps.api_client import ApiClient
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.rows import count_table
from wsdash.watch.http import timed_get

LATENCY_SAMPLES = max(POST_SAMPLES, 40)
TITLE = "wsdash test, updated"


@asynccontextmanager
async def _api(ctx: StepContext) -> AsyncIterator[ApiClient]:
    """The new API; rows of our tests are gone before and after."""
    schema = ctx.settings.target.schema
    await remove_test_rows(ctx.target, schema)
    try:
        async with ApiClient(ctx.settings.api.new) as api:
            yield api
    finally:
        await remove_test_rows(ctx.target, schema)


async def list_items(ctx: StepContext) -> Evidence:
    """GET /api/items: its count is the table's."""
    async with ApiClient(ctx.settings.api.new) as api:
        listing = await api.call("GET", "/api/items")
    stored = await count_table(ctx.target, ctx.settings.target.schema, "workspace_items")
    count, rows = listing.get("count"), listing.get("data")
    holds = listing.get("success") is True and isinstance(rows, list) and count == stored
    return Evidence(holds, f"count {count}, {len(rows or [])} items listed, the table holds {stored:,}")


async def create_item(ctx: StepContext) -> Evidence:
    """POST an item, read it back equal."""
    async with _api(ctx) as api:
        item_id, differing = await create_test_item(api)
    if differing:
        return Evidence(False, f"item {item_id} read back differs in {', '.join(differing)}")
    return Evidence(True, f"item {item_id} created and read back equal; removed")


async def update_item(ctx: StepContext) -> Evidence:
    """PUT a title and every status, read them back."""
    async with _api(ctx) as api:
        item_id, _ = await create_test_item(api)
        await api.call("PUT", f"/api/items/{item_id}", {"title": TITLE, "status": "in-progress"})
        back = await read_item(api, item_id)
    seen = (back.get("title"), back.get("status"))
    return Evidence(seen == (TITLE, "in-progress"), f"title {seen[0]!r}, status {seen[1]!r} after the update")


async def delete_item(ctx: StepContext) -> Evidence:
    """DELETE an item, 404 afterwards."""
    async with _api(ctx) as api:
        item_id, _ = await create_test_item(api)
        await delete_test_item(api, item_id)
        await api.call("GET", f"/api/items/{item_id}", expect=(404,))
    return Evidence(True, f"item {item_id} deleted; 404 afterwards")


async def categories_populated(ctx: StepContext) -> Evidence:
    """GET /api/categories has the six of the guide."""
    async with ApiClient(ctx.settings.api.new) as api:
        names, missing = await missing_categories(api)
    return Evidence(
        not missing, f"{len(names)} categories" + (f", missing {', '.join(missing)}" if missing else "")
    )


async def dashboard_loads(ctx: StepContext) -> Evidence:
    """The dashboard's page answers 200 with HTML. What is behind # never reaches a server."""
    url = urldefrag(ctx.settings.api.dashboard).url
    async with aiohttp.ClientSession() as session:
        answer = await timed_get(session, url)
    if answer.seconds is None:
        return Evidence(False, f"{url}: {answer.error}")
    page = b"<html" in answer.body[:4096].lower() or b"<!doctype" in answer.body[:4096].lower()
    text = f"{url} answered {answer.status}, {len(answer.body):,} bytes, in {answer.seconds * 1000:.0f} ms"
    return Evidence(answer.status == 200 and page, text if page else f"{text}, no HTML page")


async def get_latency(ctx: StepContext) -> Evidence:
    """GET /api/items: p95 under the guide's limit."""
    async with ApiClient(ctx.settings.api.new) as api:
        samples = await timed_gets(api, LATENCY_SAMPLES)
    return _latency("GET /api/items", samples, ctx.settings.thresholds.get_seconds)


async def post_latency(ctx: StepContext) -> Evidence:
    """POST /api/items: p95 under the guide's limit."""
    async with _api(ctx) as api:
        samples = await timed_posts(api, LATENCY_SAMPLES)
    return _latency("POST /api/items", samples, ctx.settings.thresholds.post_seconds)


def _latency(what: str, samples: list[float], limit: float) -> Evidence:
    p50, p95 = percentile(samples, 0.5), percentile(samples, 0.95)
    text = f"{what}: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms of {len(samples)}"
    return Evidence(p95 < limit, f"{text}, limit {limit * 1000:.0f} ms")
