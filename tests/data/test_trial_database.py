"""A rehearsal's copy under the database's own name: the real one comes back as it was, after a crash too."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from tests.support.servers import Server
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.rehearsal import trial_database
from wsdash.data.rehearsal.trial_database import begin_trial, end_trial, find_trial, read_mark
from wsdash.errors import RefusedError

DATABASES = "SELECT datname, oid, datallowconn, datacl::text FROM pg_database ORDER BY 1"
SETTINGS = """SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
WHERE datname = $1"""
TABLES = "SELECT count(*) FROM pg_class WHERE relname = 'made_in_rehearsal'"


async def value(side: Endpoint, sql: str) -> object:
    async with connection(side, read_only=False) as conn:
        return await conn.fetchval(sql)


async def databases(server: Server) -> list[asyncpg.Record]:
    async with connection(server.endpoint(), read_only=True) as conn:
        return list(await conn.fetch(DATABASES))


async def test_what_a_rehearsal_makes_is_gone_with_its_copy(target: Endpoint, pg18: Server) -> None:
    await pg18.execute(f'ALTER DATABASE "{target.database}" SET search_path TO a, "B c"')
    await pg18.execute(f'REVOKE TEMP ON DATABASE "{target.database}" FROM PUBLIC')
    before = await databases(pg18)
    await begin_trial(target, "rehearsal-1", ["wsdash_new_role", "postgres"])
    async with connection(target, read_only=False) as conn:
        mark = await read_mark(conn)
        assert mark is not None
        assert (mark.run, mark.roles) == ("rehearsal-1", ("wsdash_new_role",))
        await conn.execute("CREATE TABLE public.made_in_rehearsal (); CREATE ROLE wsdash_new_role")
        assert await conn.fetchval(SETTINGS, target.database) == ['search_path=a, "B c"']
    found = await find_trial(target)
    assert found is not None
    assert (found.swapped, found.alive, found.run) == (True, True, "rehearsal-1")
    with pytest.raises(RefusedError):
        await begin_trial(target, "rehearsal-2")
    assert await end_trial(target) == mark
    assert await databases(pg18) == before
    assert await value(target, TABLES) == 0
    assert await value(target, "SELECT count(*) FROM pg_roles WHERE rolname = 'wsdash_new_role'") == 0
    assert await end_trial(target) is None


@pytest.mark.parametrize("after", range(1, 8))
async def test_killed_after_any_statement_the_real_database_comes_back(
    target: Endpoint, pg18: Server, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Each statement of both ways is the last one once; then a new process clears up."""
    before = await databases(pg18)
    run, count = trial_database._run, 0

    async def killed_after(conn: asyncpg.Connection, statement: str) -> None:
        nonlocal count
        if count == after:
            raise KeyboardInterrupt  # no handler of ours catches this, as none catches SIGKILL
        count += 1
        await run(conn, statement)

    monkeypatch.setattr(trial_database, "_run", killed_after)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        await begin_trial(target, "killed")
        await value(target, "CREATE TABLE public.made_in_rehearsal ()")
        await end_trial(target)
        raise KeyboardInterrupt
    monkeypatch.undo()
    await end_trial(target)
    assert await databases(pg18) == before
    assert await value(target, TABLES) == 0


async def test_a_database_that_is_no_copy_is_never_dropped(target: Endpoint, pg18: Server) -> None:
    await begin_trial(target, "rehearsal-1")
    await pg18.execute(f'COMMENT ON DATABASE "{target.database}" IS NULL')
    with pytest.raises(RefusedError, match="no rehearsal's copy"):
        await end_trial(target)
    assert await value(target, "SELECT 1") == 1
    _, kept = trial_database._names(target.database)
    await pg18.drop_database(kept)


async def test_sessions_that_keep_coming_do_not_hold_it_up(target: Endpoint) -> None:
    async with connection(target, read_only=False) as one, connection(target, read_only=False) as other:
        await begin_trial(target, "rehearsal-1")
        for conn in (one, other):
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await conn.fetchval("SELECT 1")
    async with connection(target, read_only=False):
        await end_trial(target)


async def test_without_the_right_it_is_refused_and_nothing_changes(target: Endpoint, pg18: Server) -> None:
    await pg18.execute("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN PASSWORD 'test-secret-7d1f'")
    before = await databases(pg18)
    with pytest.raises(RefusedError, match="may not do what a rehearsal needs"):
        await begin_trial(replace(target, user="plain"), "rehearsal-1")
    assert await databases(pg18) == before
