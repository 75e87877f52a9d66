"""Connections of quiet logs are left alone together, and read again together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from wsdash.stack.docker import client
from wsdash.stack.docker.client import Resting


class Log:
    """An HTTP server on a unix socket whose answer goes on for as long as it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: list[web.StreamResponse] = []
        self.over = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with a first piece, and end when it is over."""
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"first")
        self.answers.append(answer)
        await self.over.wait()
        return answer


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[tuple[Log, aiohttp.ClientSession]]:
    log = Log(path)
    application = web.Application()
    application.router.add_get("/", log.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
            yield log, session
    finally:
        log.over.set()
        await runner.cleanup()


async def test_what_is_written_meanwhile_waits_until_they_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOG_READ_SECONDS", 3600.0)
    resting = Resting()
    async with served(tmp_path / "s") as (log, session), contextlib.AsyncExitStack() as stack:
        asked = [await stack.enter_async_context(session.get("http://log/")) for _ in range(2)]
        for answer in asked:
            assert await answer.content.readany() == b"first"
            resting.add(answer)
        reads = [asyncio.ensure_future(answer.content.readany()) for answer in asked]
        for written in log.answers:
            await written.write(b"second")
        async with session.get("http://log/") as other:  # which is read in the meantime
            assert await other.content.readany() == b"first"
        assert not any(read.done() for read in reads)
        resting.end()
        assert await asyncio.gather(*reads) == [b"second", b"second"]


async def test_they_are_read_again_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LOG_READ_SECONDS", 0.01)
    resting = Resting()
    async with served(tmp_path / "s") as (log, session), session.get("http://log/") as answer:
        for text in (b"first", b"second", b"third"):
            assert await answer.content.readany() == text
            resting.add(answer)
            await log.answers[0].write({b"first": b"second", b"second": b"third"}.get(text, b"fourth"))
        assert await answer.content.readany() == b"fourth"
        resting.end()


async def test_an_answer_that_has_ended_leaves_its_connection_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOG_READ_SECONDS", 3600.0)
    resting = Resting()
    async with served(tmp_path / "s") as (log, session):
        log.over.set()
        async with session.get("http://log/") as answer:
            assert await answer.read() == b"first"
            resting.add(answer)
        async with session.get("http://log/") as again:
            assert await again.read() == b"first"
