"""An engine that answers anything: every body is bounded, and told as an engine that does not answer.

standin_engine answers over the real client's real socket; it was compared with dockerd only in its paths.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from wsdash.errors import WsdashError
from wsdash.stack.docker.client import DockerClient

VERSION = {"ApiVersion": "1.50", "MinAPIVersion": "1.24"}


@asynccontextmanager
async def standin_engine(
    socket: Path, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> AsyncIterator[None]:
    """Answers /version as dockerd does, and everything else by `answer`."""

    async def version(_: web.Request) -> web.Response:
        return web.json_response(VERSION)

    app = web.Application()
    app.router.add_get("/version", version)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield
    finally:
        await runner.cleanup()


def body(data: bytes, kind: str = "application/json", **headers: str) -> web.Response:
    return web.Response(body=data, headers={"Content-Type": kind, **headers})


BODIES = {
    "deep": lambda: body(b"[" * 200_000),
    "large": lambda: body(json.dumps("x" * (9 << 20)).encode()),
    "a bomb": lambda: body(gzip.compress(b" " * (200 << 20)), **{"Content-Encoding": "gzip"}),
    "a long number": lambda: body(b"9" * 10_000),
    "not JSON": lambda: body(b"<html>"),
    "not text": lambda: body(b"\xff\xfe\x00"),
    "of no kind": lambda: body(b"x", kind="nonsense"),
    "of another kind": lambda: body(b"x", kind="image/png"),
    "NaN": lambda: body(b'{"a": NaN}'),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_cannot_be_right_is_an_error_of_ours(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return BODIES[name]()

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/e.sock")
    async with standin_engine(tmp_path / "e.sock", answer):
        client = DockerClient(read_only=True)
        try:
            with pytest.raises(WsdashError):
                await client.get("containers/x/json")
        finally:
            await client.close()


async def test_a_stream_without_a_line_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"[" * (1 << 18))
        return response

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/e.sock")
    async with standin_engine(tmp_path / "e.sock", answer):
        client = DockerClient(read_only=True)
        try:
            with pytest.raises(WsdashError, match="a line without an end"):
                async for _ in client.each_line("events", {}):
                    pass
        finally:
            await client.close()
