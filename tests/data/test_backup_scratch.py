"""Scratch databases: ours only, and gone afterwards whatever happened."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace

import asyncpg
import pytest

from tests.support.servers import Server
from wsdash.data.limits import ABANDONED_SECONDS
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.sql import literal
from wsdash.data.scratch import PREFIX, drop_leftovers, scratch_database
from wsdash.errors import WsdashError

DEAD_HERE = json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1, "started": 1.0})
ELSEWHERE = json.dumps({"host": "another-host", "pid": 1, "started": 1.0})


async def databases(server: Server) -> set[str]:
    conn = await server.connect()
    try:
        return {row["datname"] for row in await conn.fetch("SELECT datname FROM pg_database")}
    finally:
        await conn.close()


async def test_it_is_there_for_the_block_and_gone_after_it(pg16: Server) -> None:
    async with scratch_database(pg16.endpoint()) as scratch:
        assert scratch.database.startswith(PREFIX)
        async with connection(scratch, read_only=False) as conn:
            await conn.execute("CREATE TABLE public.t (a int)")
        assert scratch.database in await databases(pg16)
    assert scratch.database not in await databases(pg16)


async def test_it_goes_after_an_error_even_with_sessions_left_in_it(pg16: Server) -> None:
    async def fail() -> None:
        async with scratch_database(pg16.endpoint()) as scratch:
            names.append(scratch.database)
            open_sessions.append(await pg16.connect(scratch.database))
            raise ValueError("stop")

    names: list[str] = []
    open_sessions: list[asyncpg.Connection] = []
    with pytest.raises(ValueError, match="stop"):
        await fail()
    assert names[0] not in await databases(pg16)
    open_sessions[0].terminate()


async def test_it_goes_when_the_run_is_cancelled(pg16: Server) -> None:
    entered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hang() -> None:
        async with scratch_database(pg16.endpoint()) as scratch:
            entered.set_result(scratch.database)
            await asyncio.sleep(60)

    task = asyncio.create_task(hang())
    name = await entered
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert name not in await databases(pg16)


@pytest.mark.parametrize(
    ("stamp", "tag", "dropped"),
    [
        ("ffffffff", DEAD_HERE, True),
        ("ffffffff", ELSEWHERE, False),
        ("00000001", ELSEWHERE, True),
        ("00000001", "", True),
        ("ffffffff", "", False),
    ],
)
async def test_what_a_dead_run_left_is_dropped(pg16: Server, stamp: str, tag: str, dropped: bool) -> None:
    name = f"{PREFIX}{stamp}{'0a' * 6}"
    await pg16.execute(f'CREATE DATABASE "{name}"')
    try:
        await pg16.execute(f'COMMENT ON DATABASE "{name}" IS {literal(tag)}')
        assert (name in await drop_leftovers(pg16.endpoint())) is dropped
        assert (name not in await databases(pg16)) is dropped
    finally:
        await pg16.drop_database(name)
    assert ABANDONED_SECONDS > 3600


async def test_a_run_at_work_keeps_its_scratch_database(pg16: Server) -> None:
    async with scratch_database(pg16.endpoint()) as scratch:
        assert await drop_leftovers(pg16.endpoint()) == []
        assert scratch.database in await databases(pg16)


@pytest.mark.parametrize(
    "name", ["wsdash_scratch_", "wsdash_scratch_people", "xwsdash_scratch_00000001" + "0a" * 6]
)
async def test_other_databases_are_never_touched(pg16: Server, name: str) -> None:
    await pg16.execute(f'CREATE DATABASE "{name}"')
    try:
        assert await drop_leftovers(pg16.endpoint()) == []
        assert name in await databases(pg16)
    finally:
        await pg16.drop_database(name)


async def test_a_user_without_the_right_is_told_which_one(pg16: Server, source: Endpoint) -> None:
    await pg16.execute(
        "DO $$BEGIN CREATE ROLE nocreate LOGIN PASSWORD 'test-secret-7d1f'; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END$$"
    )
    with pytest.raises(WsdashError) as caught:
        async with scratch_database(replace(source, user="nocreate")):
            pass
    assert "nocreate may not create" in caught.value.what
    assert "CREATEDB" in caught.value.remedy
