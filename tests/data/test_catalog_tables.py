"""What read_catalog says of tables: columns, keys, chunks,
estimates; in every imitation of a hypertable."""

from __future__ import annotations

from tests.data.copying import carry, catalog_of
from tests.data.models import INHERITANCE, PARTITIONS, load
from wsdash.data.catalog.read import read_catalog
from wsdash.data.pg.connect import Endpoint, connection


async def test_partitions_are_folded_into_their_root(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await load(conn, PARTITIONS)
        await conn.execute("ANALYZE")
        catalog = await read_catalog(conn, "workspace")
    names = [table.name for table in catalog.tables]
    assert names == ["schema_version", "workspace_audit_log", "workspace_categories", "workspace_items"]
    items = catalog.tables[3]
    assert items.hypertable == "partitions"
    assert items.chunks == (
        '"_timescaledb_internal"."_hyper_1_1_chunk"',
        '"_timescaledb_internal"."_hyper_1_2_chunk"',
    )
    assert items.time_column == "created_at"
    assert items.key == ("id", "created_at")
    assert items.rows == 20
    assert items.bytes > 0
    assert [column.name for column in items.columns][:3] == ["id", "title", "description"]
    assert items.columns[0].type == "uuid"
    assert items.columns[0].default == "gen_random_uuid()"
    assert items.columns[1].type == "character varying(255)"


async def test_inheriting_chunks_are_folded_into_their_root(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await load(conn, INHERITANCE)
        await conn.execute("ANALYZE")
        catalog = await read_catalog(conn, "workspace")
    items = next(table for table in catalog.tables if table.name == "workspace_items")
    assert items.hypertable == "inheritance"
    assert len(items.chunks) == 2
    assert items.time_column == "created_at"
    assert items.key == ("id", "created_at")
    assert items.rows == 20


async def test_what_a_server_notes_for_itself_in_a_columns_options_is_no_option(
    source: Endpoint, target: Endpoint
) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute("CREATE SCHEMA s; CREATE TABLE s.t (a int PRIMARY KEY, b int)")
        await conn.execute("ALTER TABLE s.t ALTER a SET (n_distinct = 5); INSERT INTO s.t VALUES (1, 2)")
        await conn.execute("SET allow_system_table_mods = on")
        # as 15.20 does for every column
        await conn.execute(
            "UPDATE pg_attribute SET attoptions = array_prepend('pg_attver=22158952', attoptions)"
            " WHERE attrelid = 's.t'::regclass AND attnum > 0"
        )
        catalog = await read_catalog(conn, "s")
    assert [column.options for column in catalog.tables[0].columns] == [{"n_distinct": "5"}, {}]
    _, result = await carry(source, target)
    assert result.rows == 1
    there = await catalog_of(target)
    assert there.tables[0].columns == catalog.tables[0].columns


async def test_a_plain_table_without_key_has_none(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute("CREATE SCHEMA s; CREATE TABLE s.t (a int, b int); CREATE UNIQUE INDEX ON s.t (a)")
        catalog = await read_catalog(conn, "s")
    assert catalog.tables[0].key == ()
    assert catalog.tables[0].hypertable == ""
    assert catalog.tables[0].chunks == ()


async def test_the_first_unique_index_over_filled_columns_is_the_key(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute("CREATE SCHEMA s; CREATE TABLE s.t (a int NOT NULL, b int NOT NULL, c int)")
        await conn.execute("CREATE UNIQUE INDEX partial ON s.t (c, a) WHERE a > 1")
        await conn.execute("CREATE UNIQUE INDEX expression ON s.t (a, (b + 1))")
        await conn.execute("CREATE UNIQUE INDEX usable ON s.t (b, a) INCLUDE (c)")
        catalog = await read_catalog(conn, "s")
    assert catalog.tables[0].key == ("b", "a")


async def test_a_missing_schema_is_an_empty_catalog(source: Endpoint) -> None:
    async with connection(source, read_only=True) as conn:
        catalog = await read_catalog(conn, "nowhere")
    assert catalog.tables == ()
    assert catalog.server_version // 10000 == 16


async def test_reading_leaves_the_callers_search_path_alone(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute("SET search_path = public, pg_catalog")
        async with conn.transaction():
            await read_catalog(conn, "public")
            assert await conn.fetchval("SHOW search_path") == "public, pg_catalog"
