"""The Workspace schema in all its forms: imitated hypertables of both kinds, and real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.data.copying import run_sql
from tests.data.online.world import begin_move, carry, refused, value
from tests.support.servers import Server
from tests.support.timescaledb import make_field_schema
from wsdash.data.online.capture.objects import REFUSAL
from wsdash.data.online.switch.cutover import switch_over
from wsdash.data.online.sync.copying import compare_moving
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world.schema import source_schema
from wsdash.errors import RefusedError

PATIENT = 30.0
REAL = pytest.param("timescaledb", marks=pytest.mark.timescaledb)
IMITATED = ("partitions", "inheritance")
ITEMS = """
INSERT INTO workspace.workspace_items (id, title, category, created_at, updated_at)
SELECT md5('item' || i)::uuid, 'item ' || i, 'dashboard', moment, moment
FROM generate_series(1, 200) i,
  LATERAL (SELECT timestamptz '2025-06-01 00:00+00' + i * interval '18 hours') m(moment)
"""
WRITES = (
    "INSERT INTO workspace.workspace_items (id, title, category, created_at) "
    "VALUES (md5('a')::uuid, 'new here', 'dashboard', '2025-09-01 12:00+00')",
    "UPDATE workspace.workspace_items SET title = title || ' changed' WHERE id IN "
    "(SELECT md5('item' || i)::uuid FROM generate_series(1, 60) i)",
    "DELETE FROM workspace.workspace_items WHERE id = md5('item61')::uuid",
    "UPDATE workspace.workspace_categories SET display_name = 'Painel' WHERE name = 'dashboard'",
)
BACK = (
    "UPDATE workspace.workspace_items SET title = 'from the target' WHERE id IN "
    "(SELECT md5('item' || i)::uuid FROM generate_series(50, 90) i)",
    "DELETE FROM workspace.workspace_items WHERE id = md5('item91')::uuid",
    "INSERT INTO workspace.workspace_items (id, title, category, created_at) "
    "VALUES (md5('b')::uuid, 'new there', 'dashboard', '2025-10-01 12:00+00')",
)
CHANGED = "SELECT count(*) FROM workspace.workspace_items WHERE title LIKE '%changed'"


@pytest.fixture
async def workspace(request: pytest.FixtureRequest, target: Endpoint) -> AsyncIterator[Move]:
    """The Workspace schema in the form that the test's `kind` names, copied, its source open."""
    kind = request.getfixturevalue("kind")
    server: Server = request.getfixturevalue("timescale_server" if kind == "timescaledb" else "pg16")
    source = await server.fresh_database()
    if kind == "timescaledb":
        await make_field_schema(
            source, items=200, start="2025-06-01 00:00+00", aggregate=False, policies=False
        )
    else:
        await run_sql(source, source_schema(kind), ITEMS)
    yield await begin_move(source, target, schema="workspace")
    await server.drop_database(source.database)


@pytest.mark.parametrize("kind", [*IMITATED, REAL])
async def test_there_and_back(workspace: Move, kind: str) -> None:
    await run_sql(workspace.source, *WRITES)
    await equal(workspace, workspace.source)
    await switch_over(workspace, workspace.source, limit=PATIENT)
    assert await value(workspace.target, CHANGED) == 60
    for sql in WRITES[1:3]:
        assert await refused(workspace.source, sql) == REFUSAL
    audited = await value(workspace.target, "SELECT count(*) FROM workspace.workspace_audit_log")
    await run_sql(workspace.target, *BACK)
    await equal(workspace, workspace.target)
    await switch_over(workspace, workspace.target, limit=PATIENT)
    await run_sql(
        workspace.source, "UPDATE workspace.workspace_items SET title = 'on' WHERE id = md5('b')::uuid"
    )
    lines = await value(workspace.source, "SELECT count(*) FROM workspace.workspace_audit_log")
    assert lines == audited + 43, "the source's audit trigger invented nothing and missed nothing"
    await equal(workspace, workspace.source)


async def equal(move: Move, leaving: Endpoint) -> None:
    """Compare everything at one held snapshot."""
    async with open_link(move, leaving) as link:
        found = await compare_moving(link)
        assert [table.differences for table in found if not table.match] == []
        assert sum(table.source_rows for table in found) > 200


CHUNKS = "SELECT c::text FROM public.show_chunks('workspace.workspace_items') c ORDER BY c::text"


@pytest.mark.timescaledb
@pytest.mark.parametrize("kind", [REAL])
async def test_chunks_come_are_compressed_and_written_to(workspace: Move, kind: str) -> None:
    async with connection(workspace.source, read_only=False) as conn:
        await conn.execute("SET search_path = public, pg_catalog")
        chunks = [row["c"] for row in await conn.fetch(CHUNKS)]
        newest = chunks[-1]
        await conn.execute(WRITES[0].replace("2025-09-01", "2026-09-01"))
        await conn.execute(f"SELECT compress_chunk('{newest}')")
        await conn.execute(WRITES[1])
        await carry(workspace)
        await conn.execute(f"SELECT decompress_chunk('{newest}')")
        await conn.execute(f"SELECT compress_chunk('{chunks[1]}')")
    with pytest.raises(RefusedError, match="chunks"):
        await switch_over(workspace, workspace.source, limit=PATIENT)
    await equal(workspace, workspace.source)
    await switch_over(workspace, workspace.source, limit=PATIENT)
    assert await value(workspace.target, CHANGED) == 60


DROPS = {
    "partitions": "DROP TABLE _timescaledb_internal.{chunk}",
    "inheritance": "DROP TABLE _timescaledb_internal.{chunk}",
    "timescaledb": "SELECT public.drop_chunks('workspace.workspace_items', timestamptz '2025-07-01Z')",
}
CHUNK = """
SELECT split_part(tableoid::regclass::text, '.', 2) FROM workspace.workspace_items ORDER BY created_at LIMIT 1
"""


@pytest.mark.parametrize("kind", [*IMITATED, REAL])
async def test_a_dropped_chunk_is_noticed_and_its_table_taken_whole(workspace: Move, kind: str) -> None:
    chunk = await value(workspace.source, CHUNK)
    await run_sql(workspace.source, DROPS[kind].format(chunk=chunk))
    before = await value(workspace.target, "SELECT count(*) FROM workspace.workspace_items")
    with pytest.raises(RefusedError, match=r"chunks: .*workspace_items"):
        await switch_over(workspace, workspace.source, limit=PATIENT)
    async with open_link(workspace, workspace.source) as link:
        found = await compare_moving(link)
        assert [table.name for table in found if not table.match] == ["workspace.workspace_items"]
        differing = [one.number for one in link.tracked if one.table.name == "workspace_items"]
        await link.apply(whole=differing)
        assert all(table.match for table in await compare_moving(link))
    assert await value(workspace.target, "SELECT count(*) FROM workspace.workspace_items") < before
    await switch_over(workspace, workspace.source, limit=PATIENT)


@pytest.mark.parametrize("kind", ["inheritance"])
async def test_a_chunk_that_is_newer_than_capture_and_unguarded_stops_the_switch(
    workspace: Move, kind: str
) -> None:
    await run_sql(
        workspace.source, "CREATE TABLE _timescaledb_internal.stray () INHERITS (workspace.workspace_items)"
    )
    with pytest.raises(RefusedError, match="stray"):
        await switch_over(workspace, workspace.source, limit=PATIENT)
