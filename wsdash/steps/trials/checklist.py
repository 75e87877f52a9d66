"""The guide's testing checklist: each line a step that tries it and remembers what it saw.

Functional and latency lines ask the new API; the others ask the stack: logs, memory, storage nodes, health,
shutdown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urldefrag

from wsdash.data.tables.read import count_of
from wsdash.errors import WsdashError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE as HISTORY
from wsdash.model import ContainerReading
from wsdash.model.facts import Fact, Tried, result_of
from wsdash.outside.http import client_session
from wsdash.steps.base import Evidence, Step, StepContext, command_output
from wsdash.steps.items import client, items_for_test
from wsdash.steps.services.branching import Branching
from wsdash.steps.services.stop_and_start import stack_evidence
from wsdash.steps.trials.api import (
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
from wsdash.watch.pollers.http import timed_get

LATENCY_SAMPLES = 40
NAME_IT = "name it in wsdash.yaml, or leave this test out"


def _evidence(check: Check, more: str = "") -> Evidence:
    return Evidence(check.holds, f"{check.name}: {check.seen}{more}")


async def list_items(ctx: StepContext) -> Evidence:
    """GET of the list: its count is the table's."""
    async with client(ctx) as api:
        rows, count = await api.list_items()
    stored = await count_of(ctx.target, ctx.settings.target.schema, ctx.settings.api.table)
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


HOUR = 3600.0
ENOUGH = 0.9
"""The share of an hour's minutes that must have been watched for a word on it."""


async def no_errors(ctx: StepContext) -> Evidence:
    """No line with an error in the new API's log for an hour."""
    name = next((n for n in ctx.settings.stack.workspace.containers if "api" in n), "workspace-api")
    now = ctx.now()
    reader = HistoryReader(ctx.state / HISTORY)
    seen = await asyncio.to_thread(reader.summary, f"errors:{name}", now - HOUR, now)
    if seen.coverage < ENOUGH:
        watched = f"{seen.coverage * 60:.0f} of the last 60 minutes were watched"
        return Evidence(False, f"insufficient data: {watched}", insufficient=True)
    text = f"{name}: {seen.maximum or 0:.0f} error lines in the worst minute of the last hour"
    return Evidence(not seen.maximum, f"{text}, {seen.coverage:.0%} of it watched")


async def memory_acceptable(ctx: StepContext) -> Evidence:
    """The new stack's containers together stay under the guide's 2 GB."""
    readings = await _stack(ctx)
    unknown = [r.name for r in readings if r.memory_bytes is None]
    if unknown:
        text = f"the memory of {', '.join(unknown)} is not known"
        return Evidence(False, text, insufficient=True, remedy="look at it on its own machine")
    total, limit = sum(r.memory_bytes or 0 for r in readings), ctx.settings.thresholds.stack_memory_bytes
    parts = ", ".join(f"{r.name} {(r.memory_bytes or 0) / 2**20:.0f} MiB" for r in readings)
    return Evidence(total < limit, f"{total / 2**20:.0f} MiB of {limit / 2**20:.0f} MiB: {parts}")


async def branching_works(ctx: StepContext) -> Evidence:
    """What item branching proved; proven now where it was not."""
    step = Branching()
    proven = await step.check(ctx)
    if not proven.holds:
        await step.act(ctx)
        proven = await step.check(ctx)
    return proven


async def metrics_respond(ctx: StepContext) -> Evidence:
    """Pageserver and safekeeper serve metrics pages that a scraper can read."""
    nodes = ctx.settings.endpoints
    asked = [
        (base, prefix)
        for base, prefix in (
            (nodes.pageserver_http, b"pageserver_"),
            (nodes.safekeeper_http, b"safekeeper_"),
        )
        if base
    ]
    if not asked:
        return Evidence(
            False, "no storage nodes are configured (endpoints in wsdash.yaml)", insufficient=True
        )
    words, holds = [], True
    async with client_session() as session:
        for base, prefix in asked:
            answer = await timed_get(session, f"{base.rstrip('/')}/metrics")
            families = answer.body.count(b"\n# TYPE ") + answer.body.startswith(b"# TYPE ")
            holds = holds and answer.status == 200 and families > 0 and prefix in answer.body
            words.append(f"{base}/metrics: {answer.error or f'{answer.status}, {families} metrics'}")
    return Evidence(holds, "; ".join(words))


async def health_checks(ctx: StepContext) -> Evidence:
    """Every container is healthy, and the API and both storage nodes say so themselves."""
    containers = await stack_evidence(ctx)
    if not containers.holds:
        return containers
    nodes = ctx.settings.endpoints
    asked = [f"{base}/v1/status" for base in (nodes.pageserver_http, nodes.safekeeper_http) if base]
    async with client_session() as session:
        answers = [(url, await timed_get(session, url)) for url in asked]
    async with client(ctx) as api:
        pong = await api.ping()
    words = [f"{url} {answer.error or answer.status}" for url, answer in answers]
    words.append(f"{api.base}: {pong.said}")
    holds = pong.ready and all(answer.status == 200 for _, answer in answers)
    return Evidence(
        holds, f"{len(ctx.settings.stack.workspace.containers)} containers healthy; " + "; ".join(words)
    )


async def graceful_shutdown(ctx: StepContext) -> Evidence:
    """Stop the new stack, start it again: nobody was killed, and every row is there."""
    schema, names = ctx.settings.target.schema, list(ctx.settings.stack.workspace.containers)
    table = ctx.settings.api.table
    before = await count_of(ctx.target, schema, table)
    if before is None:
        return Evidence(False, f"there is no table {schema}.{table} to count before and after", True)
    began = time.monotonic()
    await ctx.stack.stop(names, command_output(ctx))
    took = time.monotonic() - began
    stopped = await _stack(ctx)
    await ctx.stack.start(names, command_output(ctx))
    async with client(ctx) as api:
        await api.wait_ready(60.0)
        rows, count = await api.list_items()
        served = len(rows) if count is None else count
    after = await count_of(ctx.target, schema, table)
    killed = [reading.name for reading in stopped if reading.oom_killed or reading.exit_code in (137, -9)]
    counted = f"{before:,} items before, {after or 0:,} after, {served:,} served"
    text = f"stopped in {took:.1f} s and started again; {counted}"
    if killed:
        text += f"; had to be killed: {', '.join(killed)}"
    return Evidence(not killed and before == after == served, text)


async def _stack(ctx: StepContext) -> list[ContainerReading]:
    wanted = ctx.settings.stack.workspace.containers
    readings = [reading for reading in await ctx.stack.readings() if reading.name in wanted]
    if len(readings) < len(wanted):
        raise WsdashError("containers of the new stack are missing", remedy="start the stack first")
    return readings


LineTest = Callable[[StepContext], Awaitable[Evidence]]
"""Tries one line of the list, cleans up after itself and tells what it saw."""


@dataclass
class TestStep:
    """One automatic line. Its evidence is what its newest trial in this run saw."""

    __test__ = False

    id: str
    trial: LineTest

    async def check(self, ctx: StepContext) -> Evidence:
        """What the trial saw; a trial is a step's act, never its check."""
        result = ctx.facts.get(self._fact)
        if result is None or result["at"] < ctx.options.get("since", 0.0):
            return Evidence(False, "not tried in this run")
        return Evidence(
            result["holds"],
            result["text"],
            result.get("insufficient", False),
            remedy=result.get("remedy", ""),
        )

    async def act(self, ctx: StepContext) -> None:
        """Try it and remember what was seen."""
        await ctx.facts.put(self._fact, None)
        seen = await self.trial(ctx)
        tried: Tried = {
            "holds": seen.holds,
            "text": seen.text,
            "insufficient": seen.insufficient,
            "remedy": seen.remedy,
            "at": time.time(),
        }
        await ctx.facts.put(self._fact, tried)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """A trial leaves nothing."""
        return None

    @property
    def _fact(self) -> Fact[Tried]:
        return result_of(self.id)


TRIALS: dict[str, LineTest] = {
    "test-list": list_items,
    "test-create": try_create,
    "test-update": try_update,
    "test-delete": try_delete,
    "test-dashboard": dashboard_loads,
    "test-categories": categories_populated,
    "test-get-latency": get_latency,
    "test-post-latency": post_latency,
    "test-no-errors": no_errors,
    "test-memory": memory_acceptable,
    "test-branching": branching_works,
    "test-metrics": metrics_respond,
    "test-health": health_checks,
    "test-shutdown": graceful_shutdown,
}


def testing_steps() -> list[Step]:
    """A step for every automatic line of the testing checklist."""
    return [TestStep(name, trial) for name, trial in TRIALS.items()]
