"""Item benchmarks: the API under load, old and new, against the baseline from before the migration.

The load is a ladder of concurrent clients, each asking as soon as it was answered.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from wsdash.api.client import ApiClient
from wsdash.config import Settings
from wsdash.errors import RefusedError, WsdashError
from wsdash.model import LOAD, EndpointTimes, LoadRung, LoadTested, Notice, StepId
from wsdash.model.facts import BASELINE, BENCHMARKED, Tried
from wsdash.model.slower import FEWEST, slower
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.items import TestItems, client, items_for_test
from wsdash.steps.limits import PAUSE_AFTER_ERROR
from wsdash.steps.trials.api import category_names, changed_body, item_id_of, new_body, percentile
from wsdash.tasks import task_group

LADDER = (1, 2, 4, 8, 16, 32)
READ_SHARE = 0.8
"""Of a mixed load, as in production (design: 80 % reads)."""
PAGE = 50
CATEGORIES_SHARE = 0.1
"""Of reads; half of them is for one item, the rest for the list."""
ONE = "/:id"
FREE_FROM = 6_000
"""Requests a minute: an API whose limit is lower cannot be loaded from here, only measured at its pace."""
PACED_REQUESTS = 40
"""So many are measured then."""


@dataclass(frozen=True)
class LoadPlan:
    """What is asked. seconds: for each rung, after warm_up seconds that are not counted. writes: a fifth of
    the requests make, change and remove items of our own; without it nothing but GETs is sent. most: how many
    requests a rung may send, 0 for any number."""

    ladder: tuple[int, ...] = LADDER
    seconds: float = 3.0
    warm_up: float = 1.0
    writes: bool = False
    seed: int = 1
    most: int = 0
    paced_seconds: float = 120.0
    """The longest that an API is measured which limits how often it may be asked."""


@dataclass
class _Tally:
    items: TestItems | None = None
    categories: list[str] = field(default_factory=list)
    asked: int = 0
    seconds: list[float] = field(default_factory=list)
    by_endpoint: dict[str, list[float]] = field(default_factory=dict)
    errors: int = 0
    first_error: str = ""


async def run_load(api: ApiClient, plan: LoadPlan, items: TestItems | None = None) -> tuple[LoadRung, ...]:
    """Climb the ladder; one rung a result. items: where the items that a plan with writes makes are noted.

    Where the API limits how often it may be asked from here, one client asks a few times at that pace
    instead: more would measure the limit. Raises UnreachableError when the API does not answer at all.
    """
    tally = _Tally(items, await category_names(api) if plan.writes else [])
    readable = await _readable(api)
    paced = limited(api)
    if paced:
        seconds, ladder = plan.paced_seconds, plan.ladder[:1]
        plan = replace(plan, ladder=ladder, seconds=seconds, warm_up=0.0, most=PACED_REQUESTS)
    async with asyncio.timeout(120 + len(plan.ladder) * (plan.seconds + plan.warm_up + 30)):
        if plan.warm_up:
            await _rung(api, plan, plan.ladder[0], plan.warm_up, readable, tally)
        rungs = [await _rung(api, plan, clients, plan.seconds, readable, tally) for clients in plan.ladder]
        return tuple(rungs)


def limited(api: ApiClient) -> bool:
    """Whether the API is known to limit how often it may be asked, too low for a load."""
    limit = api.allowance.limit
    return limit is not None and limit < FREE_FROM


@dataclass(frozen=True)
class _Readable:
    """What a reader may ask for: ids of items, and the page of the categories ('' where there is none)."""

    ids: list[str]
    categories: str


async def _readable(api: ApiClient) -> _Readable:
    rows, _ = await api.list_items()
    ids = [str(item["id"]) for item in rows[:PAGE] if isinstance(item, dict) and "id" in item]
    try:
        page = api.api.categories_path if await category_names(api) else ""
    except WsdashError:  # that it does not answer is what the functional tests tell
        page = ""
    return _Readable(ids, page)


async def _rung(
    api: ApiClient, plan: LoadPlan, clients: int, seconds: float, readable: _Readable, shared: _Tally
) -> LoadRung:
    tally, began = _Tally(shared.items, shared.categories), time.monotonic()
    until = began + seconds
    async with task_group() as group:
        for number in range(clients):
            chance = random.Random(f"{plan.seed}-{clients}-{number}")
            group.create_task(_client(api, plan, until, chance, readable, tally))
    took = time.monotonic() - began
    times = tally.seconds or [0.0]
    return LoadRung(
        clients=clients,
        requests=len(tally.seconds),
        errors=tally.errors,
        first_error=tally.first_error,
        per_second=len(tally.seconds) / took if took else 0.0,
        p50=percentile(times, 0.5),
        p95=percentile(times, 0.95),
        p99=percentile(times, 0.99),
        worst=max(times),
        endpoints=tuple(
            EndpointTimes(name, len(each), percentile(each, 0.5), percentile(each, 0.95))
            for name, each in sorted(tally.by_endpoint.items())
        ),
    )


async def _client(
    api: ApiClient, plan: LoadPlan, until: float, chance: random.Random, readable: _Readable, tally: _Tally
) -> None:
    """One client: reads, or a whole life of an item of its own, so that it never leaves one behind."""
    while time.monotonic() < until and (not plan.most or tally.asked < plan.most):
        if plan.writes and chance.random() >= READ_SHARE:
            await _write(api, tally)
            continue
        kind = chance.random()
        if readable.categories and kind < CATEGORIES_SHARE:
            await _ask(api, tally, "GET", readable.categories)
        elif readable.ids and kind < 0.5:
            await _ask(api, tally, "GET", api.item_path(chance.choice(readable.ids)), of=api.api.path + ONE)
        else:
            await _ask(api, tally, "GET", f"{api.api.path}?limit={PAGE}", of=api.api.path)


async def _write(api: ApiClient, tally: _Tally) -> None:
    assert tally.items is not None, "a load with writes notes what it makes"
    body = new_body(api, tally.items, tally.categories)
    answer = await _ask(api, tally, "POST", api.api.path, body)
    if answer is None:
        return
    made = item_id_of(answer)
    if not made:
        return
    try:
        change = changed_body(api, tally.items)
        await _ask(
            api,
            tally,
            api.api.update_method,
            api.item_path(made),
            change,
            of=api.api.path + ONE,
            expect=(200, 204),
        )
    finally:
        gone = asyncio.shield(
            _ask(api, tally, "DELETE", api.item_path(made), of=api.api.path + ONE, expect=(200, 202, 204))
        )
        if await gone is not None:
            tally.items.removed(made)


async def _ask(
    api: ApiClient,
    tally: _Tally,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    of: str = "",
    expect: tuple[int, ...] = (200, 201),
) -> dict[str, Any] | None:
    """One request; of: what it is for, where the path alone does not say."""
    tally.asked += 1
    try:
        answer, seconds = await api.timed(method, path, body, expect=expect)
    except WsdashError as error:
        tally.errors += 1
        tally.first_error = tally.first_error or error.what
        await asyncio.sleep(PAUSE_AFTER_ERROR)
        return None
    tally.seconds.append(seconds)
    tally.by_endpoint.setdefault(f"{method} {of or path}", []).append(seconds)
    return answer


GENTLE = LoadPlan(ladder=(1,), seconds=0.5, warm_up=0.2, paced_seconds=30.0)
"""What an unconfirmed endpoint is asked for a baseline: one reader for half a second, or for half a minute at
the pace that it allows: `backup` waits for it."""
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
            ctx.emit(Notice("info", "measuring how fast the old API answers", item=ctx.item))
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
