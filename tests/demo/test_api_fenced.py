"""The workspace API over a database that the online move has closed, or fences."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.data.copying import catalog_of
from wsdash.data.online.capture.install import install, uninstall
from wsdash.data.online.capture.tracked import FENCE, STATE
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.api.server import Database, create_app
from wsdash.demo.world import schema

Client = TestClient[Any, Any]
ITEM = {"title": "a", "description": "b", "category": "dashboard", "priority": "low"}


@pytest.fixture
async def move(source: Endpoint) -> Move:
    """The demo's schema, without capture yet."""
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
    return Move("run-1", source, source, (await catalog_of(source, "workspace")).tables)


@asynccontextmanager
async def _api(generation: str, side: Endpoint) -> AsyncIterator[Client]:
    password = side.password()
    assert password is not None
    database = Database(side.host, side.port, side.database, side.user, password)
    async with TestClient(TestServer(create_app(generation, database))) as client:
        yield client


async def test_a_fenced_write_is_503_with_retry_after_and_reads_go_on(move: Move) -> None:
    await install(move.source, move.tracked, move.run, closed=False)
    async with _api("old", move.source) as client, connection(move.source, read_only=False) as fence:
        assert (await client.post("/api/items", json=ITEM)).status == 201
        await fence.execute(f"select pg_advisory_lock({FENCE})")
        refused = await client.post("/api/items", json=ITEM)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert (await (await client.get("/api/items")).json())["count"] == 1
        await fence.execute(f"select pg_advisory_unlock({FENCE})")
        assert (await client.post("/api/items", json=ITEM)).status == 201


async def test_the_old_api_serves_reads_of_a_closed_side(move: Move) -> None:
    await install(move.source, move.tracked, move.run, closed=True)
    async with _api("old", move.source) as client:
        assert (await client.get("/api/items")).status == 200
        assert (await client.post("/api/items", json=ITEM)).status == 503


async def test_the_new_api_refuses_reads_until_its_side_is_open(move: Move) -> None:
    await install(move.source, move.tracked, move.run, closed=True)
    async with _api("new", move.source) as client:
        refused = await client.get("/api/items")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert (await client.get("/health")).status == 200, "it is healthy: its database answers"
        async with connection(move.source, read_only=False) as conn:
            await conn.execute(f"update {STATE} set state = 'open'")
        assert (await client.get("/api/items")).status == 200


async def test_the_new_api_asks_nothing_where_no_move_is_noted_any_more(move: Move) -> None:
    await install(move.source, move.tracked, move.run, closed=True)
    async with _api("new", move.source) as client:
        assert (await client.get("/api/items")).status == 503
        await uninstall(move.source)
        assert (await client.get("/api/items")).status == 200
