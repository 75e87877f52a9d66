"""Item benchmarks: the API under load, old and new, against the baseline from before the migration."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from wsdash.config import Settings
from wsdash.errors import RefusedError, WsdashError
from wsdash.model import LOAD, LoadRung, LoadTested, StepId
from wsdash.model.facts import BASELINE, BENCHMARKED, Tried
from wsdash.model.slower import FEWEST, slower
from wsdash.steps.api.items import client, items_for_test
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.load.ladder import LoadPlan, limited, run_load

GENTLE = LoadPlan(ladder=(1,), seconds=0.5, warm_up=0.2)
"""What an unconfirmed endpoint is asked for a baseline: one reader for half a second."""
ERROR_SHARE = 0.001
"""A rung with more failed requests than this does not hold."""


def confirmed(settings: Settings, base: str) -> bool:
    """Whether the settings allow a load on that API."""
    return urlsplit(base).netloc in settings.load_test.confirmed


def plan_of(settings: Settings, *, writes: bool) -> LoadPlan:
    """The ladder as the settings have it."""
    chosen = settings.load_test
    return LoadPlan(chosen.ladder, chosen.rung_seconds, chosen.warm_up_seconds, writes)


async def record_baseline(ctx: StepContext) -> None:
    """Measure the old API by reading only, once a run, while it still serves; a failure is reported later.

    The old service's writes would stay in the source's audit log: none are sent.
    """
    base = ctx.settings.api.old
    if ctx.facts.get(BASELINE) is not None:
        return
    plan = plan_of(ctx.settings, writes=False) if confirmed(ctx.settings, base) else GENTLE
    try:
        async with client(ctx, base) as api:
            if not (await api.ping()).status:
                return
            rungs = await run_load(api, plan)
    except (WsdashError, TimeoutError):  # a baseline is wanted, not needed: nothing waits for it
        return
    ctx.emit(LoadTested("baseline", base, "read", rungs))
    await ctx.facts.put(BASELINE, list(rungs))


class Benchmarks:
    """Run performance benchmarks."""

    id: str = StepId.BENCHMARKS

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run's load test held."""
        result = ctx.facts.get(BENCHMARKED)
        if result is None:
            return Evidence(False, "no load test in this run")
        return Evidence(result["holds"], result["text"])

    async def act(self, ctx: StepContext) -> None:
        """Read the new API (and the old one where it serves), then load the new one with reads and writes.

        Raises RefusedError for an endpoint that nobody confirmed.
        """
        base = ctx.settings.api.new
        allowed = str(ctx.options.get("phrase", "")).strip().upper() == LOAD
        if not allowed and not confirmed(ctx.settings, base):
            raise RefusedError(
                f"a load test of {base} was not confirmed: its users would feel it",
                where="wsdash.yaml, key load_test.confirmed",
                remedy=f"run the item and type {LOAD}, or name {urlsplit(base).netloc} under this key",
            )
        await ctx.facts.put(BENCHMARKED, await self._measured(ctx, base))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Nothing stays."""
        return None

    async def _measured(self, ctx: StepContext, base: str) -> Tried:
        reads = plan_of(ctx.settings, writes=False)
        old = await self._old(ctx, reads)
        async with items_for_test(ctx) as (api, items):
            new = await run_load(api, reads)
            ctx.emit(LoadTested("new", base, "read", new))
            mixed = await run_load(api, plan_of(ctx.settings, writes=True), items)
            pace = api.allowance.text if limited(api) else ""
        ctx.emit(LoadTested("new", base, "mixed", mixed))
        limit = ctx.settings.thresholds.get_seconds
        texts = [_compared(new, old, _baseline(ctx)), f"mixed: {_rung_text(mixed[-1])}"]
        if pace:
            texts.append(f"one client only, {pace}: more would measure that limit")
        baseline = _baseline(ctx)
        problems = [*_problems((*new, *mixed), limit), *slower(new, old or baseline)]
        text = "; ".join([*problems, *texts])
        return {"holds": not problems, "text": text, "at": time.time()}

    async def _old(self, ctx: StepContext, plan: LoadPlan) -> tuple[LoadRung, ...]:
        """The old API in the same run, where it (still, or again) serves and may be loaded."""
        base = ctx.settings.api.old
        if not confirmed(ctx.settings, base):
            return ()
        async with client(ctx, base) as api:
            if not (await api.ping()).status:
                return ()
            rungs = await run_load(api, plan)
        ctx.emit(LoadTested("old", base, "read", rungs))
        return rungs


def _problems(rungs: tuple[LoadRung, ...], limit: float) -> list[str]:
    """What does not hold: failed requests; one reader's median beyond the limit, of all or an endpoint."""
    found = [
        f"{rung.errors} of {rung.requests + rung.errors} requests failed with {rung.clients} clients "
        f"({rung.first_error})"
        for rung in rungs
        if rung.errors > ERROR_SHARE * (rung.requests + rung.errors)
    ]
    if rungs[0].p50 >= limit:
        found.append(f"one reader's p50 is {rungs[0].p50 * 1000:.0f} ms, limit {limit * 1000:.0f} ms")
    found += [
        f"one reader's p50 of {one.endpoint} is {one.p50 * 1000:.0f} ms, limit {limit * 1000:.0f} ms"
        for one in rungs[0].endpoints
        if one.requests >= FEWEST and one.p50 >= limit
    ]
    return found


def _compared(new: tuple[LoadRung, ...], old: tuple[LoadRung, ...], baseline: tuple[LoadRung, ...]) -> str:
    """The new API's reads, beside the same number of clients before the migration or on the old one now."""
    before = {rung.clients: rung for rung in old or baseline}
    name = "old API now" if old else "baseline before the migration"
    shared = [rung for rung in new if rung.clients in before]
    if not shared:
        return f"reads: {_rung_text(new[-1])}; no baseline was recorded"
    last = shared[-1]
    was = before[last.clients]
    ratio = f"{last.p95 / was.p95:.2f}x the {name}'s p95" if was.p95 else f"the {name} gave no answer"
    return f"reads: {_rung_text(last)}, {ratio} ({was.p95 * 1000:.1f} ms)"


def _rung_text(rung: LoadRung) -> str:
    ms = [f"p{name} {value * 1000:.1f}" for name, value in ((50, rung.p50), (95, rung.p95), (99, rung.p99))]
    return f"{rung.clients} clients {rung.per_second:.0f} requests/s, {' '.join(ms)} ms"


def _baseline(ctx: StepContext) -> tuple[LoadRung, ...]:
    recorded = ctx.facts.get(BASELINE)
    return tuple(recorded or ())
