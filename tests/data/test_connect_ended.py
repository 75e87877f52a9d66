"""A session that the server ends while nobody asks it anything: told as not reachable, whenever that is."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.errors import UnreachableError

READY = b"Z\x00\x00\x00\x05I"
FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
ENDED = b"E" + (len(FIELDS) + 4).to_bytes(4, "big") + FIELDS


@asynccontextmanager
async def ended_once_ready(endpoint: Endpoint) -> AsyncIterator[Endpoint]:
    """A proxy before a real server: right after a session is ready it is told to be over, and not yet cut."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(endpoint.host, endpoint.port)

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, add: bytes) -> None:
            while data := await source.read(65_536):
                sink.write(data + add if data.endswith(READY) else data)
            sink.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(carry(reader, to_server, b""))
            group.create_task(carry(from_server, writer, ENDED))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield dataclasses.replace(endpoint, host="127.0.0.1", port=server.sockets[0].getsockname()[1])


async def test_a_session_that_ends_as_soon_as_it_is_ready_is_told_as_not_reachable(source: Endpoint) -> None:
    async with ended_once_ready(dataclasses.replace(source, sslmode="disable")) as endpoint:
        with pytest.raises(UnreachableError, match="cannot connect to"):
            async with connection(endpoint, read_only=True):
                pytest.fail("the session is over")
