"""A backup stands on its own: proven in an empty database whatever the schema takes from others or is
named."""

from __future__ import annotations

from pathlib import Path

from tests.data.backup_world import back_up, contents, program, quiet, run_sql, value
from tests.support.servers import Server
from wsdash.data.pg.connect import Endpoint
from wsdash.data.restore.run import prove_backup

BESIDE = """
CREATE SCHEMA beside; CREATE SCHEMA workspace;
CREATE TYPE beside.mood AS ENUM ('good', 'it''s');
CREATE FUNCTION beside.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE beside.parent (id integer PRIMARY KEY);
CREATE SEQUENCE beside.counter;
INSERT INTO beside.parent VALUES (1);
CREATE TABLE workspace.t (id integer PRIMARY KEY, mood beside.mood, parent integer REFERENCES beside.parent,
  n bigint DEFAULT nextval('beside.counter'));
CREATE TRIGGER touched BEFORE UPDATE ON workspace.t FOR EACH ROW EXECUTE FUNCTION beside.touch();
CREATE VIEW workspace.parents AS SELECT t.id FROM workspace.t JOIN beside.parent p ON p.id = t.parent;
CREATE VIEW workspace.of_parents AS SELECT id FROM workspace.parents;
INSERT INTO workspace.t VALUES (1, 'it''s', 1);
"""

ODD_NAMES = """
CREATE SCHEMA workspace;
CREATE TABLE workspace."odd
name" ("line
break" integer PRIMARY KEY, "tab\t" text, "carriage\r" text, "q""uote" text, "back\\slash" text);
INSERT INTO workspace."odd
name" VALUES (1, 'a', 'b', 'c', 'd'), (2, E'line\nbreak', NULL, '', '\\\\.');
CREATE INDEX "odd
index" ON workspace."odd
name" ("tab\t");
COMMENT ON TABLE workspace."odd
name" IS 'two
lines; and -- a comment';
"""


async def test_what_other_schemas_lend_goes_along_and_what_needs_their_rows_is_left_out_by_name(
    source: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, BESIDE)
    manifest = await back_up(source, tmp_path)
    proof = await prove_backup(manifest.manifest_path, source, item="backup", on_progress=quiet)
    assert proof.checksums_equal
    assert proof.objects["trigger"] == 1
    left_out = " | ".join(manifest.not_carried)
    for name in (
        "t_parent_fkey",
        "view workspace.parents",
        "view workspace.of_parents",
        "default workspace.t.n",
    ):
        assert name in left_out, name


UNQUALIFIED = """
CREATE SCHEMA workspace; SET search_path = workspace;
CREATE FUNCTION helper(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION calls(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper($1); END';
CREATE TABLE t (id integer PRIMARY KEY, n integer CHECK (calls(n) > 0),
  twice integer GENERATED ALWAYS AS (calls(id)) STORED, what regclass);
CREATE INDEX t_n ON t (calls(n));
INSERT INTO t VALUES (1, 2, DEFAULT, 'workspace.t');
RESET search_path;
"""


async def test_functions_that_find_others_by_the_search_path_keep_no_backup_from_its_proof(
    source: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, UNQUALIFIED)
    manifest = await back_up(source, tmp_path)
    proof = await prove_backup(manifest.manifest_path, source, item="backup", on_progress=quiet)
    assert (proof.checksums_equal, proof.rows) == (True, 1)


async def test_a_line_break_in_a_name_keeps_no_backup_from_its_proof(
    source: Endpoint, pg16: Server, tmp_path: Path
) -> None:
    await run_sql(source, ODD_NAMES)
    before = await contents(source, "workspace")
    manifest = await back_up(source, tmp_path)
    proof = await prove_backup(manifest.manifest_path, source, item="backup", on_progress=quiet)
    assert proof.rows == 2
    other = await pg16.fresh_database()
    try:
        done = await program(16, "psql", other, "-f", str(manifest.path))
        assert done.returncode == 0, done.stderr
        assert await contents(other, "workspace") == before
        assert await value(other, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'workspace'") == 2
    finally:
        await pg16.drop_database(other.database)
