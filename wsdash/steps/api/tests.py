"""Item test-api: the guide's functional list and latencies against the new API."""

from __future__ import annotations

import time

from wsdash.errors import WsdashError
from wsdash.model import CriterionMeasured, StepId
from wsdash.model.facts import API_TESTED, Tried
from wsdash.steps.api.checks import functional_checks, latencies, percentile
from wsdash.steps.api.items import TestItems, client, items_for_test, remove_left
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.limits import API_READY_SECONDS
from wsdash.steps.readiness import require_healthy, unhealthy
from wsdash.steps.rows.counts import stored_items


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
        return await stored_items(side[0], side[1].schema, ctx.settings.api.table)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The tests leave nothing, also when they were killed; their result no longer counts."""
        done = await remove_left(ctx)
        await ctx.facts.put(API_TESTED, None)
        return Evidence(True, done) if done else None
