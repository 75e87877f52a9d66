-- What single partitions have beside what their parent gives them.
CREATE SCHEMA corpus;
SET search_path = corpus;
CREATE TABLE customer (id integer PRIMARY KEY);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE payment (id integer NOT NULL, customer integer, at date NOT NULL, amount numeric, note text DEFAULT 'all',
  PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE payment_1 PARTITION OF payment FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE payment_2 PARTITION OF payment FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE payment_rest PARTITION OF payment DEFAULT;
-- in every partition, not in the parent: the rule holds for every row
ALTER TABLE payment_1 ADD CONSTRAINT payment_1_customer_fkey FOREIGN KEY (customer) REFERENCES customer;
ALTER TABLE payment_2 ADD CONSTRAINT payment_2_customer_fkey FOREIGN KEY (customer) REFERENCES customer;
ALTER TABLE payment_rest ADD CONSTRAINT payment_rest_customer_fkey FOREIGN KEY (customer) REFERENCES customer;
ALTER TABLE payment_1 ADD CONSTRAINT positive CHECK (amount > 0);
ALTER TABLE payment_2 ADD CONSTRAINT positive CHECK (amount > 0);
ALTER TABLE payment_rest ADD CONSTRAINT positive CHECK (amount > 0);
CREATE INDEX payment_1_customer ON payment_1 (customer);
CREATE INDEX payment_2_customer ON payment_2 (customer);
CREATE INDEX payment_rest_customer ON payment_rest (customer);
-- in some only
ALTER TABLE payment_1 ADD CONSTRAINT only_here CHECK (id < 1000);
ALTER TABLE payment_2 ADD UNIQUE (customer, at);
ALTER TABLE payment_1 ALTER note SET NOT NULL, ALTER note SET DEFAULT 'first', ALTER note SET STATISTICS 10;
CREATE INDEX payment_2_note ON payment_2 (note) WHERE note <> '';
CREATE TRIGGER only_here BEFORE INSERT ON payment_1 FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE RULE only_here AS ON DELETE TO payment_2 DO INSTEAD NOTHING;
CREATE STATISTICS only_here ON id, customer FROM payment_1;
ALTER TABLE payment_2 ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_here ON payment_2 USING (id > 5);
GRANT SELECT ON payment_1 TO corpus_reader;
GRANT SELECT (id) ON payment_2 TO corpus_reader;
COMMENT ON TABLE payment_1 IS 'January';
COMMENT ON COLUMN payment_1.note IS 'of January';
COMMENT ON INDEX payment_2_note IS 'of February';
ALTER TABLE payment_2 SET (fillfactor = 50);
CREATE VIEW january AS SELECT * FROM payment_1;
CREATE FUNCTION of_january(payment_1) RETURNS integer LANGUAGE sql AS 'SELECT $1.id';
CREATE TABLE points (one integer, at date, FOREIGN KEY (one, at) REFERENCES payment_1 (id, at));
INSERT INTO customer VALUES (1), (2);
INSERT INTO payment VALUES (1, 1, '2024-01-05', 3, 'x'), (2, 2, '2024-02-05', 4, 'y'), (3, 1, '2025-01-01', 5, NULL);
-- partitions of partitions, by list and by hash, a trigger cloned and switched off in one part
CREATE TABLE tree (k text, n integer, PRIMARY KEY (k, n)) PARTITION BY LIST (k);
CREATE TABLE tree_a PARTITION OF tree FOR VALUES IN ('a') PARTITION BY HASH (n);
CREATE TABLE tree_a0 PARTITION OF tree_a FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tree_a1 PARTITION OF tree_a FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE tree_b PARTITION OF tree FOR VALUES IN ('b', NULL);
ALTER TABLE tree_a ADD CONSTRAINT in_the_middle CHECK (n > 0);
CREATE TRIGGER cloned AFTER INSERT ON tree FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE tree_b DISABLE TRIGGER cloned;
INSERT INTO tree VALUES ('a', 1), ('b', 2);
RESET search_path;
