"""The dashboard's page shows what the API serves; the API's process starts, logs and ends as services do."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.support.servers import free_port
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo import dashboard
from wsdash.demo.api import server as api
from wsdash.demo.world import schema


def _api(source: Endpoint) -> TestServer:
    password = source.password()
    assert password is not None
    database = api.Database(source.host, source.port, source.database, source.user, password)
    return TestServer(api.create_app("old", database))


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
