"""The load on the API: what is counted, what is cleaned up, and whom nobody loads unasked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.steps.support import context
from wsdash.api import ApiClient
from wsdash.config import ApiSettings, LoadTestSettings
from wsdash.errors import RefusedError, UnreachableError
from wsdash.model import LoadTested
from wsdash.model.facts import BASELINE
from wsdash.model.slower import slower
from wsdash.steps.items import TestItems
from wsdash.steps.trials.load import PACED_REQUESTS, Benchmarks, LoadPlan, record_baseline, run_load

QUICK = LoadPlan(ladder=(1, 4), seconds=0.1, warm_up=0.05)


class Api:
    """A workspace API in memory; it notes what it was asked and may fail every nth request."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {"first": {"id": "first"}}
        self.asked: list[str] = []
        self.fail_every = 0
        self.slow_categories = 0.0
        self.limit: dict[str, str] = {}
        self._numbers = itertools.count(1)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.method)
        if self.fail_every and len(self.asked) > 1 and len(self.asked) % self.fail_every == 0:
            return web.json_response({"message": "too busy"}, status=503)
        name = request.path.removeprefix("/api/items").strip("/")
        if request.method == "POST":
            name = f"item-{next(self._numbers)}"
            self.items[name] = {"id": name, **await request.json()}
            return web.json_response({"success": True, "data": self.items[name]}, status=201)
        if request.method == "DELETE":
            self.items.pop(name, None)
            return web.json_response({"success": True})
        if "categories" in request.path:
            await asyncio.sleep(self.slow_categories)
            return web.json_response({"success": True, "data": [{"name": "one"}]})
        rows = list(self.items.values())
        return web.json_response({"success": True, "count": len(rows), "data": rows}, headers=self.limit)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def base(api: Api) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{any:.*}", api.answer)
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def reader(base: str) -> AsyncIterator[ApiClient]:
    async with ApiClient(base) as client:
        yield client


def _items(state: Path) -> TestItems:
    ctx, _ = context(state)
    return TestItems(ctx, {"marker": "wsdash-test-1", "ids": [], "begun": 0.0})


async def test_each_rung_counts_its_answers(reader: ApiClient) -> None:
    rungs = await run_load(reader, QUICK)
    assert [rung.clients for rung in rungs] == [1, 4]
    for rung in rungs:
        assert rung.requests > 0
        assert rung.errors == 0
        assert 0 < rung.p50 <= rung.p95 <= rung.p99 <= rung.worst


async def test_each_endpoint_is_measured_by_itself(reader: ApiClient) -> None:
    (rung,) = await run_load(reader, LoadPlan(ladder=(2,), seconds=0.5, warm_up=0.0))
    assert {one.endpoint for one in rung.endpoints} == {
        "GET /api/items",
        "GET /api/items/:id",
        "GET /api/categories",
    }
    assert sum(one.requests for one in rung.endpoints) == rung.requests
    assert all(0 < one.p50 <= one.p95 <= rung.worst for one in rung.endpoints)


async def test_one_slow_endpoint_is_found_though_the_rest_is_as_fast_as_before(
    reader: ApiClient, api: Api
) -> None:
    plan = LoadPlan(ladder=(2,), seconds=1.2, warm_up=0.1)
    before = await run_load(reader, plan)
    api.slow_categories = 0.04
    found = slower(await run_load(reader, plan), before)
    assert any("of GET /api/categories with 2 clients" in one for one in found), found
    assert not any(one.startswith("p50 with") for one in found), found


async def test_a_load_of_reads_sends_nothing_but_gets(reader: ApiClient, api: Api) -> None:
    await run_load(reader, QUICK)
    assert set(api.asked) == {"GET"}


async def test_a_mixed_load_reads_mostly_and_leaves_no_item_behind(
    reader: ApiClient, api: Api, tmp_path: Path
) -> None:
    await run_load(reader, LoadPlan(ladder=(4,), seconds=0.3, warm_up=0.05, writes=True), _items(tmp_path))
    assert {"POST", "PUT", "DELETE"} <= set(api.asked)
    assert api.asked.count("POST") == api.asked.count("DELETE")
    assert api.asked.count("GET") > api.asked.count("POST")
    assert set(api.items) == {"first"}


async def test_failed_requests_are_counted_and_the_first_is_told(reader: ApiClient, api: Api) -> None:
    api.fail_every = 3
    (rung,) = await run_load(reader, LoadPlan(ladder=(2,), seconds=0.2, warm_up=0.0))
    assert rung.errors > 0
    assert "503: too busy" in rung.first_error


async def test_an_api_that_is_not_there_is_told() -> None:
    with pytest.raises(UnreachableError, match="got no answer"):
        async with ApiClient("http://127.0.0.1:9") as nobody:
            await run_load(nobody, QUICK)


def _settings(base: str, *confirmed: str) -> dict[str, Any]:
    return {
        "api": ApiSettings(base, base, base),
        "load_test": LoadTestSettings(confirmed, (1, 2), 0.1, 0.05),
    }


async def test_an_endpoint_that_nobody_confirmed_is_never_loaded(base: str, api: Api, tmp_path: Path) -> None:
    ctx, _ = context(tmp_path, **_settings(base))
    with pytest.raises(RefusedError, match="was not confirmed"):
        await Benchmarks().act(ctx)
    assert api.asked == []


async def test_a_baseline_of_an_unconfirmed_api_is_one_gentle_reader(
    base: str, api: Api, tmp_path: Path
) -> None:
    ctx, events = context(tmp_path, **_settings(base))
    await record_baseline(ctx)
    assert [row.clients for row in ctx.facts.get(BASELINE) or ()] == [1]
    assert set(api.asked) == {"GET"}
    assert [event.api for event in events if isinstance(event, LoadTested)] == ["baseline"]


async def test_an_api_that_limits_its_clients_is_measured_for_so_long_and_no_longer(
    base: str, api: Api
) -> None:
    api.limit = {"RateLimit-Limit": "120", "RateLimit-Remaining": "100", "RateLimit-Reset": "60"}
    async with ApiClient(base) as client:
        (whole,) = await run_load(client, LoadPlan())
        (ended,) = await run_load(client, LoadPlan(paced_seconds=0.0))
    assert (whole.requests, ended.requests) == (PACED_REQUESTS, 0)


async def test_a_confirmed_apis_baseline_climbs_the_ladder_once(base: str, api: Api, tmp_path: Path) -> None:
    ctx, _ = context(tmp_path, **_settings(base, base.removeprefix("http://")))
    await record_baseline(ctx)
    assert [row.clients for row in ctx.facts.get(BASELINE) or ()] == [1, 2]
    asked = len(api.asked)
    await record_baseline(ctx)
    assert len(api.asked) == asked


async def test_a_silent_old_service_holds_nothing_up(tmp_path: Path) -> None:
    ctx, _ = context(tmp_path, **_settings("http://127.0.0.1:9"))
    await record_baseline(ctx)
    assert ctx.facts.get(BASELINE) is None
