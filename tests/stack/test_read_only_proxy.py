"""The proxy for who must look and must not act: questions pass, the rest never reaches the engine."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stack.engine import Engine, inspected, serving
from wsdash.stack.docker.client import DockerClient
from wsdash.stack.docker.read_only_proxy import ReadOnlyProxy, allowed


@pytest.fixture
async def proxied() -> AsyncIterator[tuple[Engine, Path]]:
    """An engine, and the proxy's socket in front of it."""
    with tempfile.TemporaryDirectory() as short:
        real, socket, stop = Path(short) / "d.sock", Path(short) / "p.sock", asyncio.Event()
        async with serving(Engine({"one": inspected()}), real) as engine:
            serve = asyncio.create_task(ReadOnlyProxy(real, socket).serve(stop))
            while not socket.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            yield engine, socket
            stop.set()
            await serve


@pytest.mark.parametrize(
    "target",
    [
        "/_ping",
        "/version",
        "/v1.41/info",
        "/v1.41/containers/json?all=1&filters=%7B%7D",
        "/v1.41/containers/workspace-db-compute/json",
        "/v1.41/containers/8f1b7d2e/logs?follow=1&since=1.5",
        "/v1.41/containers/8f1b7d2e/stats",
        "/v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D",
        "/v1.41/images/ghcr.io/a/b:c@sha256:ab/json",
    ],
)
def test_what_watching_asks_may_pass(target: str) -> None:
    assert allowed("GET", target)
    assert not allowed("POST", target)
    assert not allowed("HEAD", target)


@pytest.mark.parametrize(
    "target",
    [
        "/v1.41/containers/one/attach/ws?stdin=1",
        "/v1.41/containers/one/archive?path=/",
        "/v1.41/containers/one/export",
        "/v1.41/images/one/get",
        "/v1.41/secrets",
        "/v1.41/images/../containers/one/export/json",
        "/v1.41/images/x%2f..%2fjson",
        "/v1.41/containers/one/json\n",
        "http://else/v1.41/info",
    ],
)
def test_what_reads_files_or_writes_may_not(target: str) -> None:
    assert not allowed("GET", target)


async def test_a_client_watches_through_it(
    proxied: tuple[Engine, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{proxied[1]}")
    client = DockerClient(read_only=False)
    found = await client.get("containers/one/json")
    assert found["State"]["Status"] == "running"
    with pytest.raises(Exception, match="passes on GET requests"):
        await client.post("containers/one/stop")
    await client.close()
    assert {method for method, _ in proxied[0].asked} == {"GET"}


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /info HTTP/1.1\r\nX: a\n\nPOST /v1.41/containers/one/stop HTTP/1.1\r\n\r\n",
        b"GET /info HTTP/1.1\r\nContent-Length: 0\r\n\r\nPOST /v1.41/containers/one/stop HTTP/1.1\r\n\r\n",
        b"POST /v1.41/containers/one/stop HTTP/1.1\r\n\r\n",
        b"GET /v1.41/containers/one/json\nPOST / HTTP/1.1\r\n\r\n",
        b"\xff\x00" * 20_000,
    ],
)
async def test_no_second_request_is_smuggled(proxied: tuple[Engine, Path], sent: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(proxied[1]))
    writer.write(sent)
    writer.write_eof()
    async with asyncio.timeout(90):
        await reader.read()
    writer.close()
    assert "POST" not in {method for method, _ in proxied[0].asked}
