"""A load on the workspace API: a ladder of concurrent clients, each asking as soon as it was answered.

A closed loop: with N clients at most N requests are under way, so a slow answer also slows the questions.
That measures what the service can carry; how it feels at a fixed rate is what the latency probes measure.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field, replace
from typing import Any

from wsdash.api.client import ApiClient
from wsdash.errors import WsdashError
from wsdash.model import LoadRung
from wsdash.steps.api.checks import category_names, changed_body, item_id_of, new_body, percentile
from wsdash.steps.api.items import TestItems
from wsdash.tasks import task_group

LADDER = (1, 2, 4, 8, 16, 32)
READ_SHARE = 0.8
"""Of a mixed load, as in production (design: 80 % reads)."""
PAGE = 50
FREE_FROM = 6_000
"""Requests a minute: an API whose limit is lower cannot be loaded from here, only measured at its pace."""
PACED_REQUESTS = 40
"""So many are measured then."""
PAUSE_AFTER_ERROR = 0.05
"""Seconds: a service that refuses at once is not to be flooded."""


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


@dataclass
class _Tally:
    items: TestItems | None = None
    categories: list[str] = field(default_factory=list)
    asked: int = 0
    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""


async def run_load(api: ApiClient, plan: LoadPlan, items: TestItems | None = None) -> tuple[LoadRung, ...]:
    """Climb the ladder; one rung a result. items: where the items that a plan with writes makes are noted.

    Where the API limits how often it may be asked from here, one client asks a few times at that pace
    instead: more would measure the limit. Raises UnreachableError when the API does not answer at all.
    """
    tally = _Tally(items, await category_names(api) if plan.writes else [])
    ids = await _some_ids(api)
    paced = limited(api)
    if paced:
        plan = replace(plan, ladder=plan.ladder[:1], seconds=120.0, warm_up=0.0, most=PACED_REQUESTS)
    async with asyncio.timeout(120 + len(plan.ladder) * (plan.seconds + plan.warm_up + 30)):
        if plan.warm_up:
            await _rung(api, plan, plan.ladder[0], plan.warm_up, ids, tally)
        return tuple([await _rung(api, plan, clients, plan.seconds, ids, tally) for clients in plan.ladder])


def limited(api: ApiClient) -> bool:
    """Whether the API is known to limit how often it may be asked, too low for a load."""
    limit = api.allowance.limit
    return limit is not None and limit < FREE_FROM


async def _some_ids(api: ApiClient) -> list[str]:
    rows, _ = await api.list_items()
    return [str(item["id"]) for item in rows[:PAGE] if isinstance(item, dict) and "id" in item]


async def _rung(
    api: ApiClient, plan: LoadPlan, clients: int, seconds: float, ids: list[str], shared: _Tally
) -> LoadRung:
    tally, began = _Tally(shared.items, shared.categories), time.monotonic()
    until = began + seconds
    async with task_group() as group:
        for number in range(clients):
            chance = random.Random(f"{plan.seed}-{clients}-{number}")
            group.create_task(_client(api, plan, until, chance, ids, tally))
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
    )


async def _client(
    api: ApiClient, plan: LoadPlan, until: float, chance: random.Random, ids: list[str], tally: _Tally
) -> None:
    """One client: reads, or a whole life of an item of its own, so that it never leaves one behind."""
    while time.monotonic() < until and (not plan.most or tally.asked < plan.most):
        if plan.writes and chance.random() >= READ_SHARE:
            await _write(api, tally)
        elif ids and chance.random() < 0.5:
            await _ask(api, tally, "GET", api.item_path(chance.choice(ids)))
        else:
            await _ask(api, tally, "GET", f"{api.api.path}?limit={PAGE}")


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
        await _ask(api, tally, api.api.update_method, api.item_path(made), change, expect=(200, 204))
    finally:
        gone = asyncio.shield(_ask(api, tally, "DELETE", api.item_path(made), expect=(200, 202, 204)))
        if await gone is not None:
            tally.items.removed(made)


async def _ask(
    api: ApiClient,
    tally: _Tally,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    expect: tuple[int, ...] = (200, 201),
) -> dict[str, Any] | None:
    tally.asked += 1
    try:
        answer, seconds = await api.timed(method, path, body, expect=expect)
    except WsdashError as error:
        tally.errors += 1
        tally.first_error = tally.first_error or error.what
        await asyncio.sleep(PAUSE_AFTER_ERROR)
        return None
    tally.seconds.append(seconds)
    return answer
