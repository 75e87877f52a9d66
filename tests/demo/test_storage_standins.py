"""The storage stand-ins speak the real nodes' shapes: HTTP answers, metrics and the PostgreSQL greeting."""

from __future__ import annotations

import asyncio
import re
import struct
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.support.servers import free_port
from wsdash.demo.standins.shared import INITDB_LSN, TENANT_ID, TIMELINE_ID, lsn_text, parse_lsn
from wsdash.demo.standins.storage import create_app

Client = TestClient[Any, Any]
TIMELINES = f"/v1/tenant/{TENANT_ID}/timeline"
MAIN = f"{TIMELINES}/{TIMELINE_ID}"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture
async def pageserver(tmp_path: Path) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app("pageserver", "127.0.0.1", free_port(), tmp_path))) as client:
        yield client


@pytest.fixture
async def safekeeper(tmp_path: Path) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app("safekeeper", "127.0.0.1", free_port(), tmp_path))) as client:
        yield client


async def _get(client: Client, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def _post(client: Client, body: dict[str, object], status: int = 201) -> Any:
    answer = await client.post(TIMELINES, json=body)
    assert answer.status == status, await answer.text()
    return await answer.json()


def _types(page: str) -> dict[str, str]:
    return dict(line.split()[2:4] for line in page.splitlines() if line.startswith("# TYPE"))


async def test_both_nodes_answer_their_status(pageserver: Client, safekeeper: Client) -> None:
    assert await _get(pageserver, "/v1/status") == {"id": 1234}
    assert await _get(safekeeper, "/v1/status") == {"id": 1}
    assert (await _get(pageserver, "/v1/utilization"))["utilization_score"] > 0
    assert await _get(safekeeper, "/v1/utilization") == {"timeline_count": 1}


@pytest.mark.parametrize("node", ["pageserver", "safekeeper"])
async def test_the_postgresql_port_refuses_tls_then_trusts(node: str, tmp_path: Path) -> None:
    port = free_port()
    async with TestServer(create_app(node, "127.0.0.1", port, tmp_path)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SSL_REQUEST)
        assert await asyncio.wait_for(reader.readexactly(1), 90) == b"N"
        body = b"user\0probe\0\0"
        writer.write(struct.pack("!ii", len(body) + 8, 3 << 16) + body)
        assert await asyncio.wait_for(reader.readexactly(9), 5) == b"R" + struct.pack("!ii", 8, 0)
        greeting = await asyncio.wait_for(reader.readuntil(b"Z\0\0\0\x05I"), 90)
        assert b"S" in greeting
        writer.write(b"X\0\0\0\x04")
        assert await asyncio.wait_for(reader.read(), 90) == b""
        writer.close()


async def test_garbage_on_the_postgresql_port_harms_nobody(tmp_path: Path) -> None:
    port = free_port()
    async with TestServer(create_app("pageserver", "127.0.0.1", port, tmp_path)):
        for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 8, struct.pack("!ii", 8, 80877102)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(junk)
            assert await asyncio.wait_for(reader.read(), 90) == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SSL_REQUEST)
        assert await asyncio.wait_for(reader.readexactly(1), 90) == b"N"
        writer.close()


async def test_a_timeline_tells_positions_that_move(pageserver: Client, safekeeper: Client) -> None:
    first = await _get(pageserver, MAIN)
    assert (first["tenant_id"], first["pg_version"], first["state"]) == (TENANT_ID, 17, "Active")
    await asyncio.sleep(0.1)
    second = await _get(pageserver, MAIN)
    assert parse_lsn(second["last_record_lsn"]) > parse_lsn(first["last_record_lsn"])
    commit = (await _get(safekeeper, f"/v1/tenant/{TENANT_ID}/timeline/{TIMELINE_ID}"))["commit_lsn"]
    assert parse_lsn(commit) >= parse_lsn(second["last_record_lsn"])


async def test_a_tenant_is_made_by_its_location_and_becomes_active(pageserver: Client) -> None:
    tenant = uuid.uuid4().hex
    await _get(pageserver, f"/v1/tenant/{tenant}", 404)
    answer = await pageserver.put(
        f"/v1/tenant/{tenant}/location_config",
        json={"mode": "AttachedSingle", "generation": 1, "tenant_conf": {}},
    )
    assert await answer.json() == {"shards": [{"shard_id": tenant, "node_id": 1234}], "stripe_size": None}
    assert (await _get(pageserver, f"/v1/tenant/{tenant}"))["state"] == {"slug": "Attaching"}
    await asyncio.sleep(0.3)
    assert (await _get(pageserver, f"/v1/tenant/{tenant}"))["state"] == {"slug": "Active"}
    assert {row["id"] for row in await _get(pageserver, "/v1/tenant")} == {TENANT_ID, tenant}
    assert (await pageserver.post("/v1/tenant", json={})).status == 405


async def test_a_branch_is_made_once_and_starts_at_its_ancestor(pageserver: Client) -> None:
    start = (await _get(pageserver, MAIN))["last_record_lsn"]
    body: dict[str, object] = {
        "new_timeline_id": uuid.uuid4().hex,
        "ancestor_timeline_id": TIMELINE_ID,
        "ancestor_start_lsn": start,
    }
    made = await _post(pageserver, body)
    assert (made["ancestor_timeline_id"], made["ancestor_lsn"]) == (TIMELINE_ID, start)
    assert (await _post(pageserver, body))["timeline_id"] == made["timeline_id"]
    assert len(await _get(pageserver, TIMELINES)) == 2
    other = body | {"ancestor_start_lsn": lsn_text(INITDB_LSN)}
    assert "msg" in await _post(pageserver, other, 409)


async def test_a_branch_that_cannot_be_is_refused_as_the_real_one_does(pageserver: Client) -> None:
    branch: dict[str, object] = {
        "new_timeline_id": uuid.uuid4().hex,
        "ancestor_timeline_id": TIMELINE_ID,
    }
    assert "msg" in await _post(pageserver, branch | {"ancestor_start_lsn": "0/8"}, 406)
    assert "msg" in await _post(pageserver, branch | {"ancestor_start_lsn": "FFFFFF/0"}, 406)
    assert "msg" in await _post(pageserver, branch | {"ancestor_timeline_id": uuid.uuid4().hex}, 500)
    assert "msg" in await _post(pageserver, branch | {"new_timeline_id": "short"}, 400)


async def test_a_deleted_timeline_disappears_children_first(pageserver: Client) -> None:
    child = uuid.uuid4().hex
    await _post(pageserver, {"new_timeline_id": child, "ancestor_timeline_id": TIMELINE_ID})
    assert (await pageserver.delete(MAIN)).status == 412
    answer = await pageserver.delete(f"{TIMELINES}/{child}")
    assert (answer.status, await answer.json()) == (202, None)
    assert (await pageserver.delete(f"{TIMELINES}/{child}")).status == 409
    await asyncio.sleep(0.3)
    assert "msg" in await _get(pageserver, f"{TIMELINES}/{child}", 404)


async def test_timelines_outlive_a_restart(tmp_path: Path) -> None:
    branch = {"new_timeline_id": uuid.uuid4().hex, "ancestor_timeline_id": TIMELINE_ID}
    async with TestClient(TestServer(create_app("pageserver", "127.0.0.1", free_port(), tmp_path))) as client:
        made = await _post(client, dict(branch))
    async with TestClient(TestServer(create_app("pageserver", "127.0.0.1", free_port(), tmp_path))) as client:
        assert await _get(client, f"{TIMELINES}/{branch['new_timeline_id']}") == made


async def test_lsns_are_found_by_time(pageserver: Client) -> None:
    found = await _get(pageserver, f"{MAIN}/get_lsn_by_timestamp?timestamp=2025-12-01T00:00:00Z")
    assert found["kind"] == "present"
    assert parse_lsn(found["lsn"]) > INITDB_LSN
    past = await _get(pageserver, f"{MAIN}/get_lsn_by_timestamp?timestamp=2020-01-01T00:00:00Z")
    assert past == {"lsn": lsn_text(INITDB_LSN), "kind": "past"}
    assert "msg" in await _get(pageserver, f"{MAIN}/get_lsn_by_timestamp?timestamp=soon", 400)


async def test_the_safekeeper_forgets_a_deleted_timeline(safekeeper: Client) -> None:
    assert await _get(safekeeper, "/v1/tenant/timeline") == [
        {"tenant_id": TENANT_ID, "timeline_id": TIMELINE_ID}
    ]
    assert await (await safekeeper.delete(MAIN)).json() == {"dir_existed": True}
    assert await (await safekeeper.delete(MAIN)).json() == {"dir_existed": False}
    assert "msg" in await _get(safekeeper, MAIN, 404)


async def test_metrics_have_the_real_names_and_types(pageserver: Client, safekeeper: Client) -> None:
    pages = [await (await node.get("/metrics")).text() for node in (pageserver, safekeeper)]
    types = _types(pages[0]) | _types(pages[1])
    expected = {
        "pageserver_smgr_query_seconds_global": "histogram",
        "pageserver_wait_lsn_seconds": "histogram",
        "pageserver_last_record_lsn": "gauge",
        "pageserver_startup_is_loading": "gauge",
        "pageserver_tenant_states_count": "gauge",
        "pageserver_remote_timeline_client_calls_started": "counter",
        "pageserver_wal_ingest_bytes_received": "counter",
        "pageserver_live_connections_finished": "counter",
        "libmetrics_tracing_event_count": "counter",
        "safekeeper_commit_lsn": "gauge",
        "safekeeper_written_wal_bytes_total": "counter",
        "safekeeper_wal_disk_io_errors": "counter",
        "safekeeper_flush_wal_seconds": "histogram",
    }
    assert {name: types.get(name) for name in expected} == expected
    assert "pageserver_broken_tenants_count" not in types
    labels = f'tenant_id="{TENANT_ID}",shard_id="0000",timeline_id="{TIMELINE_ID}"'
    assert re.search(rf"^pageserver_last_record_lsn{{{labels}}} \d+$", pages[0], re.MULTILINE)


async def test_unknown_paths_fail_with_msg(pageserver: Client) -> None:
    assert "msg" in await _get(pageserver, "/v1/nothing", 404)
