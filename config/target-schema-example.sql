-- A schema of its own for the target, as an example: other keys, types, rules and column order than the
-- source's. config/mapping-example.yaml makes the rows fit it.
CREATE SCHEMA IF NOT EXISTS workspace;

CREATE TABLE workspace.workspace_categories (
  id serial PRIMARY KEY,
  name varchar(50) NOT NULL UNIQUE,
  description text NOT NULL,
  color varchar(7) NOT NULL DEFAULT '#888888',
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz
);

CREATE TABLE workspace.workspace_items (
  id serial PRIMARY KEY,
  title text NOT NULL,
  description text NOT NULL,
  category_id integer NOT NULL REFERENCES workspace.workspace_categories (id),
  priority varchar(20) NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  status varchar(20) NOT NULL,
  tags text[],
  metadata jsonb,
  created_by varchar(100),
  updated_by varchar(100),
  created_at timestamptz NOT NULL,
  updated_at timestamptz
);

CREATE TABLE workspace.workspace_audit_log (
  id bigserial PRIMARY KEY,
  item_id integer REFERENCES workspace.workspace_items (id) ON DELETE SET NULL,
  old_item_id uuid,
  action text NOT NULL,
  new_data jsonb,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX workspace_items_category ON workspace.workspace_items (category_id, created_at DESC);
CREATE INDEX workspace_items_status ON workspace.workspace_items (status);
CREATE INDEX workspace_items_tags ON workspace.workspace_items USING gin (tags);
CREATE INDEX workspace_audit_log_item ON workspace.workspace_audit_log (item_id);

CREATE FUNCTION workspace.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END $$;

CREATE TRIGGER workspace_items_touch BEFORE INSERT OR UPDATE ON workspace.workspace_items
  FOR EACH ROW EXECUTE FUNCTION workspace.touch_updated_at();
