-- Every kind of object that lives in a schema and needs no library of its own.
CREATE SCHEMA corpus;
SET search_path = corpus, public;
COMMENT ON SCHEMA corpus IS 'all kinds';
CREATE COLLATION nordic (provider = libc, locale = 'C.UTF-8');
CREATE COLLATION loose FROM "C";
CREATE COLLATION posixly (provider = libc, locale = 'POSIX');
COMMENT ON COLLATION nordic IS 'for names';
CREATE TEXT SEARCH DICTIONARY plain_words (TEMPLATE = pg_catalog.simple, STOPWORDS = 'english');
CREATE TEXT SEARCH CONFIGURATION ours (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION ours ALTER MAPPING FOR asciiword, word WITH plain_words, english_stem;
ALTER TEXT SEARCH CONFIGURATION ours DROP MAPPING FOR email;
COMMENT ON TEXT SEARCH CONFIGURATION ours IS 'stemmed';
CREATE TYPE pair AS (a integer, b text COLLATE nordic);
CREATE TYPE size AS ENUM ('s', 'm', 'l');
CREATE DOMAIN word AS text COLLATE nordic CONSTRAINT filled CHECK (VALUE <> '');
COMMENT ON CONSTRAINT filled ON DOMAIN word IS 'never empty';
CREATE TYPE shell_only;
CREATE FUNCTION plus(a pair, b pair) RETURNS pair LANGUAGE sql IMMUTABLE
  AS 'SELECT ROW($1.a + $2.a, $1.b)::corpus.pair';
CREATE FUNCTION same(a pair, b pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE FUNCTION lesser(a pair, b pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.a < $2.a';
CREATE FUNCTION cmp(a pair, b pair) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT sign($1.a - $2.a)::int';
CREATE FUNCTION to_text(a pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.b';
CREATE OPERATOR ### (LEFTARG = pair, RIGHTARG = pair, FUNCTION = plus, COMMUTATOR = ###);
CREATE OPERATOR !## (RIGHTARG = pair, FUNCTION = to_text);
CREATE OPERATOR =## (LEFTARG = pair, RIGHTARG = pair, FUNCTION = same, COMMUTATOR = =##,
  RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR <## (LEFTARG = pair, RIGHTARG = pair, FUNCTION = lesser);
COMMENT ON OPERATOR ### (pair, pair) IS 'adds';
CREATE OPERATOR FAMILY pair_family USING btree;
CREATE OPERATOR CLASS pair_ops FOR TYPE pair USING btree FAMILY pair_family AS
  OPERATOR 1 <##, OPERATOR 3 =##, FUNCTION 1 cmp(pair, pair);
CREATE AGGREGATE total(pair) (SFUNC = plus, STYPE = pair);
CREATE AGGREGATE middling(double precision ORDER BY double precision)
  (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
COMMENT ON AGGREGATE total(pair) IS 'sums';
CREATE CAST (pair AS text) WITH FUNCTION to_text(pair) AS ASSIGNMENT;
CREATE TABLE things (
  id integer GENERATED ALWAYS AS IDENTITY (INCREMENT BY 2) PRIMARY KEY,
  name text COLLATE nordic NOT NULL, label word, one pair, body tsvector, size size DEFAULT 'm',
  email text COLLATE loose,
  upper_name text GENERATED ALWAYS AS (upper(name COLLATE "C")) STORED,
  CONSTRAINT short CHECK (length(name) < 100)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.2, toast.autovacuum_enabled = false);
COMMENT ON SEQUENCE things_id_seq IS 'the counter';
GRANT USAGE ON SEQUENCE things_id_seq TO corpus_writer;
ALTER TABLE things ALTER name SET STORAGE EXTERNAL, ALTER email SET COMPRESSION pglz,
  ALTER label SET STATISTICS 300, ALTER size SET (n_distinct = 3);
CREATE INDEX things_body ON things USING gin (body);
CREATE INDEX things_pair ON things (one pair_ops);
CREATE INDEX things_expr ON things ((lower(name COLLATE "C")), (one ### one));
ALTER INDEX things_expr ALTER COLUMN 1 SET STATISTICS 700;
CLUSTER things USING things_pkey;
CREATE STATISTICS things_stats (mcv) ON name, size FROM things;
CREATE STATISTICS things_expression ON (length(name)) FROM things;
ALTER STATISTICS things_stats SET STATISTICS 250;
COMMENT ON STATISTICS things_stats IS 'together';
CREATE TABLE parts (id bigserial PRIMARY KEY, thing integer REFERENCES things ON DELETE CASCADE, n numeric(8, 2));
CREATE TABLE typed OF pair (a WITH OPTIONS PRIMARY KEY);
CREATE VIEW seen AS SELECT id, name, size FROM things WHERE ts_lexize('corpus.plain_words', name) IS NOT NULL;
ALTER VIEW seen ALTER COLUMN size SET DEFAULT 'l';
CREATE VIEW barrier WITH (security_barrier, check_option = local) AS SELECT id, name FROM things WHERE id > 0;
CREATE VIEW totals AS SELECT total(one) AS sum FROM things;
CREATE MATERIALIZED VIEW counted WITH (fillfactor = 70) AS SELECT size, count(*) AS n FROM things GROUP BY size;
ALTER MATERIALIZED VIEW counted ALTER COLUMN size SET STATISTICS 50;
CREATE UNIQUE INDEX counted_size ON counted (size);
CREATE SEQUENCE loose_numbers AS integer MINVALUE -5 CYCLE;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE PROCEDURE tidy() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
CREATE TRIGGER stamped BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE things ENABLE ALWAYS TRIGGER stamped;
COMMENT ON TRIGGER stamped ON things IS 'always';
CREATE RULE kept AS ON DELETE TO parts DO INSTEAD NOTHING;
ALTER TABLE parts DISABLE RULE kept;
COMMENT ON RULE kept ON parts IS 'asleep';
CREATE RULE through AS ON INSERT TO seen DO INSTEAD INSERT INTO corpus.things (name) VALUES (NEW.name);
ALTER TABLE things ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON things FOR SELECT TO corpus_policy USING (id > 0);
COMMENT ON POLICY own ON things IS 'positive only';
GRANT SELECT, INSERT (name), UPDATE (name, size) ON things TO corpus_writer;
GRANT SELECT ON things, seen, counted TO corpus_reader WITH GRANT OPTION;
REVOKE ALL ON parts FROM CURRENT_USER;
GRANT SELECT, INSERT ON parts TO CURRENT_USER;
GRANT USAGE ON TYPE size TO corpus_reader;
GRANT USAGE ON TYPE word TO corpus_writer;
REVOKE USAGE ON TYPE pair FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION to_text(pair) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE tidy() TO corpus_writer;
GRANT EXECUTE ON FUNCTION total(pair) TO corpus_reader;
GRANT USAGE ON SCHEMA corpus TO corpus_reader;
INSERT INTO things (name, label, email) VALUES ('Åsa', 'x', 'A@b'), ('Zoe', 'y', 'c@D');
INSERT INTO parts (thing, n) SELECT id, 1.5 FROM things;
RESET search_path;
