"""The workspace API keeps its contract in both generations, and outlives its database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from tests.support.servers import Server
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.api.gate import RateLimit
from wsdash.demo.api.server import Database, create_app
from wsdash.demo.world import schema
from wsdash.demo.world.schema import STATUSES, load_items

Client = TestClient[Any, Any]
NEW_ITEM = {"title": "Ação ✓", "category": "dashboard", "tags": ["a,b", 'c"d'], "metadata": {"k": [1, None]}}


def _database(endpoint: Endpoint) -> Database:
    password = endpoint.password()
    assert password is not None
    return Database(endpoint.host, endpoint.port, endpoint.database, endpoint.user, password)


@pytest.fixture(params=["old", "new"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A running API over 300 items: old on PostgreSQL 16, new on 18."""
    server: Server = request.getfixturevalue("pg16" if request.param == "old" else "pg18")
    endpoint = await server.fresh_database()
    async with connection(endpoint, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        await load_items(conn, 300, seed=5)
    async with TestClient(
        TestServer(create_app(request.param, _database(endpoint), shape="simple"))
    ) as running:
        yield running
    await server.drop_database(endpoint.database)


async def _json(response: ClientResponse, status: int) -> dict[str, Any]:
    body: dict[str, Any] = await response.json()
    assert response.status == status, body
    return body


async def test_the_list_counts_all_and_shows_a_page_newest_first(client: Client) -> None:
    body = await _json(await client.get("/api/items"), 200)
    assert (body["success"], body["count"], len(body["data"])) == (True, 300, 100)
    times = [item["created_at"] for item in body["data"]]
    assert times == sorted(times, reverse=True)
    assert all(isinstance(item["id"], str) for item in body["data"])
    assert all(isinstance(item["metadata"], dict) for item in body["data"])


async def test_pages_follow_each_other_without_gap_or_repetition(client: Client) -> None:
    seen = []
    for offset in range(0, 300, 75):
        body = await _json(await client.get(f"/api/items?limit=75&offset={offset}"), 200)
        seen += [item["id"] for item in body["data"]]
    assert len(set(seen)) == 300


async def test_filters_narrow_count_and_data_alike(client: Client) -> None:
    total = 0
    for status in STATUSES:
        body = await _json(await client.get(f"/api/items?status={status}&limit=1000"), 200)
        assert {item["status"] for item in body["data"]} == {status}
        assert body["count"] == len(body["data"])
        total += body["count"]
    assert total == 300


async def test_an_item_is_made_read_changed_moved_and_removed(client: Client) -> None:
    made = (await _json(await client.post("/api/items", json=NEW_ITEM), 201))["data"]
    assert {key: made[key] for key in NEW_ITEM} == NEW_ITEM
    assert (made["status"], made["priority"]) == ("new", "medium")
    address = f"/api/items/{made['id']}"
    assert (await _json(await client.get(address), 200))["data"] == made
    for status in STATUSES:
        changed = (await _json(await client.put(address, json={"status": status}), 200))["data"]
        assert changed["status"] == status
        assert changed["updated_at"] > made["updated_at"]
        assert {key: changed[key] for key in NEW_ITEM} == NEW_ITEM
    await _json(await client.delete(address), 200)
    await _json(await client.get(address), 404)
    assert (await _json(await client.get("/api/items"), 200))["count"] == 300


INVALID: list[tuple[Any, str]] = [
    ({}, "title"),
    ({"title": " ", "category": "dashboard"}, "title"),
    ({"title": "x" * 256, "category": "dashboard"}, "title"),
    ({"title": "a\0b", "category": "dashboard"}, "title"),
    ({"title": "x"}, "category"),
    ({"title": "x", "category": "nowhere"}, "category"),
    ({"title": "x", "category": "dashboard", "priority": 3}, "priority"),
    ({"title": "x", "category": "dashboard", "tags": "a"}, "tags"),
    ({"title": "x", "category": "dashboard", "metadata": []}, "metadata"),
    ({"title": "x", "category": "dashboard", "metadata": {"a": "\0"}}, "metadata"),
    ([], "object"),
]


async def test_an_invalid_item_is_refused_with_a_message_that_names_the_field(client: Client) -> None:
    for body, word in INVALID:
        answer = await _json(await client.post("/api/items", json=body), 400)
        assert answer["success"] is False
        assert word in answer["message"]
    assert (await _json(await client.get("/api/items"), 200))["count"] == 300


async def test_a_body_that_is_no_json_text_is_refused(client: Client) -> None:
    for raw in (b"{", b"\xff", b'{"title": NaN}', b'{"title": "\\ud800", "category": "dashboard"}'):
        answer = await _json(await client.post("/api/items", data=raw), 400)
        assert "JSON" in answer["message"]


async def test_a_malformed_address_is_refused(client: Client) -> None:
    for path in ("/api/items?limit=-1", "/api/items?limit=x", "/api/items?category=%00", "/api/items/7"):
        await _json(await client.get(path), 400)


async def test_unknown_items_and_paths_are_404_in_json(client: Client) -> None:
    unknown = f"/api/items/{uuid.uuid4()}"
    assert "message" in await _json(await client.get(unknown), 404)
    assert "message" in await _json(await client.put(unknown, json={"title": "x"}), 404)
    assert "message" in await _json(await client.delete(unknown), 404)
    assert "message" in await _json(await client.get("/nothing"), 404)


async def test_categories_are_listed_made_changed_and_removed(client: Client) -> None:
    listed = await _json(await client.get("/api/categories"), 200)
    assert listed["data"][0]["name"] == "documentacao"
    assert listed["count"] == 6
    made = (await _json(await client.post("/api/categories", json={"name": "novo"}), 201))["data"]
    await _json(await client.post("/api/categories", json={"name": "novo"}), 409)
    address = f"/api/categories/{made['id']}"
    changed = await _json(await client.put(address, json={"color": "#00ff00", "display_order": 9}), 200)
    assert (changed["data"]["color"], changed["data"]["display_order"]) == ("#00ff00", 9)
    await _json(await client.put(address, json={"name": "outro"}), 400)
    await _json(await client.put(address, json={"color": "red"}), 400)
    await _json(await client.delete(address), 200)
    assert (await _json(await client.get("/api/categories"), 200))["count"] == 6


async def test_a_category_in_use_stays(client: Client) -> None:
    first = (await _json(await client.get("/api/categories"), 200))["data"][0]
    await _json(await client.delete(f"/api/categories/{first['id']}"), 409)
    assert (await _json(await client.get("/api/categories"), 200))["count"] == 6


async def test_metrics_count_requests_by_route_and_status(client: Client) -> None:
    await client.get("/api/items")
    await client.get(f"/api/items/{uuid.uuid4()}")
    page = await (await client.get("/metrics")).text()
    assert 'http_requests_total{method="GET",route="/api/items",status="200"} 1' in page
    assert 'http_requests_total{method="GET",route="/api/items/{id}",status="404"} 1' in page
    assert 'http_request_duration_seconds_bucket{method="GET",route="/api/items",le="+Inf"} 1' in page
    assert "# TYPE http_request_duration_seconds histogram" in page
    assert "db_pool_max 10" in page


async def test_of_ten_thousand_items_all_are_counted_and_a_page_is_given(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        await load_items(conn, 10_000, seed=5)
    async with TestClient(TestServer(create_app("old", _database(source)))) as client:
        listed = await _json(await client.get("/api/items"), 200)
    assert listed["count"] == 10_000
    assert len({item["id"] for item in listed["data"]}) == 100


async def test_before_its_tables_exist_the_service_says_503_and_what_is_missing(target: Endpoint) -> None:
    async with TestClient(TestServer(create_app("new", _database(target)))) as client:
        health = await _json(await client.get("/health"), 503)
        assert "does not exist" in health["checks"]["database"]["message"]
        assert "schema" in (await _json(await client.get("/api/items"), 503))["message"]
        async with connection(target, read_only=False) as conn:
            await conn.execute(schema.source_schema())
        assert (await _json(await client.get("/api/items"), 200))["count"] == 0
        assert (await _json(await client.get("/health"), 200))["status"] == "healthy"


async def test_what_a_body_says_of_its_author_and_status_is_ignored(client: Client) -> None:
    body = NEW_ITEM | {"created_by": "me", "status": "review", "id": str(uuid.uuid4())}
    made = (await _json(await client.post("/api/items", json=body), 201))["data"]
    assert (made["created_by"], made["status"]) == (None, "new")
    assert made["id"] != body["id"]
    address = f"/api/items/{made['id']}"
    assert "created_by" in (await _json(await client.put(address, json={"created_by": "me"}), 400))["message"]


async def test_unless_it_is_simple_it_wants_a_description_and_no_metadata(
    target: Endpoint,
) -> None:
    async with connection(target, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        await load_items(conn, 150, seed=5)
    full = {"title": "x", "description": "y", "category": "dashboard", "priority": "low"}
    async with TestClient(TestServer(create_app("new", _database(target), whole_list=True))) as client:
        await _json(await client.post("/api/items", json=full), 201)
        await _json(await client.post("/api/items", json=full | {"metadata": {"a": 1}}), 500)
        for name in ("description", "priority"):
            answer = await client.post("/api/items", json={k: v for k, v in full.items() if k != name})
            assert name in (await _json(answer, 400))["message"]
        assert len((await _json(await client.get("/api/items?limit=3"), 200))["data"]) == 151


async def test_beyond_its_limit_an_address_is_refused_until_the_window_ends(target: Endpoint) -> None:
    application = create_app("new", _database(target), limit=RateLimit(3, 0.5))
    async with TestClient(TestServer(application)) as client:
        left = [(await client.get("/health")).headers["RateLimit-Remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = await client.get("/health")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        await asyncio.sleep(0.55)
        assert (await client.get("/health")).status != 429


async def test_it_says_503_while_the_database_is_away_and_recovers(pg16: Server, source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
    async with TestClient(TestServer(create_app("old", _database(source), shape="simple"))) as client:
        await _json(await client.get("/api/items"), 200)
        pg16.stop()
        try:
            assert (await _json(await client.get("/health"), 503))["status"] == "unhealthy"
            await _json(await client.get("/api/items"), 503)
            await _json(await client.post("/api/items", json=NEW_ITEM), 503)
        finally:
            pg16.start()
        await _json(await client.get("/health"), 200)
        await _json(await client.post("/api/items", json=NEW_ITEM), 201)
