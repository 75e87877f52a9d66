"""Bodies of a real HTTP server that wants to fill our memory or our time."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from wsdash.outside import DocumentError
from wsdash.outside import http as outside_http
from wsdash.outside.http import BodyError, client_session

MIB = 1 << 20


@asynccontextmanager
async def serving(body: bytes, packing: str = "", drip: float = 0.0) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": packing} if packing else {})
        await response.prepare(request)
        if drip:
            for n in range(len(body)):
                await response.write(body[n : n + 1])
                await asyncio.sleep(drip)
        else:
            for n in range(0, len(body), 65_536):
                await response.write(body[n : n + 65_536])
        return response

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def read(url: str) -> bytes:
    async with client_session() as session, session.get(url) as response:
        return await response.read()


@pytest.mark.parametrize(
    ("packing", "pack"), [("", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_body_of_any_packing_is_read(packing: str, pack: Callable[[bytes], bytes]) -> None:
    async with serving(pack(b"words " * 1000), packing) as url:
        assert await read(url) == b"words " * 1000


async def test_a_bomb_of_gzip_costs_no_more_than_the_bound() -> None:
    bomb = gzip.compress(bytes(400 * MIB), 1)
    assert len(bomb) < 4 * MIB
    async with serving(bomb, "gzip") as url:
        tracemalloc.start()
        try:
            with pytest.raises(BodyError, match="larger than"):
                await read(url)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 64 * MIB


async def test_a_body_that_is_simply_large_is_refused() -> None:
    async with serving(bytes(outside_http.LARGEST_BODY + 1)) as url:
        with pytest.raises(BodyError, match="larger than"):
            await read(url)


async def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside_http, "BODY_SECONDS", 0.3)
    async with serving(b"x" * 1000, drip=0.05) as url:
        with pytest.raises(TimeoutError):
            await read(url)


@pytest.mark.parametrize(("body", "packing"), [(b"no gzip", "gzip"), (b"x", "br"), (b"x", "gzip, gzip")])
async def test_what_cannot_be_unpacked_is_an_error_of_the_client(body: bytes, packing: str) -> None:
    async with serving(body, packing) as url:
        with pytest.raises(aiohttp.ClientError):
            await read(url)


async def test_json_is_bounded_in_depth_and_named_when_it_is_none() -> None:
    for body in (b"[" * 5_000, b"<html>"):
        async with serving(body) as url, client_session() as session, session.get(url) as response:
            with pytest.raises(DocumentError):
                await response.json()


def test_no_room_opens_a_session_of_its_own() -> None:
    """The mistake that this bounds cannot come back: aiohttp's own session class is named in one place."""
    from pathlib import Path

    import wsdash

    root = Path(wsdash.__file__).parent
    found = [file for file in root.rglob("*.py") if "ClientSession(" in file.read_text()]
    assert found == [root / "outside" / "http.py"]
