-- The field's kinds on the real extension.
CREATE EXTENSION timescaledb SCHEMA public;
CREATE SCHEMA corpus;
SET search_path = corpus, public;
CREATE TABLE owner (id integer PRIMARY KEY);
INSERT INTO owner VALUES (1);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE items (id integer, at timestamptz NOT NULL, owner integer REFERENCES owner, v numeric CHECK (v > 0),
  PRIMARY KEY (id, at));
SELECT create_hypertable('items', 'at', chunk_time_interval => interval '7 days');
CREATE INDEX items_v ON items (v) WHERE v > 1;
CREATE TRIGGER stamped AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION stamp();
INSERT INTO items SELECT n, '2024-01-01'::timestamptz + n * interval '6 hours', 1, n FROM generate_series(1, 200) n;
ALTER TABLE items SET (timescaledb.compress, timescaledb.compress_segmentby = 'owner');
SELECT compress_chunk(c) FROM show_chunks('items') c LIMIT 3;
SELECT add_retention_policy('items', interval '100 years');
GRANT SELECT ON items TO corpus_reader;
COMMENT ON TABLE items IS 'over time';
CREATE VIEW of_items AS SELECT id, v FROM items;
CREATE VIEW bucketed AS SELECT time_bucket('1 day', at) AS day, count(*) AS n FROM items GROUP BY 1;
CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS
  SELECT time_bucket('1 day', at) AS day, sum(v) AS v FROM items GROUP BY 1 WITH NO DATA;
RESET search_path;
