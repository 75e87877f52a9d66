"""The real case of a mapping: uuid keys, nullable descriptions and no categories in the source;
serial keys, NOT NULL and a foreign key in the target, which has a schema file of its own."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from tests.data.copying import catalog_of
from wsdash.config import shipped
from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.copy.run import CopyRequest
from wsdash.data.mapping.check import fit
from wsdash.data.mapping.file import load_mapping
from wsdash.data.mapping.keys import serial_values
from wsdash.data.mapping.objects import reduced
from wsdash.data.mapping.seed_rows import note_seed_rows
from wsdash.data.mapping.types import MappedTables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transactions import transaction
from wsdash.data.schema.apply import apply_file, ensure_schema
from wsdash.data.schema.ddl import Statement, post_data, pre_data, sequence_values

TARGET = shipped("config", "target-schema-example.sql")
MAPPING = shipped("config", "mapping-example.yaml")

SOURCE = """
CREATE SCHEMA workspace;
CREATE SCHEMA _timescaledb_internal;
CREATE TABLE workspace.schema_version (version integer PRIMARY KEY);
INSERT INTO workspace.schema_version VALUES (1), (2);
CREATE TABLE workspace.workspace_items (
  id uuid NOT NULL DEFAULT gen_random_uuid(), title varchar(255) NOT NULL, description text,
  category varchar(50) NOT NULL, priority varchar(10) NOT NULL DEFAULT 'medium',
  status varchar(20) NOT NULL DEFAULT 'new', tags text[] DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
  created_by varchar(100), updated_by varchar(100), metadata jsonb DEFAULT '{}',
  PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
CREATE TABLE _timescaledb_internal._hyper_1_1_chunk PARTITION OF workspace.workspace_items
  FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE _timescaledb_internal._hyper_1_2_chunk PARTITION OF workspace.workspace_items
  FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
CREATE TABLE workspace.workspace_audit_log (
  id bigserial, item_id uuid NOT NULL, action text NOT NULL, new_data jsonb,
  created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, created_at));
CREATE INDEX items_created ON workspace.workspace_items (created_at DESC);
CREATE FUNCTION workspace.touch() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE TRIGGER items_touch BEFORE UPDATE ON workspace.workspace_items
  FOR EACH ROW EXECUTE FUNCTION workspace.touch();
INSERT INTO workspace.workspace_items
  (id, title, description, category, priority, tags, created_at, updated_at, metadata)
SELECT md5('item ' || n)::uuid, 'item ' || n, CASE WHEN n % 3 > 0 THEN E'tab\\tand \\\\. ' || n END,
  (ARRAY['dashboard', 'coleta-dados', 'gestao-riscos'])[1 + n % 3], (ARRAY['low', 'high'])[1 + n % 2],
  ARRAY['a', 'b,c', NULL], timestamptz '2025-01-01' + (n * 97 % 400) * interval '3 hours',
  timestamptz '2025-01-01' + n * interval '3 hours', jsonb_build_object('n', n, 'text', 'ção "q"')
FROM generate_series(0, 399) n;
INSERT INTO workspace.workspace_audit_log (item_id, action, created_at)
SELECT md5('item ' || n)::uuid, 'CREATE', timestamptz '2025-01-01' FROM generate_series(0, 409) n;
"""
"""400 items in two chunks, 410 entries about them, ten of which are about items that are gone."""


async def make_target(target: Endpoint, file: Path = TARGET, schema: str = "workspace") -> None:
    """The target's own schema, with the rows that the file inserts noted."""
    async with connection(target, read_only=False) as conn, transaction(conn):
        await apply_file(conn, file)
        await note_seed_rows(conn, (await read_catalog(conn, schema)).tables)


async def fitted(
    source: Endpoint, target: Endpoint, mapping: Path = MAPPING, schema: str = "workspace"
) -> MappedTables:
    """The mapping checked against both sides."""
    here = await catalog_of(source, schema)
    async with connection(source, read_only=True) as old, connection(target, read_only=True) as new:
        return await fit(load_mapping(mapping), (old, here), (new, await read_catalog(new, schema)))


async def mapped_request(
    source: Endpoint,
    target: Endpoint,
    mapped: MappedTables,
    *,
    run: str = "run-1",
    workers: int = 3,
    schema: str = "workspace",
) -> CopyRequest:
    """The request that carries the mapped tables and those that the mapping does not name."""
    rest = reduced(await catalog_of(source, schema), mapped.mapping)
    async with connection(target, read_only=False) as conn:
        await ensure_schema(conn, pre_data(rest))
        serials = await serial_values(conn, mapped.tables)
    return CopyRequest(
        source=source,
        target=target,
        tables=[*mapped.tables, *rest.tables],
        post=post_data(rest),
        sequences=lambda conn: _values(conn, rest, serials),
        run=run,
        item="migrate-data",
        workers=workers,
        maintenance_work_mem="64MB",
        keys=mapped.keys,
    )


async def _values(conn: asyncpg.Connection, rest: Catalog, serials: list[Statement]) -> list[Statement]:
    return [*await sequence_values(conn, rest), *serials]
