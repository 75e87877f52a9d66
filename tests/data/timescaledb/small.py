"""A small hypertable with chunks in every state, copied for each test from a template database."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import asyncpg

from tests.support.servers import PASSWORD, Server
from wsdash.data.pg.connect import Endpoint, connection

READER = "ts_reader"
ROWS = 300

SCHEMA = f"""
CREATE EXTENSION timescaledb;
CREATE SCHEMA s;
CREATE TABLE s.t (id integer NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, v text, n numeric,
                  PRIMARY KEY (id, at));
SELECT create_hypertable('s.t', 'at', chunk_time_interval => interval '1 day');
CREATE TABLE s.plain (id integer PRIMARY KEY);
INSERT INTO s.plain SELECT generate_series(1, 20);
ALTER TABLE s.t SET (timescaledb.compress, timescaledb.compress_segmentby = 'kind',
                     timescaledb.compress_orderby = 'at');
INSERT INTO s.t SELECT i, timestamptz '2025-03-01 00:00+00' + i * interval '6 days' / {ROWS}, 'k' || i % 3,
  repeat('v' || i, 3), i / 7.0 FROM generate_series(0, {ROWS - 1}) i;
SELECT compress_chunk(c) FROM (SELECT c FROM show_chunks('s.t') c ORDER BY c LIMIT 4) x;
UPDATE s.t SET v = 'late' WHERE id IN (60, 61, 62, 110, 120)
  AND at >= '2025-03-02 00:00+00' AND at < '2025-03-04 00:00+00';
SELECT add_compression_policy('s.t', interval '1 day', initial_start => now() + interval '5 hours');
SELECT add_retention_policy('s.t', interval '20 years', initial_start => now() + interval '5 hours');
DO $$ BEGIN CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}';
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT USAGE ON SCHEMA s TO {READER};
GRANT SELECT ON s.t, s.plain TO {READER};
ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO {READER};
"""
"""Chunks by their number: 1 and 4 are compressed, 2 and 3 are compressed and written to since (partial),
5 and 6 are not compressed."""

MAINTENANCE = {
    "compress": "SELECT compress_chunk('{5}')",
    "compress a partial chunk": "SELECT compress_chunk('{2}')",
    "recompress": "SELECT compress_chunk('{2}', recompress => true)",
    "recompress by segments": "SELECT _timescaledb_functions.recompress_chunk_segmentwise('{2}')",
    "recompress a full chunk": "SELECT compress_chunk('{1}', recompress => true)",
    "decompress": "SELECT decompress_chunk('{1}')",
    "decompress a partial chunk": "SELECT decompress_chunk('{2}')",
    "decompress and compress": "SELECT decompress_chunk('{1}'); SELECT compress_chunk('{1}')",
    "compression policy": "CALL run_job(1000)",
    "retention policy": "CALL run_job(1001)",
    "drop_chunks": "SELECT drop_chunks('s.t', older_than => timestamptz '2025-03-02 00:00+00')",
    "merge_chunks": "CALL merge_chunks('{5}', '{6}')",
    "merge compressed chunks": "CALL merge_chunks('{1}', '{2}')",
    "split_chunk": "CALL split_chunk('{5}')",
    "reorder_chunk": "SELECT reorder_chunk('{5}', 's.t_at_idx')",
    "truncate a chunk": "TRUNCATE {5}",
    "vacuum full": "VACUUM FULL {5}",
    "late update": "UPDATE s.t SET v = 'later' WHERE id IN (5, 63, 111)",
    "late insert": "INSERT INTO s.t VALUES (1000, '2025-03-01 12:00+00', 'k9', 'new', 1)",
    "insert into a new chunk": "INSERT INTO s.t VALUES (1001, '2026-03-01 12:00+00', 'k9', 'new', 1)",
}
"""Calls by name; {n} is chunk number n."""
WRITES = frozenset({"late update", "late insert", "insert into a new chunk"})
"""Those that are users' own and must never wait for us."""
SEPARATE = "; "


async def make_template(server: Server) -> str:
    """The template database; its background jobs are stopped, because a template must have no sessions."""
    endpoint = await server.fresh_database()
    async with connection(endpoint, read_only=False) as conn:
        await conn.execute("SET search_path = public, pg_catalog; " + SCHEMA, timeout=60)
        await conn.execute("SELECT _timescaledb_functions.stop_background_workers()", timeout=60)
    return endpoint.database


async def copy_of(server: Server, template: str) -> Endpoint:
    """A database of one's own like the template."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    async with asyncio.timeout(90):
        while True:
            try:
                await server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
                return replace(server.endpoint(), database=name)
            except asyncpg.ObjectInUseError:
                # TimescaleDB's launcher looks into every database now and then
                await asyncio.sleep(0.1)


def reader(endpoint: Endpoint) -> Endpoint:
    """The same database as a role that may only SELECT."""
    return replace(endpoint, user=READER)


async def maintain(endpoint: Endpoint, name: str, lock_timeout: str = "150ms") -> bool:
    """Run a maintenance call; whether it went through (else it waited for a lock in vain, a policy
    for one of them)."""
    async with connection(endpoint, read_only=False) as conn:
        await conn.execute(f"SET search_path = public, pg_catalog; SET lock_timeout = '{lock_timeout}'")
        found = await conn.fetch("SELECT c::text FROM public.show_chunks('s.t') c ORDER BY c::regclass::oid")
        chunks = {str(place): row["c"] for place, row in enumerate(found, start=1)}
        sql = MAINTENANCE[name]
        for number, chunk in chunks.items():
            sql = sql.replace("{" + number + "}", chunk)
        try:
            for command in sql.split(SEPARATE):
                await conn.execute(command, timeout=20)
        except asyncpg.LockNotAvailableError:
            return False
        except asyncpg.DataError:
            # a policy goes on after a chunk that it could not lock, and fails at its end
            assert name.endswith("policy")
            return False
        return True


SUM = """
SELECT md5(string_agg(md5(row(t.*)::text), '' ORDER BY id, at)) FROM s.t
"""
