"""The lines of the testing checklist that ask the stack: logs, memory, storage nodes, health, shutdown."""

from __future__ import annotations

import asyncio
import time

from wsdash.errors import WsdashError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE as HISTORY
from wsdash.model import ContainerReading
from wsdash.outside.http import client_session
from wsdash.steps.api.items import client
from wsdash.steps.base import Evidence, StepContext, command_output
from wsdash.steps.branching import Branching
from wsdash.steps.rows.counts import stored_items
from wsdash.steps.services import stack_evidence
from wsdash.watch.pollers.http import timed_get

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
    before = await stored_items(ctx.target, schema, table)
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
    after = await stored_items(ctx.target, schema, table)
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
