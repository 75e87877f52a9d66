-- An index whose function finds another one by search_path: PostgreSQL 17 and later refuse to build it.
CREATE SCHEMA corpus;
SET search_path = corpus;
CREATE FUNCTION helper(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION unqualified(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper($1); END';
CREATE TABLE indexed (id integer PRIMARY KEY, n integer);
INSERT INTO indexed VALUES (1, 5);
CREATE INDEX indexed_n ON indexed (unqualified(n));
CREATE TABLE generated (id integer PRIMARY KEY, n integer GENERATED ALWAYS AS (unqualified(id)) STORED);
INSERT INTO generated VALUES (1);
RESET search_path;
