"""A load on the workspace API: a ladder of concurrent clients, each asking as soon as it was answered.

A closed loop: with N clients at most N requests are under way, so a slow answer also slows the questions.
That measures what the service can carry; how it feels at a fixed rate is what the latency probes measure.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

from wsdash.errors import WsdashError
from wsdash.model import LoadRung
from wsdash.steps.api_checks import MARKER, percentile
from wsdash.steps.api_client import ApiClient
from wsdash.tasks import task_group

LADDER = (1, 2, 4, 8, 16, 32)
READ_SHARE = 0.8
"""Of a mixed load, as in production (design: 80 % reads)."""
PAGE = 50
PAUSE_AFTER_ERROR = 0.05
"""Seconds: a service that refuses at once is not to be flooded."""


@dataclass(frozen=True)
class LoadPlan:
    """What is asked. seconds: for each rung, after warm_up seconds that are not counted. writes: a fifth of
    the requests make, change and remove items of our own; without it nothing but GETs is sent."""

    ladder: tuple[int, ...] = LADDER
    seconds: float = 3.0
    warm_up: float = 1.0
    writes: bool = False
    seed: int = 1


@dataclass
class _Tally:
    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""


async def run_load(base: str, plan: LoadPlan) -> tuple[LoadRung, ...]:
    """Climb the ladder; one rung a result. Items that it made are removed, the last ones when it ends.

    Raises UnreachableError when the API does not answer at all.
    """
    async with ApiClient(base, connections=max(plan.ladder)) as api:
        ids = await _some_ids(api)
        async with asyncio.timeout(60 + len(plan.ladder) * (plan.seconds + plan.warm_up + 30)):
            await _rung(api, plan, plan.ladder[0], plan.warm_up, ids)
            return tuple([await _rung(api, plan, clients, plan.seconds, ids) for clients in plan.ladder])


async def _some_ids(api: ApiClient) -> list[str]:
    listing = await api.call("GET", f"/api/items?limit={PAGE}")
    return [str(item["id"]) for item in listing.get("data") or [] if "id" in item]


async def _rung(api: ApiClient, plan: LoadPlan, clients: int, seconds: float, ids: list[str]) -> LoadRung:
    tally, began = _Tally(), time.monotonic()
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
    while time.monotonic() < until:
        if plan.writes and chance.random() >= READ_SHARE:
            await _write(api, tally)
        elif ids and chance.random() < 0.5:
            await _ask(api, tally, "GET", f"/api/items/{chance.choice(ids)}")
        else:
            await _ask(api, tally, "GET", f"/api/items?limit={PAGE}")


async def _write(api: ApiClient, tally: _Tally) -> None:
    item = {"title": "wsdash load test", "category": "dashboard", "priority": "low", "created_by": MARKER}
    answer = await _ask(api, tally, "POST", "/api/items", item)
    made = (answer or {}).get("data", {}).get("id")
    if isinstance(made, str):
        try:
            await _ask(api, tally, "PUT", f"/api/items/{made}", {"status": "review"})
        finally:
            await asyncio.shield(_ask(api, tally, "DELETE", f"/api/items/{made}", expect=(200, 204)))


async def _ask(
    api: ApiClient,
    tally: _Tally,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    expect: tuple[int, ...] = (200, 201),
) -> dict[str, Any] | None:
    try:
        answer, seconds = await api.timed(method, path, body, expect=expect)
    except WsdashError as error:
        tally.errors += 1
        tally.first_error = tally.first_error or error.what
        await asyncio.sleep(PAUSE_AFTER_ERROR)
        return None
    tally.seconds.append(seconds)
    return answer
