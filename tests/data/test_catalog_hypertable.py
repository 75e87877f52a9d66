"""TimescaleDB's own catalog, imitated over inheriting chunks by views with the columns that 2.23.0 on
PostgreSQL
15.20 has (tests/data/timescaledb asks the real one)."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from tests.data.edges import carry, load, read
from wsdash.data.catalog.read import read_catalog
from wsdash.data.pg.connect import Endpoint, connection, open_connection
from wsdash.data.schema.compare import compare
from wsdash.demo.world.schema import source_schema
from wsdash.errors import UnreachableError, WsdashError

TIMESCALE = """
SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
  VALUES (4999, 'timescaledb', 10, 'public'::regnamespace, false, '2.23.0');
CREATE SCHEMA timescaledb_information;
CREATE VIEW timescaledb_information.hypertables AS SELECT 'workspace'::name AS hypertable_schema,
  'workspace_items'::name AS hypertable_name, 'timescale'::name AS owner, 1::smallint AS num_dimensions,
  40::bigint AS num_chunks, true AS compression_enabled, NULL::name[] AS tablespaces;
CREATE VIEW timescaledb_information.dimensions AS SELECT 'workspace'::name AS hypertable_schema,
  'workspace_items'::name AS hypertable_name, 1::bigint AS dimension_number,
  'created_at'::name AS column_name;
CREATE VIEW timescaledb_information.chunks AS SELECT 'workspace'::name AS hypertable_schema,
  'workspace_items'::name AS hypertable_name, '_timescaledb_internal'::name AS chunk_schema,
  format('_hyper_1_%s_chunk', n)::name AS chunk_name, n <= 19 AS is_compressed FROM generate_series(1, 40) n;
CREATE VIEW timescaledb_information.jobs AS SELECT 1001 AS job_id, 'policy_retention'::name AS proc_name,
  '_timescaledb_functions'::name AS proc_schema, 10::oid::regrole AS owner,
  'workspace'::name AS hypertable_schema, 'workspace_items'::name AS hypertable_name,
  interval '1 day' AS schedule_interval, '{"drop_after": "1 year"}'::jsonb AS config, true AS scheduled,
  timestamptz '2030-01-02 03:04Z' AS next_start;
CREATE VIEW timescaledb_information.job_stats AS SELECT 1001 AS job_id, 'Scheduled'::text AS job_status,
  NULL::timestamptz AS next_start;
CREATE VIEW timescaledb_information.continuous_aggregates AS SELECT 'workspace'::name AS hypertable_schema,
  'workspace_items'::name AS hypertable_name, 'workspace'::name AS view_schema, 'per_day'::name AS view_name,
  '_timescaledb_internal'::name AS materialization_hypertable_schema,
  '_materialized_hypertable_3'::name AS materialization_hypertable_name;
CREATE FUNCTION public.hypertable_detailed_size(regclass) RETURNS TABLE (table_bytes bigint,
index_bytes bigint,
  toast_bytes bigint, total_bytes bigint, node_name name)
  LANGUAGE sql AS 'SELECT 1000::bigint, 1::bigint, 24::bigint, 1025::bigint, NULL::name';
CREATE TABLE _timescaledb_internal._materialized_hypertable_3 (day timestamptz, n bigint);
CREATE VIEW workspace.per_day AS SELECT day, n FROM _timescaledb_internal._materialized_hypertable_3;
CREATE VIEW workspace.over_per_day AS SELECT sum(n) AS n FROM workspace.per_day;
CREATE FUNCTION public.time_bucket(interval, timestamptz) RETURNS timestamptz LANGUAGE sql AS 'SELECT $2';
INSERT INTO pg_depend SELECT 'pg_proc'::regclass, oid, 0, 'pg_extension'::regclass, 4999, 0, 'e'
  FROM pg_proc WHERE proname = 'time_bucket';
CREATE VIEW workspace.monthly AS
  SELECT public.time_bucket('30 days', created_at) AS month, count(*) FROM workspace.workspace_items
  GROUP BY 1;
CREATE FUNCTION workspace.purge() RETURNS void LANGUAGE plpgsql AS $$
BEGIN PERFORM drop_chunks('workspace.workspace_items', interval '1 year'); END $$;
"""

CHUNKS_MADE_IN = datetime(2026, 11, 1, tzinfo=UTC)
"""When the demo's schema has the forty chunks that TIMESCALE tells of: every later month adds one."""


@pytest.fixture
async def hypertables(source: Endpoint) -> Endpoint:
    """A source that looks like TimescaleDB 2.23 to whoever reads its catalog."""
    await load(source, source_schema("inheritance", CHUNKS_MADE_IN) + TIMESCALE)
    return source


async def test_count_size_and_time_come_from_timescaledb(hypertables: Endpoint) -> None:
    catalog = await read(hypertables, "workspace")
    items = next(table for table in catalog.tables if table.name == "workspace_items")
    assert catalog.timescaledb == "2.23.0"
    assert (items.hypertable, items.time_column) == ("timescaledb", "created_at")
    # nothing tells how many rows compressed chunks hold
    assert (items.rows, items.bytes) == (None, 1024)
    assert len(items.chunks) == 40


async def test_compression_retention_and_aggregates_are_named(hypertables: Endpoint) -> None:
    lines = compare(await read(hypertables, "workspace"), None)
    left = {(line.kind, line.name): line.detail for line in lines if line.fate == "not-carried"}
    assert "19 of 40 chunks are compressed" in left["compression", "workspace.workspace_items"]
    assert "next at 2030-01-02 03:04" in left["retention", "workspace.workspace_items"]
    assert "all rows it has now" in left["continuous aggregate", "workspace.per_day"]
    assert "2.23.0" in left["extension", "timescaledb"]
    assert "extension timescaledb" in left["view", "workspace.monthly"]


async def test_a_function_that_calls_timescaledb_is_carried_with_a_warning(hypertables: Endpoint) -> None:
    lines = compare(await read(hypertables, "workspace"), None)
    purge = next(line for line in lines if line.name == "workspace.purge()")
    assert (purge.fate, purge.detail) == (
        "created",
        "its body calls TimescaleDB, which the target does not have",
    )


async def test_the_rest_is_carried_to_plain_postgresql(hypertables: Endpoint, target: Endpoint) -> None:
    catalog = await read(hypertables, "workspace")
    await carry(catalog, target)
    lines = compare(catalog, await read(target, "workspace"))
    assert {line.fate for line in lines} == {"same", "adapted", "not-carried"}
    items = next(line for line in lines if line.kind == "table" and line.name == "workspace.workspace_items")
    assert items.detail.startswith("plain table instead of a hypertable of 40 chunks")


async def test_a_timescaledb_that_answers_otherwise_does_not_end_the_reading(hypertables: Endpoint) -> None:
    async with connection(hypertables, read_only=False) as conn:
        await conn.execute("DROP VIEW timescaledb_information.continuous_aggregates")
        catalog = await read_catalog(conn, "workspace")
    assert len(catalog.tables) == 4
    # what an aggregate holds could be lost unseen
    assert [part.blocks for part in catalog.machinery if part.name == "timescaledb"] == [True]
    part = next(part for part in catalog.machinery if part.name == "timescaledb")
    assert "cannot be read" in part.detail


async def test_a_routing_trigger_in_the_schema_goes_with_its_function(source: Endpoint) -> None:
    await load(
        source,
        """CREATE SCHEMA s; CREATE TABLE s.t (a integer); CREATE TABLE s.t_1 (CHECK (a > 0)) INHERITS (s.t);
        CREATE FUNCTION s.route() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN INSERT INTO s.t_1 VALUES (NEW.*); RETURN NULL; END';
        CREATE FUNCTION s.fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a = 1; RETURN NEW; END';
        CREATE TRIGGER fill BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.fill();
        CREATE TRIGGER route BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.route();""",
    )
    catalog = await read(source, "s")
    assert [item.name for item in catalog.of("trigger", "function") if item.left_out] == [
        "s.route()",
        "s.t.route",
    ]
    assert [table.name for table in catalog.tables] == ["t"]


async def test_a_broken_session_is_told_as_unreachable(source: Endpoint) -> None:
    conn = await open_connection(source, read_only=True)
    conn.terminate()
    with pytest.raises(UnreachableError, match="schema public cannot be read"):
        await read_catalog(conn, "public")


async def test_a_refusal_of_the_server_is_told_in_its_own_words(source: Endpoint) -> None:
    async with connection(source, read_only=True) as conn:
        await conn.execute("BEGIN")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await conn.execute("SELECT 1/0")
        with pytest.raises(WsdashError, match="current transaction is aborted"):
            await read_catalog(conn, "public")
