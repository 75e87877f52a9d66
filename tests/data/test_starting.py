"""A server that starts up, shuts down or recovers is waited for, and described as that."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.servers import Server, running_server
from wsdash.data.pg.connect import connection
from wsdash.errors import UnreachableError

# the fields that a PostgreSQL sends in its recovery: severity, SQLSTATE, message (postmaster.c, CAC_STARTUP)
STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0Fpostmaster.c\0L2373\0\0"


@asynccontextmanager
async def standin_starting(server: Server, times: int) -> AsyncIterator[int]:
    """A port that answers its first `times` clients as a server in recovery; the rest reach a real one."""
    left = times

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(65_536):
            sink.write(piece)
            await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        if left:
            first = await reader.readexactly(8)
            if first[4:] == b"\x04\xd2\x16\x2f":  # an SSLRequest comes before the startup packet
                writer.write(b"N")
                first = await reader.readexactly(8)
            left -= 1
            writer.write(b"E" + (len(STARTING_UP) + 4).to_bytes(4, "big") + STARTING_UP)
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_it_is_waited_for(pg16: Server) -> None:
    async with standin_starting(pg16, 2) as port:
        endpoint = dataclasses.replace(pg16.endpoint(), host="127.0.0.1", port=port)
        async with connection(endpoint, read_only=True) as session:
            assert await session.fetchval("select 1") == 1


async def test_one_that_shuts_down_is_described_as_that_and_not_as_a_wrong_password(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.data.pg.connect.STARTING_SECONDS", 0.3)
    with running_server(16, tmp_path_factory.mktemp("ending")) as server:
        held = await server.connect()
        pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGTERM)  # a smart shutdown: it waits for the session
        with pytest.raises(UnreachableError, match="shutting down") as caught:  # noqa: PT012
            for _ in range(50):  # the signal may not have been seen yet
                async with connection(server.endpoint(), read_only=True):
                    await asyncio.sleep(0.1)
        assert "password" not in caught.value.remedy
        assert "wait" in caught.value.remedy
        await held.close()
