-- Inheriting children, which repeat the parent's key, and may hold the same key twice.
CREATE SCHEMA corpus;
SET search_path = corpus;
CREATE TABLE city (id integer PRIMARY KEY, name text CHECK (name <> ''), CONSTRAINT parents_only CHECK (id > 0) NO INHERIT);
CREATE TABLE capital (PRIMARY KEY (id), CONSTRAINT own CHECK (id < 1000)) INHERITS (city);
CREATE TABLE village (PRIMARY KEY (id)) INHERITS (city);
INSERT INTO city VALUES (1, 'a');
INSERT INTO capital VALUES (2, 'b');
INSERT INTO village VALUES (2, 'c');
RESET search_path;
