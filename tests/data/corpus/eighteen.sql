-- What PostgreSQL 18 brought.

CREATE SCHEMA corpus;
SET search_path = corpus, public;
CREATE TABLE t (id integer PRIMARY KEY, a integer CONSTRAINT a_is_there NOT NULL, b integer, c integer,
  doubled integer GENERATED ALWAYS AS (a * 2) VIRTUAL,
  CONSTRAINT unchecked CHECK (c > 0) NOT ENFORCED);
INSERT INTO t VALUES (1, 1, NULL, -1);
ALTER TABLE t ADD CONSTRAINT b_later NOT NULL b NOT VALID;
COMMENT ON CONSTRAINT a_is_there ON t IS 'named';
CREATE TABLE r (id int4range, during int4range, PRIMARY KEY (id, during WITHOUT OVERLAPS));
CREATE TABLE u (id int4range, during int4range, FOREIGN KEY (id, PERIOD during) REFERENCES r (id, PERIOD during));
CREATE TABLE f (id integer REFERENCES t NOT ENFORCED);
INSERT INTO f VALUES (99);
RESET search_path;
