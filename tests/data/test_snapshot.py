"""A snapshot: the same rows in every session, chunks held, timeouts off, and its loss noticed at once."""

from __future__ import annotations

import asyncio
import time

import pytest

from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.snapshot.hold import open_snapshot
from wsdash.data.tables.shape import Column, Table
from wsdash.errors import UnreachableError, WsdashError

TABLE = Table("s", "t", (Column("a", "integer"),))


@pytest.fixture
async def filled(source: Endpoint) -> Endpoint:
    async with connection(source, read_only=False) as conn:
        await conn.execute("CREATE SCHEMA s; CREATE TABLE s.t (a int); INSERT INTO s.t VALUES (1), (2)")
    return source


async def test_every_session_sees_the_same_rows_while_writers_go_on(filled: Endpoint) -> None:
    before = time.time()
    async with connection(filled, read_only=False) as writer, open_snapshot(filled, [TABLE]) as snapshot:
        await writer.execute("INSERT INTO s.t VALUES (3); UPDATE s.t SET a = 10 WHERE a = 1", timeout=5)
        async with snapshot.session() as other:
            for conn in (snapshot.conn, other):
                rows = await conn.fetch("SELECT a FROM s.t ORDER BY a")
                assert [row["a"] for row in rows] == [1, 2]
        assert await writer.fetchval("SELECT count(*) FROM s.t") == 3
        assert before <= snapshot.taken_at <= time.time()


async def test_the_lock_comes_before_the_snapshot(filled: Endpoint) -> None:
    async with connection(filled, read_only=False) as writer:
        await writer.execute("BEGIN; LOCK TABLE s.t IN ACCESS EXCLUSIVE MODE; INSERT INTO s.t VALUES (3)")

        async def commit() -> None:
            await asyncio.sleep(0.3)
            await writer.execute("COMMIT")

        async with asyncio.TaskGroup() as group:
            group.create_task(commit())
            async with open_snapshot(filled, [TABLE]) as snapshot:
                assert await snapshot.conn.fetchval("SELECT count(*) FROM s.t") == 3


async def test_a_table_cannot_be_truncated_or_dropped_while_it_is_held(filled: Endpoint) -> None:
    async with connection(filled, read_only=False) as writer, open_snapshot(filled, [TABLE]):
        for command in ("TRUNCATE s.t", "DROP TABLE s.t"):
            with pytest.raises(TimeoutError):
                await writer.execute(command, timeout=0.3)


async def test_no_session_writes(filled: Endpoint) -> None:
    async with open_snapshot(filled, [TABLE]) as snapshot, snapshot.session() as other:
        for conn in (snapshot.conn, other):
            with pytest.raises(Exception, match="read-only"):
                await conn.execute("INSERT INTO s.t VALUES (9)")


async def test_timeouts_of_the_role_do_not_hold(filled: Endpoint) -> None:
    async with connection(filled, read_only=False) as admin:
        await admin.execute(
            f'ALTER DATABASE "{filled.database}" SET idle_in_transaction_session_timeout = 200;'
            f'ALTER DATABASE "{filled.database}" SET idle_session_timeout = 200;'
            f'ALTER DATABASE "{filled.database}" SET statement_timeout = 200'
        )
    async with open_snapshot(filled, [TABLE]) as snapshot, snapshot.session() as other:
        await asyncio.sleep(0.6)
        await other.execute("SELECT pg_sleep(0.4)")
        assert await snapshot.conn.fetchval("SELECT count(*) FROM s.t") == 2
        async with snapshot.session() as late:
            assert await late.fetchval("SELECT count(*) FROM s.t") == 2


async def test_a_lost_holder_is_told_at_once(filled: Endpoint) -> None:
    async def lose_the_holder() -> None:
        async with connection(filled, read_only=False) as admin, open_snapshot(filled, [TABLE]):
            await admin.execute(
                "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
                "WHERE c.relname = 't' AND l.mode = 'AccessShareLock'"
            )
            await asyncio.Event().wait()  # for ever: only the loss ends it

    with pytest.raises(UnreachableError, match="holds the snapshot"):
        await asyncio.wait_for(lose_the_holder(), 90)


async def test_a_failure_of_the_block_is_told_as_itself(filled: Endpoint) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with open_snapshot(filled, [TABLE]):
            raise ValueError("mine")


async def test_a_missing_table_is_told(filled: Endpoint) -> None:
    with pytest.raises(WsdashError, match="nowhere"):
        async with open_snapshot(filled, [Table("s", "nowhere", ())]):
            pass
