"""The embedded source has the schema of production, with its hypertable trap really there."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import asyncpg
import pytest

from tests.support.servers import PASSWORD_ENV
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world import postgres, schema
from wsdash.demo.world.schema import load_items

KINDS = ("partitions", "inheritance")


async def _build(conn: asyncpg.Connection, kind: str, items: int) -> None:
    await conn.execute(schema.source_schema(kind))
    await load_items(conn, items, seed=7)


async def _dump(endpoint: Endpoint, *options: str) -> str:
    argv = [str(postgres.programs(16) / "pg_dump"), "-h", endpoint.host, "-p", str(endpoint.port)]
    argv += ["-U", endpoint.user, "-d", endpoint.database, "--schema=workspace", *options]
    environment = dict(os.environ) | {"PGPASSWORD": os.environ[PASSWORD_ENV]}
    dump = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, env=environment)
    out, _ = await asyncio.wait_for(dump.communicate(), 60)
    assert dump.returncode == 0
    return out.decode()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_guides_dump_holds_no_item_yet_its_grep_finds_an_insert(
    source: Endpoint, kind: str
) -> None:
    async with connection(source, read_only=False) as conn:
        await _build(conn, kind, 200)
    text = await _dump(source)
    copied = [block.split("\n\\.\n")[0].splitlines()[1:] for block in text.split("\nCOPY ")[1:]]
    names = [block.split(" (")[0] for block in text.split("\nCOPY ")[1:]]
    rows = {name: len(lines) for name, lines in zip(names, copied, strict=True)}
    assert rows.get("workspace.workspace_items", 0) == 0
    assert rows.get("workspace.workspace_audit_log", 0) == 0
    assert rows["workspace.workspace_categories"] == 6
    assert sum("INSERT INTO" in line for line in text.splitlines()) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_rows_live_in_chunks_of_the_internal_schema_and_are_read_through_the_root(
    source: Endpoint, kind: str
) -> None:
    async with connection(source, read_only=False) as conn:
        await _build(conn, kind, 200)
        held = await conn.fetch(
            "select tableoid::regclass::text as chunk, count(*) from workspace.workspace_items group by 1"
        )
    assert sum(record["count"] for record in held) == 200
    assert len(held) >= 18
    assert all(record["chunk"].startswith("_timescaledb_internal._hyper_1_") for record in held)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_trigger_writes_one_audit_row_per_change(source: Endpoint, kind: str) -> None:
    async with connection(source, read_only=False) as conn:
        await _build(conn, kind, 50)
        item = await conn.fetchval("select id from workspace.workspace_items order by created_at limit 1")
        await conn.execute("update workspace.workspace_items set status = 'rejected' where id = $1", item)
        await conn.execute("delete from workspace.workspace_items where id = $1", item)
        actions = await conn.fetch("select action, count(*) from workspace.workspace_audit_log group by 1")
        assert {record["action"]: record["count"] for record in actions} == {
            "CREATE": 50,
            "UPDATE": 1,
            "DELETE": 1,
        }


@pytest.mark.parametrize("kind", KINDS)
async def test_every_update_touches_updated_at(source: Endpoint, kind: str) -> None:
    async with connection(source, read_only=False) as conn:
        await _build(conn, kind, 5)
        await conn.execute("update workspace.workspace_items set status = 'new'")
        assert await conn.fetchval(
            "select bool_and(updated_at > now() - interval '1 minute') from workspace.workspace_items"
        )


@pytest.mark.parametrize("kind", KINDS)
async def test_items_have_twelve_indexes_two_gin_two_partial(source: Endpoint, kind: str) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema(kind))
        indexes = [
            record["indexdef"]
            for record in await conn.fetch(
                "select indexdef from pg_indexes where schemaname = 'workspace' "
                "and tablename = 'workspace_items' and indexname <> 'workspace_items_pkey'"
            )
        ]
    assert len(indexes) == 12
    assert sum("USING gin" in definition for definition in indexes) == 2
    assert sum(" WHERE " in definition for definition in indexes) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_row_of_today_finds_its_chunk(source: Endpoint, kind: str) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema(kind))
        await conn.execute(
            "insert into workspace.workspace_items (title, category) values ('now', 'dashboard')"
        )
        assert await conn.fetchval("select count(*) from workspace.workspace_items") == 1


async def test_partitions_return_what_was_inserted(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        made = await conn.fetchval(
            "insert into workspace.workspace_items (title, category) values ('x', 'y') returning title"
        )
    assert made == "x"


async def test_chunks_are_made_for_months_to_come_and_only_once(source: Endpoint) -> None:
    later = datetime(2041, 3, 9, tzinfo=UTC)
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema(now=datetime(2041, 1, 2, tzinfo=UTC)))
        made = await schema.ensure_chunks(conn, later)
        assert len(made) == 4
        assert await schema.ensure_chunks(conn, later) == []
        await conn.execute(
            "insert into workspace.workspace_items (title, category, created_at, updated_at) "
            "values ('later', 'dashboard', '2041-06-30', '2041-06-30')"
        )


async def test_the_application_role_cannot_log_in_and_has_its_grants(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        assert not await conn.fetchval("select rolcanlogin from pg_roles where rolname = 'app_workspace'")
        await conn.execute("set role app_workspace")
        await conn.execute(
            "insert into workspace.workspace_items (title, category) values ('x', 'dashboard')"
        )
        assert await conn.fetchval("select count(*) from workspace.workspace_audit_log") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("delete from workspace.workspace_audit_log")


def test_an_unknown_kind_of_hypertable_is_refused() -> None:
    with pytest.raises(ValueError, match="inheritance"):
        schema.source_schema("sharding")
