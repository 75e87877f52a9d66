"""What a chunk has of its own, told from what TimescaleDB made on it for its root.

The two are told apart by text: TimescaleDB copies keys and triggers word for word (also after an ALTER of the
root), and a second key of the same text would mean nothing more.
"""

from __future__ import annotations

from tests.data.backup_world import run_sql
from tests.data.copying import catalog_of, fetch
from wsdash.data.pg.connect import Endpoint

SCHEMA = """
CREATE EXTENSION timescaledb;
CREATE SCHEMA s;
CREATE TABLE s.kind (k text PRIMARY KEY, n int UNIQUE);
INSERT INTO s.kind VALUES ('a', 1);
CREATE TABLE s.t (id int, at timestamptz NOT NULL, k text REFERENCES s.kind, n int,
                  CONSTRAINT nn FOREIGN KEY (n) REFERENCES s.kind (n) ON DELETE SET NULL);
SELECT create_hypertable('s.t', 'at', chunk_time_interval => interval '1 day');
INSERT INTO s.t VALUES (1, '2025-01-01', 'a', 1), (2, '2025-01-02', 'a', 1);
CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE UPDATE ON s.t FOR EACH ROW
  WHEN (old.n IS DISTINCT FROM (new.n + 0)) EXECUTE FUNCTION s.f();
ALTER TABLE s.t ALTER CONSTRAINT nn DEFERRABLE;
"""


async def test_a_chunks_own_key_and_trigger_are_told_and_the_copies_of_its_roots_are_not(
    timescale: Endpoint,
) -> None:
    await run_sql(timescale, "SET search_path = public, pg_catalog; " + SCHEMA)
    shown = await fetch(timescale, "SELECT c::text FROM public.show_chunks('s.t') c ORDER BY 1")
    first, second = (row[0] for row in shown)
    before = await catalog_of(timescale, "s")
    assert [item.name for item in before.items if "_chunk" in f"{item.name} {item.left_out}"] == []
    await run_sql(
        timescale,
        f"ALTER TABLE {first} ADD CONSTRAINT own FOREIGN KEY (k) REFERENCES s.kind ON DELETE CASCADE;"
        f"CREATE TRIGGER own BEFORE UPDATE ON {first} FOR EACH ROW EXECUTE FUNCTION s.f()",
    )
    after = await catalog_of(timescale, "s")
    told = {item.kind: item for item in after.items if item not in before.items}
    assert len(told) == 2, told
    assert all(first in f"{item.name} {item.left_out}" for item in told.values()), told
    assert all(second not in f"{item.name} {item.left_out}" for item in told.values()), told
