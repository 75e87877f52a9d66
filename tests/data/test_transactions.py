"""The one way to make a transaction, on real sessions that somebody else may have begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transactions import SNAPSHOT, begin, commit, roll_back, transaction

COUNT = "SELECT count(*) FROM t"


async def fail(conn: asyncpg.Connection) -> None:
    """A block whose second command the server refuses."""
    async with transaction(conn):
        await conn.execute("INSERT INTO t VALUES (2)")
        await conn.execute("SELECT 1/0")


async def lose(conn: asyncpg.Connection) -> None:
    """A block that fails on a session that is gone."""
    async with transaction(conn):
        conn.terminate()
        raise ValueError("mine")


@pytest.fixture
async def conn(source: Endpoint) -> AsyncIterator[asyncpg.Connection]:
    async with connection(source, read_only=False) as conn:
        await conn.execute("CREATE SCHEMA s; SET search_path = s; CREATE TABLE t (n integer)")
        yield conn


async def test_a_block_is_kept_and_a_failing_one_is_not(conn: asyncpg.Connection) -> None:
    async with transaction(conn):
        await conn.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail(conn)
    assert not conn.is_in_transaction()
    assert await conn.fetchval(COUNT) == 1


async def test_inside_a_literal_begin_a_block_is_a_savepoint(conn: asyncpg.Connection) -> None:
    """asyncpg's own transaction object refuses such a session."""
    await begin(conn)
    async with transaction(conn):
        await conn.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await fail(conn)
        async with transaction(conn, taken_back=True):
            await conn.execute("INSERT INTO t VALUES (3)")
    assert conn.is_in_transaction()
    await commit(conn, "INSERT INTO t VALUES (4)")
    assert [row["n"] for row in await conn.fetch("SELECT n FROM t ORDER BY n")] == [1, 4]


async def test_what_is_taken_back_was_there_inside(conn: asyncpg.Connection) -> None:
    async with transaction(conn, taken_back=True):
        await conn.execute("INSERT INTO t VALUES (1)")
        assert await conn.fetchval(COUNT) == 1
    assert not conn.is_in_transaction()
    assert await conn.fetchval(COUNT) == 0


async def test_a_cancelled_block_leaves_no_transaction(conn: asyncpg.Connection) -> None:
    async def work() -> None:
        async with transaction(conn):
            await conn.execute("INSERT INTO t VALUES (1)")
            await conn.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not conn.is_in_transaction()
    assert await conn.fetchval(COUNT) == 0


async def test_an_error_is_told_as_itself_when_its_session_is_gone(conn: asyncpg.Connection) -> None:
    with pytest.raises(ValueError, match="mine"):
        await lose(conn)


async def test_a_mode_and_a_second_begin(conn: asyncpg.Connection) -> None:
    await begin(conn, "SET LOCAL lock_timeout = 7", mode=SNAPSHOT)
    assert await conn.fetchval("SHOW transaction_isolation") == "repeatable read"
    assert await conn.fetchval("SHOW lock_timeout") == "7ms"
    with pytest.raises(RuntimeError, match="open already"):
        await begin(conn)
    await roll_back(conn)
    await roll_back(conn)
    assert not conn.is_in_transaction()


async def test_what_a_cancelled_begin_opened_is_taken_back(conn: asyncpg.Connection) -> None:
    """The driver does not know yet that a transaction is open."""
    task = asyncio.create_task(begin(conn, "SELECT pg_sleep(30)", timeout=60))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await roll_back(conn)
    await begin(conn)
    assert conn.is_in_transaction()
    await roll_back(conn)
    assert not conn.is_in_transaction()
