"""ensure_schema: idempotent, complete after any interruption, never over an object that differs."""

from __future__ import annotations

import asyncio

import pytest

from tests.data.edges import EDGES, carry, load, read
from wsdash.data.pg.connect import Endpoint, connection, open_connection
from wsdash.data.schema.apply import ensure_schema
from wsdash.data.schema.compare import compare
from wsdash.data.schema.ddl import Statement, post_data, pre_data, sequence_values
from wsdash.demo.world.schema import source_schema
from wsdash.errors import RefusedError, WsdashError


@pytest.mark.parametrize("place", [0, 4, 11, 20, 40, 60])
async def test_cut_anywhere_and_run_again_it_is_complete(
    source: Endpoint, target: Endpoint, place: int
) -> None:
    await load(source, EDGES)
    catalog = await read(source, "Edge Case")
    statements = pre_data(catalog) + post_data(catalog)
    conn = await open_connection(target, read_only=False)
    seen: list[str] = []

    def cut(statement: Statement) -> None:
        if len(seen) == place:
            conn.terminate()
        seen.append(statement.name)

    with pytest.raises(WsdashError):
        await ensure_schema(conn, statements, cut)
    assert len(seen) == place + 1
    made = await carry(catalog, target)
    assert len(made) == len(statements) - place
    lines = compare(catalog, await read(target, "Edge Case"))
    made_logged = ("table", "Edge Case.scratch")  # it is UNLOGGED in the source
    fates = {line.fate for line in lines if (line.kind, line.name) != made_logged}
    assert fates == {"same", "not-carried"}


async def test_a_session_ended_by_the_server_within_a_statement_leaves_nothing_half(
    source: Endpoint, target: Endpoint
) -> None:
    await load(source, source_schema("partitions"))
    catalog = await read(source, "workspace")
    async with (
        connection(target, read_only=False) as conn,
        connection(target, read_only=False) as other,
        other.transaction(),
    ):
        await ensure_schema(conn, pre_data(catalog))
        await other.execute("LOCK TABLE workspace.workspace_items IN ROW EXCLUSIVE MODE")
        pid = conn.get_server_pid()
        waiting = asyncio.create_task(ensure_schema(conn, post_data(catalog)))
        blocked = (
            f"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock')"
        )
        for _ in range(500):
            if await other.fetchval(blocked):
                break
            await asyncio.sleep(0.02)
        await other.execute(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(WsdashError) as told:
            await waiting
    assert "cannot be made" in told.value.what
    assert told.value.remedy
    await carry(catalog, target)
    assert {line.fate for line in compare(catalog, await read(target, "workspace"))} == {
        "same",
        "adapted",
        "not-carried",
    }


async def test_a_differing_object_is_refused_before_anything_is_changed(
    source: Endpoint, target: Endpoint
) -> None:
    await load(source, source_schema("partitions"))
    await load(
        target, "CREATE SCHEMA workspace; CREATE TABLE workspace.workspace_items (id serial PRIMARY KEY)"
    )
    catalog = await read(source, "workspace")
    async with connection(target, read_only=False) as conn:
        with pytest.raises(RefusedError) as told:
            await ensure_schema(conn, pre_data(catalog))
    assert "table workspace.workspace_items" in told.value.what
    assert "column id is uuid in the source and integer in the target" in told.value.what
    assert [table.name for table in (await read(target, "workspace")).tables] == ["workspace_items"]


async def test_a_differing_function_is_not_overwritten(source: Endpoint, target: Endpoint) -> None:
    body = "CREATE SCHEMA s; CREATE FUNCTION s.f() RETURNS integer LANGUAGE sql AS 'SELECT {}'"
    await load(source, body.format(1))
    await load(target, body.format(2))
    with pytest.raises(RefusedError, match=r"function s\.f\(\): it differs"):
        await carry(await read(source, "s"), target)


async def test_each_statement_is_told_before_it_is_run(source: Endpoint, target: Endpoint) -> None:
    await load(source, "CREATE SCHEMA s; CREATE TABLE s.t (a integer PRIMARY KEY)")
    catalog = await read(source, "s")
    told: list[str] = []
    async with connection(target, read_only=False) as conn:
        statements = pre_data(catalog) + post_data(catalog)
        made = await ensure_schema(conn, statements, lambda statement: told.append(statement.kind))
    assert told == ["schema", "table", "constraint"]
    assert made == ["s", "s.t", "s.t.t_pkey"]


async def test_the_sessions_own_settings_are_left_as_they_were(source: Endpoint, target: Endpoint) -> None:
    await load(source, source_schema("partitions"))
    async with connection(target, read_only=False) as conn:
        await ensure_schema(conn, pre_data(await read(source, "workspace")))
        assert await conn.fetchval("SHOW check_function_bodies") == "on"
        assert await conn.fetchval("SHOW search_path") == "pg_catalog"
        assert await conn.fetchval("SHOW lock_timeout") == "0"


async def test_a_failing_statement_says_which_and_keeps_the_servers_words(target: Endpoint) -> None:
    async with connection(target, read_only=False) as conn:
        with pytest.raises(WsdashError) as told:
            await ensure_schema(conn, [Statement("table", "s.t", "CREATE TABLE s.t (a integer)")])
    assert told.value.what == 'table s.t cannot be made: schema "s" does not exist'


async def test_sequences_take_the_sources_values(source: Endpoint, target: Endpoint) -> None:
    await load(
        source,
        "CREATE SCHEMA s; CREATE TABLE s.t (a serial, b integer GENERATED ALWAYS AS IDENTITY);"
        "CREATE SEQUENCE s.free START WITH 5; INSERT INTO s.t DEFAULT VALUES; INSERT INTO s.t DEFAULT VALUES",
    )
    catalog = await read(source, "s")
    await carry(catalog, target)
    async with connection(source, read_only=True) as conn:
        values = await sequence_values(conn, catalog)
    assert [statement.name for statement in values] == ["s.free", "s.t_a_seq", "s.t_b_seq"]
    async with connection(target, read_only=False) as conn:
        await ensure_schema(conn, values)
        row = await conn.fetchrow("INSERT INTO s.t DEFAULT VALUES RETURNING a, b, nextval('s.free') AS free")
    assert row is not None
    assert tuple(row) == (3, 3, 5)
