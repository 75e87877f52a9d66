"""A target with a schema of its own, from the settings to the way back: the plan through a mapping, killed
in the middle of the copy.

The API of the embedded world speaks to the source's schema, so the plan is run as far as `verify-data`.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import yaml

from tests.support.program import read_json
from tests.support.world import World

MORE = 8_000
ALL = 300 + MORE
OLD = "00000000-0000-4000-8000-0000000000ff"
"""The old key of an item; MORE items are added to those of the world, so that the copy takes a while."""
ADD = f"""
INSERT INTO workspace.workspace_items (id, title, category, priority, status, created_at, updated_at)
SELECT CASE n WHEN 1 THEN '{OLD}' ELSE gen_random_uuid() END, 'old ' || n, 'dashboard', 'low', 'new',
       timestamptz '2024-05-05' + n * interval '1 hour', timestamptz '2024-05-05' + n * interval '1 hour'
FROM generate_series(1, {MORE}) n
"""
COUNT = "SELECT count(*) FROM workspace.workspace_items"
HOLD = """
CREATE FUNCTION public.hold(title text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN IF title = 'old 7900' THEN PERFORM pg_sleep(600); END IF; RETURN true; END $$;
ALTER TABLE workspace.workspace_items ADD CONSTRAINT hold CHECK (public.hold(title));
"""
"""One range of the copy stays open: what is killed then is killed in the middle."""
HELD = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
RELEASE = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
PAIRS = "SELECT md5(string_agg(k::text, ',' ORDER BY k)) FROM wsdash.key_map_workspace_items k"
LOOKED_UP = f"""
SELECT i.title || ' in ' || c.name FROM wsdash.key_map_workspace_items k
JOIN workspace.workspace_items i ON i.id = k.new_id JOIN workspace.categories c ON c.id = i.category_id
WHERE k.old_id = '{OLD}'
"""

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS workspace;
CREATE TABLE workspace.categories (
  id serial PRIMARY KEY, name varchar(50) NOT NULL UNIQUE, title text NOT NULL, description text NOT NULL,
  color varchar(7) NOT NULL, active boolean NOT NULL DEFAULT true);
CREATE TABLE workspace.workspace_items (
  title text NOT NULL, id serial PRIMARY KEY, description text NOT NULL,
  category_id integer NOT NULL REFERENCES workspace.categories (id),
  priority varchar(20) NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  status varchar(20) NOT NULL, tags text[] NOT NULL, metadata jsonb NOT NULL,
  created_by varchar(100), updated_by varchar(100),
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, origin text NOT NULL);
CREATE INDEX ON workspace.workspace_items USING gin (tags);
CREATE TABLE workspace.item_changes (
  id bigserial PRIMARY KEY, item_id integer REFERENCES workspace.workspace_items (id) ON DELETE SET NULL,
  old_item_id uuid NOT NULL, action text NOT NULL, old_values jsonb, new_values jsonb, changed_by text,
  changed_at timestamptz NOT NULL);
CREATE FUNCTION workspace.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON workspace.workspace_items
  FOR EACH ROW EXECUTE FUNCTION workspace.touch_updated_at();
"""

MAPPING = """
tables:
  categories:
    from: workspace_categories
    columns:
      id: {assign: name, order: display_order}
      title: display_name
      description: coalesce(description, '')
      active: is_active
    leave_out: {id: new, icon: none, display_order: the new ids, created_at: none, updated_at: none}
  workspace_items:
    columns:
      id: {assign: id, order: created_at}
      description: coalesce(description, '')
      category_id: {lookup: categories, value: category}
      origin: {value: timescaledb}
  item_changes:
    from: workspace_audit_log
    columns:
      item_id: {lookup: workspace_items, value: item_id, missing: "null"}
      old_item_id: item_id
leave_out: {schema_version: the schema file begins a count of its own}
"""


def give_a_schema_of_its_own(world: World, schema: str = SCHEMA, mapping: str = MAPPING) -> Path:
    """The world's configuration with a schema file and a mapping for its target."""
    directory = world.program.state / "world" / "config"
    (directory / "target.sql").write_text(schema)
    (directory / "mapping.yaml").write_text(mapping)
    settings: dict[str, Any] = yaml.safe_load((directory / "wsdash.yaml").read_text())
    settings["target"] |= {"schema_file": "target.sql", "mapping": "mapping.yaml"}
    (directory / "wsdash.yaml").write_text(yaml.safe_dump(settings))
    return directory


def test_killed_in_the_middle_it_is_carried_whole_proven_equal_and_taken_back(world: World) -> None:
    program = world.program
    world.source(ADD)
    report = program.state.parent / "report.json"
    words = ["--config", str(give_a_schema_of_its_own(world))]
    run = ["migrate", "--yes", "--report", str(report), *words, "--until"]

    made = program.run(*run, "init-neon")
    assert made.returncode == 0, made.stdout + made.stderr
    world.target(HOLD)
    process = program.start(*run, "verify-data")
    deadline = time.monotonic() + 120
    while not world.target(HELD):
        assert process.poll() is None, program.output()
        assert time.monotonic() < deadline, program.output()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    world.target(RELEASE)  # the server may have noticed already that nobody is there
    assert not world.target(HELD)
    world.target("DROP FUNCTION public.hold(text) CASCADE")
    assert world.target(COUNT) < ALL
    pairs = world.target(PAIRS)

    done = program.run(*run, "verify-data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(read_json(report)) == {
        "workspace.categories": (6, 6, True),
        "workspace.workspace_items": (ALL, ALL, True),
        "workspace.item_changes": (ALL, ALL, True),
    }
    assert world.target(COUNT) == ALL
    assert world.target(PAIRS) == pairs, "an old key has another new one than before the kill"
    assert world.target(LOOKED_UP) == "old 1 in dashboard"
    assert world.target("SELECT nextval('workspace.workspace_items_id_seq')") == ALL + 1

    back = program.run("rollback", "--yes", "--report", str(report), *words)
    assert back.returncode == 0, back.stdout + back.stderr
    assert read_json(report)["outcome"] == "rolled_back"
    assert world.get(world.settings.api.old, "/health")[0] == 200
    assert world.source(COUNT) == ALL


def tables(report: dict[str, Any]) -> dict[str, tuple[int, int, bool]]:
    """Each table's rows in the source and in the target, and whether they are equal."""
    return {one["name"]: (one["source_rows"], one["target_rows"], one["match"]) for one in report["tables"]}
