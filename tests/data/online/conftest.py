"""A move that has been copied, ready for each test: both databases are copies of templates made once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace

import pytest

from tests.data.online.mapped_world import WORLDS, mapped_move
from tests.data.online.world import make_move
from tests.support.servers import Server
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint


async def copy_of(server: Server, template: str) -> Endpoint:
    """A database of one's own like the template. Snapshots noted in it stay right: ids are the server's."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    await server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return replace(server.endpoint(), database=name)


@pytest.fixture(scope="session")
def templates(pg16: Server, pg18: Server) -> Iterator[Move]:
    """The move whose databases are copied; nobody may connect to them."""

    async def make() -> Move:
        return await make_move(await pg16.fresh_database(), await pg18.fresh_database())

    async def drop(move: Move) -> None:
        await pg16.drop_database(move.source.database)
        await pg18.drop_database(move.target.database)

    move = asyncio.run(make())
    yield move
    asyncio.run(drop(move))


@pytest.fixture
async def move(pg16: Server, pg18: Server, templates: Move) -> AsyncIterator[Move]:
    """A move of its own: capture on both sides, everything copied, the source open."""
    source = await copy_of(pg16, templates.source.database)
    target = await copy_of(pg18, templates.target.database)
    yield replace(templates, source=source, target=target)
    await pg16.drop_database(source.database)
    await pg18.drop_database(target.database)


@pytest.fixture(scope="session")
def mapped_templates(
    pg16: Server, pg18: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Move]]:
    """The same through each mapping."""

    async def make() -> dict[str, Move]:
        return {
            name: await mapped_move(
                await pg16.fresh_database(),
                await pg18.fresh_database(),
                tmp_path_factory.mktemp("mapping"),
                world,
            )
            for name, world in WORLDS.items()
        }

    async def drop(moves: dict[str, Move]) -> None:
        for move in moves.values():
            await pg16.drop_database(move.source.database)
            await pg18.drop_database(move.target.database)

    moves = asyncio.run(make())
    yield moves
    asyncio.run(drop(moves))


@pytest.fixture
async def mapped(
    pg16: Server, pg18: Server, mapped_templates: dict[str, Move]
) -> AsyncIterator[Callable[[str], Awaitable[Move]]]:
    """Makes a move of its own through the mapping of that name."""
    made: list[Move] = []

    async def make(name: str) -> Move:
        template = mapped_templates[name]
        source = await copy_of(pg16, template.source.database)
        target = await copy_of(pg18, template.target.database)
        made.append(replace(template, source=source, target=target))
        return made[-1]

    yield make
    for move in made:
        await pg16.drop_database(move.source.database)
        await pg18.drop_database(move.target.database)
