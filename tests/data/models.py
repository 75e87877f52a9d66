"""The workspace's schema in both imitations of a hypertable, small: what schema tests read and carry."""

from __future__ import annotations

import asyncpg

_COMMON = """
CREATE SCHEMA workspace;
CREATE SCHEMA _timescaledb_internal;
CREATE TABLE workspace.schema_version (version integer PRIMARY KEY,
applied_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE workspace.workspace_categories (
  id varchar(50) PRIMARY KEY, name varchar(100) NOT NULL UNIQUE, color varchar(20) DEFAULT '#888888',
  display_order integer NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE workspace.workspace_categories IS 'what an item is about; it''s a short list';
CREATE FUNCTION workspace.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE FUNCTION workspace.audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO workspace.workspace_audit_log (item_id, action, new_data) VALUES (NEW.id, TG_OP,
  to_jsonb(NEW));
  RETURN NULL;
END $$;
"""

_ITEMS = """(
  id uuid NOT NULL DEFAULT gen_random_uuid(), title varchar(255) NOT NULL, description text,
  category varchar(50) NOT NULL, priority varchar(10) NOT NULL DEFAULT 'medium',
  status varchar(20) NOT NULL DEFAULT 'new', tags text[] DEFAULT '{}', metadata jsonb DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
  created_by varchar(100), updated_by varchar(100),
  CONSTRAINT items_pkey PRIMARY KEY (id, created_at),
  CONSTRAINT items_priority CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  CONSTRAINT items_status CHECK (status IN ('new', 'review', 'in-progress', 'completed', 'rejected')))"""

_AUDIT = """(
  id bigserial, item_id uuid NOT NULL, action text NOT NULL, new_data jsonb,
  created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, created_at))"""

_INDEXES = """
CREATE INDEX items_created ON workspace.workspace_items (created_at DESC);
CREATE INDEX items_category ON workspace.workspace_items (category, created_at DESC);
CREATE INDEX items_tags ON workspace.workspace_items USING gin (tags);
CREATE INDEX items_metadata ON workspace.workspace_items USING gin (metadata jsonb_path_ops);
CREATE INDEX items_open ON workspace.workspace_items (priority) WHERE status IN ('new', 'review');
CREATE INDEX items_lower ON workspace.workspace_items (lower(title) text_pattern_ops);
CREATE FUNCTION workspace.open_items(wanted text) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
  SELECT id FROM workspace.workspace_items WHERE category = wanted AND status <> 'completed' $$;
CREATE TRIGGER items_touch BEFORE UPDATE ON workspace.workspace_items
  FOR EACH ROW EXECUTE FUNCTION workspace.touch();
CREATE TRIGGER items_audit AFTER INSERT OR UPDATE ON workspace.workspace_items
  FOR EACH ROW EXECUTE FUNCTION workspace.audit();
CREATE VIEW workspace.open_by_category AS
  SELECT category, count(*) AS n FROM workspace.workspace_items WHERE status IN ('new', 'review')
  GROUP BY category;
"""

_ROWS = """
INSERT INTO workspace.workspace_categories (id, name) VALUES ('dashboard', 'Dashboard'), ('gestao-riscos',
'Riscos');
INSERT INTO workspace.workspace_items (title, category, created_at)
SELECT 'item ' || n, 'dashboard', timestamptz '2025-01-01' + n * interval '3 days' FROM generate_series(0,
19) n;
"""

PARTITIONS = (
    _COMMON
    + f"CREATE TABLE workspace.workspace_items {_ITEMS} PARTITION BY RANGE (created_at);"
    + f"CREATE TABLE workspace.workspace_audit_log {_AUDIT} PARTITION BY RANGE (created_at);"
    + """
CREATE TABLE _timescaledb_internal._hyper_1_1_chunk PARTITION OF workspace.workspace_items
  FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE _timescaledb_internal._hyper_1_2_chunk PARTITION OF workspace.workspace_items
  FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
CREATE TABLE _timescaledb_internal._hyper_2_3_chunk PARTITION OF workspace.workspace_audit_log
  FOR VALUES FROM ('2020-01-01') TO ('2100-01-01');
"""
    + _INDEXES
    + _ROWS
)
"""Declarative partitions that live in _timescaledb_internal."""

INHERITANCE = (
    _COMMON
    + f"CREATE TABLE workspace.workspace_items {_ITEMS};"
    + f"CREATE TABLE workspace.workspace_audit_log {_AUDIT};"
    + """
CREATE TABLE _timescaledb_internal._hyper_1_1_chunk (
  LIKE workspace.workspace_items INCLUDING DEFAULTS INCLUDING INDEXES,
  CONSTRAINT constraint_1 CHECK (created_at >= '2025-01-01' AND created_at < '2025-02-01'))
  INHERITS (workspace.workspace_items);
CREATE TABLE _timescaledb_internal._hyper_1_2_chunk (
  LIKE workspace.workspace_items INCLUDING DEFAULTS INCLUDING INDEXES,
  CONSTRAINT constraint_2 CHECK (created_at >= '2025-02-01' AND created_at < '2025-03-01'))
  INHERITS (workspace.workspace_items);
CREATE FUNCTION _timescaledb_internal.route() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.created_at < '2025-02-01' THEN
    INSERT INTO _timescaledb_internal._hyper_1_1_chunk SELECT NEW.*;
  ELSE
    INSERT INTO _timescaledb_internal._hyper_1_2_chunk SELECT NEW.*;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ts_insert_route BEFORE INSERT ON workspace.workspace_items
  FOR EACH ROW EXECUTE FUNCTION _timescaledb_internal.route();
"""
    + _INDEXES
    + """
CREATE TRIGGER items_audit AFTER INSERT OR UPDATE ON _timescaledb_internal._hyper_1_1_chunk
  FOR EACH ROW EXECUTE FUNCTION workspace.audit();
CREATE TRIGGER items_audit AFTER INSERT OR UPDATE ON _timescaledb_internal._hyper_1_2_chunk
  FOR EACH ROW EXECUTE FUNCTION workspace.audit();
"""
    + _ROWS
)
"""A parent with inheriting chunks in _timescaledb_internal and a routing trigger."""


async def load(conn: asyncpg.Connection, sql: str) -> None:
    """Create a model in an empty database."""
    await conn.execute(sql, timeout=60)
