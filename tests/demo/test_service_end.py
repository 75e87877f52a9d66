"""How a service of the demo ends: what its clients asked is answered, and no connection is kept for more."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp

from tests.support.servers import free_port

PROGRAM = """
import asyncio, sys
from aiohttp import web
from wsdash.demo.service import serve
application = web.Application()
application.router.add_get("/", lambda request: asyncio.sleep(0, web.Response(text="here")))
asyncio.run(serve(application, "127.0.0.1", int(sys.argv[1]), "service"))
"""


@asynccontextmanager
async def service() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A service in a process of its own, and its address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(port)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        await said(process, "listens")
        yield process, f"http://127.0.0.1:{port}/"
    finally:
        with suppress(ProcessLookupError):  # it may have ended
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process, words: str) -> None:
    """Wait for its line."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while words not in json.loads(await process.stdout.readline())["message"]:
            pass


async def test_from_its_end_on_each_answer_closes_its_connection() -> None:
    async with service() as (process, url), aiohttp.ClientSession() as client:
        async with client.get(url) as answer:
            assert answer.headers.get("Connection") != "close"
        process.send_signal(signal.SIGTERM)
        await said(process, "stops")
        async with client.get(url) as answer:  # on the connection that is open
            assert await answer.text() == "here"
            assert answer.headers["Connection"] == "close"
        async with asyncio.timeout(60):
            assert await process.wait() == 0


async def test_clients_that_never_rest_do_not_keep_it() -> None:
    async with service() as (process, url), aiohttp.ClientSession() as client:
        answered = 0

        async def ask() -> None:
            nonlocal answered
            while True:
                try:
                    async with client.get(url):
                        answered += 1
                except aiohttp.ClientConnectorError:
                    return
                await asyncio.sleep(0.05)

        async with asyncio.timeout(90), asyncio.TaskGroup() as group:
            group.create_task(ask())
            await asyncio.sleep(0.3)
            process.send_signal(signal.SIGTERM)
        assert answered > 0
