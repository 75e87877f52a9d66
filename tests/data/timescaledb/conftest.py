"""Databases with a small hypertable in every state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.data.timescaledb.small import copy_of, make_template
from tests.support.servers import Server
from wsdash.data.pg.connect import Endpoint


@pytest.fixture(scope="session")
def small_template(timescale_server: Server) -> Iterator[str]:
    """The database that `small` copies."""
    name = asyncio.run(make_template(timescale_server))
    yield name
    asyncio.run(timescale_server.drop_database(name))


@pytest.fixture
async def small(timescale_server: Server, small_template: str) -> AsyncIterator[Endpoint]:
    """A hypertable s.t with chunks in every state, and a plain table beside it."""
    endpoint = await copy_of(timescale_server, small_template)
    yield endpoint
    await timescale_server.drop_database(endpoint.database)
