"""The dashboard's page shows what the API serves; the traffic keeps its mix and ends with the API."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.support.processes import until
from tests.support.servers import free_port
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo import dashboard
from wsdash.demo.api import server as api
from wsdash.demo.api.limit import RateLimit
from wsdash.demo.traffic import Traffic
from wsdash.demo.world import schema


def _api(source: Endpoint, limit: RateLimit | None = None) -> TestServer:
    password = source.password()
    assert password is not None
    database = api.Database(source.host, source.port, source.database, source.user, password)
    return TestServer(api.create_app("old", database, limit=limit))


@pytest.fixture
async def empty(source: Endpoint) -> Endpoint:
    """The source's schema without items."""
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
    return source


async def test_the_page_lists_the_apis_items_escaped(empty: Endpoint) -> None:
    async with connection(empty, read_only=False) as conn:
        await conn.execute(
            "insert into workspace.workspace_items (title, category) values ('<b>ação', 'dashboard')"
        )
    async with _api(empty) as server:
        page = dashboard.create_app(str(server.make_url("")))
        async with TestClient(TestServer(page)) as client:
            text = await (await client.get("/")).text()
    assert 'data-count="1"' in text
    assert "&lt;b&gt;ação" in text


async def test_the_page_says_so_when_the_api_is_away() -> None:
    async with TestClient(TestServer(dashboard.create_app(f"http://127.0.0.1:{free_port()}"))) as client:
        answer = await client.get("/")
        assert "cannot be read" in await answer.text()
        assert (await client.get("/health")).status == 200


async def test_a_fifth_of_the_traffic_writes_and_all_of_it_succeeds(empty: Endpoint) -> None:
    stop = asyncio.Event()
    async with _api(empty) as server:
        traffic = Traffic(str(server.make_url("")), writes_per_second=40, seed=3, patience=5)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(traffic.run(stop))
            await until(lambda: traffic.counts["create"] + traffic.counts["update"] > 40, 60)
            stop.set()
        assert running.result() is True
    counts = traffic.counts
    writes = counts["create"] + counts["update"] + counts["delete"]
    assert counts["failed"] == 0
    assert writes > 10
    assert 3 <= counts["read"] / writes <= 5
    async with connection(empty, read_only=True) as conn:
        audit = await conn.fetchval("select count(*) from workspace.workspace_audit_log")
    assert audit == writes


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.1.0.1 is no address of this machine")
async def test_users_with_addresses_of_their_own_stay_below_each_ones_limit(empty: Endpoint) -> None:
    stop, limit = asyncio.Event(), RateLimit(80, 60.0)
    async with _api(empty, limit) as server:
        traffic = Traffic(str(server.make_url("")), 20, seed=3, patience=5, own_addresses=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.run(stop))
            await until(lambda: traffic.counts["read"] > 2 * limit.most, 60)
            stop.set()
    assert traffic.counts["failed"] == 0
    assert traffic.counts["read"] > 2 * limit.most, "more than one address may ask"


async def test_the_traffic_ends_when_the_api_stays_away() -> None:
    traffic = Traffic(f"http://127.0.0.1:{free_port()}", writes_per_second=20, seed=3, patience=0.5)
    assert await asyncio.wait_for(traffic.run(asyncio.Event()), 90) is False
    assert traffic.counts["failed"] > 0


async def test_the_api_process_serves_logs_json_and_ends_at_sigterm(empty: Endpoint) -> None:
    port = free_port()
    password = empty.password()
    assert password is not None
    environment = {
        "TIMESCALEDB_HOST": empty.host,
        "TIMESCALEDB_PORT": str(empty.port),
        "TIMESCALEDB_DATABASE": empty.database,
        "TIMESCALEDB_USER": empty.user,
        "TIMESCALEDB_PASSWORD": password,
    }
    argv = ["-m", "wsdash.demo.api.server", "--generation", "old", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *argv,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    first: dict[str, Any] = json.loads(await asyncio.wait_for(process.stdout.readline(), 90))
    assert str(port) in first["message"]
    process.send_signal(signal.SIGTERM)
    out, errors = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0
    assert password not in (out + errors).decode()
