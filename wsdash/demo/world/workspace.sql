-- The schema `workspace` as it is on the shared TimescaleDB: everything that is there before rows are.
-- "-- hypertable: COLUMN" marks the tables that are hypertables in production.
CREATE SCHEMA workspace;
COMMENT ON SCHEMA workspace IS 'Workspace service: ideas, tasks and their history';

DO $role$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'app_workspace') THEN
    CREATE ROLE app_workspace NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $role$;

CREATE TABLE workspace.schema_version (
  version integer PRIMARY KEY,
  description text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE workspace.schema_version IS 'Migrations of the application, as it believes them applied';

INSERT INTO workspace.schema_version (version, description, applied_at) VALUES
  (1, 'workspace schema', '2023-11-06 12:00:00+00'),
  (2, 'performance indexes', '2024-02-12 09:30:00+00'),
  (3, 'audit log', '2024-03-18 14:45:00+00'),
  (4, 'categories in a table of their own', '2024-09-02 08:15:00+00');

CREATE TABLE workspace.workspace_categories (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(50) NOT NULL UNIQUE,
  display_name varchar(100) NOT NULL,
  description text,
  color varchar(7) NOT NULL DEFAULT '#64748b' CHECK (color ~ '^#[0-9a-f]{6}$'),
  icon varchar(50),
  display_order integer NOT NULL DEFAULT 0,
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE workspace.workspace_categories IS 'What an item belongs to';
COMMENT ON COLUMN workspace.workspace_categories.name IS 'Stable key; items refer to it by value';

INSERT INTO workspace.workspace_categories
  (id, name, display_name, description, color, icon, display_order, created_at, updated_at) VALUES
  ('0f7c2a1e-5d1b-5c7e-9a10-000000000001', 'documentacao', 'Documentação', 'Guias, ADRs e referências', '#2563eb', 'book-open', 1, '2023-11-06 12:00:00+00', '2023-11-06 12:00:00+00'),
  ('0f7c2a1e-5d1b-5c7e-9a10-000000000002', 'coleta-dados', 'Coleta de Dados', 'Ingestão e conectores', '#16a34a', 'download', 2, '2023-11-06 12:00:00+00', '2023-11-06 12:00:00+00'),
  ('0f7c2a1e-5d1b-5c7e-9a10-000000000003', 'banco-dados', 'Banco de Dados', 'Esquemas, índices e migrações', '#9333ea', 'database', 3, '2023-11-06 12:00:00+00', '2023-11-06 12:00:00+00'),
  ('0f7c2a1e-5d1b-5c7e-9a10-000000000004', 'analise-dados', 'Análise de Dados', NULL, '#ea580c', 'chart-line', 4, '2023-11-06 12:00:00+00', '2023-11-06 12:00:00+00'),
  ('0f7c2a1e-5d1b-5c7e-9a10-000000000005', 'gestao-riscos', 'Gestão de Riscos', 'Limites, alertas e auditoria', '#dc2626', 'shield', 5, '2023-11-06 12:00:00+00', '2023-11-06 12:00:00+00'),
  ('0f7c2a1e-5d1b-5c7e-9a10-000000000006', 'dashboard', 'Dashboard', 'Telas e visualizações', '#0891b2', 'layout', 6, '2023-11-06 12:00:00+00', '2023-11-06 12:00:00+00');

CREATE TABLE workspace.workspace_items (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  title varchar(255) NOT NULL CONSTRAINT workspace_items_title_check CHECK (length(title) > 0),
  description text,
  category varchar(50) NOT NULL,
  priority varchar(10) NOT NULL DEFAULT 'medium'
    CONSTRAINT workspace_items_priority_check CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  status varchar(20) NOT NULL DEFAULT 'new' CONSTRAINT workspace_items_status_check
    CHECK (status IN ('new', 'review', 'in-progress', 'completed', 'rejected')),
  tags text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_by varchar(100),
  updated_by varchar(100),
  metadata jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (id, created_at)
) -- hypertable: created_at
;
COMMENT ON TABLE workspace.workspace_items IS 'Ideas and tasks; a hypertable on created_at, one chunk a month';
COMMENT ON COLUMN workspace.workspace_items.metadata IS 'Free-form; never null';
COMMENT ON COLUMN workspace.workspace_items.status IS 'Column of the kanban board';

CREATE TABLE workspace.workspace_audit_log (
  id bigserial NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  item_id uuid NOT NULL,
  action varchar(10) NOT NULL
    CONSTRAINT workspace_audit_log_action_check CHECK (action IN ('CREATE', 'UPDATE', 'DELETE')),
  old_values jsonb,
  new_values jsonb,
  changed_by varchar(100),
  PRIMARY KEY (id, changed_at)
) -- hypertable: changed_at
;
COMMENT ON TABLE workspace.workspace_audit_log IS 'Every change of an item, written by a trigger';

CREATE FUNCTION workspace.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END $body$;
COMMENT ON FUNCTION workspace.touch_updated_at() IS 'Row trigger: updated_at follows every update';

-- The row's own time is the entry's time, so that history loaded from elsewhere keeps its months.
CREATE FUNCTION workspace.log_item_change() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  happened timestamptz := now();
  verb text := 'DELETE';
  before jsonb;
  after jsonb;
  who text;
  subject uuid;
BEGIN
  IF TG_OP = 'DELETE' THEN
    before := to_jsonb(OLD); who := OLD.updated_by; subject := OLD.id;
  ELSE
    after := to_jsonb(NEW); who := coalesce(NEW.updated_by, NEW.created_by); subject := NEW.id;
    happened := NEW.updated_at; verb := 'CREATE';
    IF TG_OP = 'UPDATE' THEN before := to_jsonb(OLD); verb := 'UPDATE'; END IF;
  END IF;
  INSERT INTO workspace.workspace_audit_log (changed_at, item_id, action, old_values, new_values, changed_by)
  VALUES (happened, subject, verb, before, after, who);
  RETURN NULL;
END $body$;
COMMENT ON FUNCTION workspace.log_item_change() IS 'Row trigger: one audit row per changed item';

CREATE FUNCTION workspace.items_by_status(wanted text) RETURNS bigint LANGUAGE sql STABLE AS $body$
  SELECT count(*) FROM workspace.workspace_items WHERE status = wanted
$body$;

CREATE TRIGGER workspace_items_touch BEFORE UPDATE ON workspace.workspace_items
  FOR EACH ROW EXECUTE FUNCTION workspace.touch_updated_at();
CREATE TRIGGER workspace_items_audit AFTER INSERT OR UPDATE OR DELETE ON workspace.workspace_items
  FOR EACH ROW EXECUTE FUNCTION workspace.log_item_change();
CREATE TRIGGER workspace_categories_touch BEFORE UPDATE ON workspace.workspace_categories
  FOR EACH ROW EXECUTE FUNCTION workspace.touch_updated_at();

GRANT USAGE ON SCHEMA workspace TO app_workspace;
GRANT SELECT, INSERT, UPDATE, DELETE ON workspace.workspace_items, workspace.workspace_categories TO app_workspace;
GRANT SELECT, INSERT ON workspace.workspace_audit_log TO app_workspace;
GRANT SELECT ON workspace.schema_version TO app_workspace;
GRANT USAGE ON SEQUENCE workspace.workspace_audit_log_id_seq TO app_workspace;
GRANT EXECUTE ON FUNCTION workspace.items_by_status(text) TO app_workspace;
