-- What used to be found out only when the old service had stopped.
CREATE SCHEMA corpus;
SET search_path = corpus, public;
CREATE EXTENSION vector SCHEMA corpus;
CREATE TABLE embedded (id integer PRIMARY KEY, v vector(3));
CREATE FUNCTION helper(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION unqualified(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper($1); END';
CREATE TABLE checked (id integer PRIMARY KEY, n integer CHECK (unqualified(n) > 0));
INSERT INTO checked VALUES (1, 5);
CREATE VIEW rows_of AS SELECT id, n FROM checked;
CREATE TABLE keeps_rows (id integer PRIMARY KEY, kept rows_of);
INSERT INTO keeps_rows VALUES (1, ROW(1, 2));
CREATE VIEW ring_a AS SELECT 1 AS x;
CREATE VIEW ring_b AS SELECT x FROM ring_a;
CREATE OR REPLACE VIEW ring_a AS SELECT x FROM ring_b;
CREATE TABLE guarded (id integer PRIMARY KEY);
INSERT INTO guarded VALUES (1);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY none ON guarded TO corpus_policy USING (false);
CREATE FUNCTION tight(integer) RETURNS integer LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT $1';
CREATE VIEW system_view AS SELECT pid, query FROM pg_stat_activity;
CREATE TABLE "odd
name" ("line
break" integer PRIMARY KEY, "tab	" text, "quote""" text, "back\slash" text, "ü" text);
INSERT INTO "odd
name" VALUES (1, 'a', 'b', 'c', 'd');
CREATE INDEX "odd
index" ON "odd
name" ("tab	");
COMMENT ON TABLE "odd
name" IS 'two
lines; and -- a comment';
RESET search_path;
