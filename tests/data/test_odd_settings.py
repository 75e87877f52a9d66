"""Every setting that changes what SQL or text means, set oddly on either side: all is carried and proven."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from tests.data.backup_world import back_up, contents, program, promised
from tests.data.copying import prepare, request_of
from tests.support.servers import Server
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import FIXED_SETTINGS, KNOWN_BY_SOME, PRIVILEGED, Endpoint, connection
from wsdash.data.pg.sql import ident
from wsdash.data.restore.run import restore_backup
from wsdash.data.verify.run import verify_tables

ODD = {
    "array_nulls": "off",
    "backslash_quote": "off",
    "bytea_output": "escape",
    "check_function_bodies": "off",
    "client_encoding": "LATIN1",
    "createrole_self_grant": "'set, inherit'",
    "DateStyle": "'SQL, DMY'",
    "default_table_access_method": "odd_heap",
    "default_tablespace": "odd_place",
    "default_toast_compression": "lz4",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "'serializable'",
    "default_transaction_read_only": "on",
    "escape_string_warning": "off",
    "exit_on_error": "on",
    "extra_float_digits": "-10",
    "gin_fuzzy_search_limit": "1",
    "icu_validation_level": "error",
    "idle_in_transaction_session_timeout": "2000",
    "idle_session_timeout": "2000",
    "ignore_checksum_failure": "on",
    "IntervalStyle": "sql_standard",
    "jit": "on",
    "lc_messages": "'POSIX'",
    "lc_monetary": "'POSIX'",
    "lc_numeric": "'POSIX'",
    "lc_time": "'POSIX'",
    "lock_timeout": "1",
    "quote_all_identifiers": "on",
    "restrict_nonsystem_relation_kind": "'view, foreign-table'",
    "row_security": "off",
    "search_path": "nowhere",
    "session_replication_role": "replica",
    "standard_conforming_strings": "off",
    "statement_timeout": "1",
    "synchronize_seqscans": "on",
    "temp_file_limit": "0",
    "temp_tablespaces": "odd_place",
    "TimeZone": "'Asia/Kathmandu'",
    "timezone_abbreviations": "'Australia'",
    "transaction_timeout": "500",
    "transform_null_equals": "on",
    "xmlbinary": "hex",
    "xmloption": "document",
    "zero_damaged_pages": "on",
}
GONE = {"default_with_oids"}
"""Only servers before 12 know it."""

SCHEMA = r"""
CREATE SCHEMA s;
CREATE DOMAIN s.word AS text CHECK (VALUE <> E'a\\b''c');
CREATE FUNCTION s.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.note := E'\\' || NEW.note; RETURN NEW; END$$;
CREATE TABLE s.t (
  id integer PRIMARY KEY, tags text[] DEFAULT '{a,NULL}', b bytea DEFAULT '\x00ff', f double precision,
  at timestamptz, on_day date, lasts interval, note s.word DEFAULT 'back\slash ''quote''', n numeric,
  parent integer REFERENCES s.t, CHECK (note <> 'x' OR (note = NULL) IS NULL)
);
CREATE INDEX by_tags ON s.t USING gin (tags);
CREATE VIEW s.none AS SELECT id FROM s.t WHERE note = NULL;
CREATE TRIGGER touch BEFORE UPDATE ON s.t FOR EACH ROW EXECUTE FUNCTION s.touch();
ALTER TABLE s.t ENABLE ROW LEVEL SECURITY;
INSERT INTO s.t SELECT i, ARRAY['x', NULL, 'NULL', E'q"\\'], decode(md5(i::text), 'hex'), i / 3.0,
  '2025-02-03 04:05:06.789012+05:45'::timestamptz + i * interval '1 hour', date '2025-02-03' + i,
  interval '-1 year 2 days -03:04:05.6' * i, E'ünï\\' || i, i / 7.0, 1
FROM generate_series(1, 2000) i;
"""


def test_every_setting_that_we_fix_is_set_oddly_here() -> None:
    assert {*FIXED_SETTINGS, *KNOWN_BY_SOME, *PRIVILEGED} - GONE == set(ODD)


@pytest.fixture
async def odd_places(pg16: Server, pg18: Server) -> None:
    for server in (pg16, pg18):
        conn = await server.connect()
        try:
            await conn.execute("SET allow_in_place_tablespaces = on")
            if not await conn.fetchval("SELECT count(*) FROM pg_tablespace WHERE spcname = 'odd_place'"):
                await conn.execute("CREATE TABLESPACE odd_place LOCATION ''")
        finally:
            await conn.close()


async def set_oddly(server: Server, database: str, whose: str) -> set[str]:
    """Set all that this server knows; whose: DATABASE, or ROLE for the role in that database. Their names."""
    conn = await server.connect(database)
    try:
        handler = "CREATE ACCESS METHOD odd_heap TYPE TABLE HANDLER heap_tableam_handler"
        await conn.execute(handler)
        done = set()
        subject = f"DATABASE {ident(database)}"
        if whose == "ROLE":
            subject = f"ROLE postgres IN DATABASE {ident(database)}"
        for name, value in ODD.items():
            try:
                await conn.execute(f"ALTER {subject} SET {name} = {value}")
                done.add(name)
            except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError):
                continue  # this version does not know it, or was built without that value
        return done
    finally:
        await conn.close()


@pytest.mark.parametrize("whose", ["DATABASE", "ROLE"])
async def test_all_is_carried_backed_up_restored_and_verified(
    source: Endpoint,
    target: Endpoint,
    pg16: Server,
    pg18: Server,
    odd_places: None,
    tmp_path: Path,
    whose: str,
) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(SCHEMA)
    by_psql, by_us = await pg18.fresh_database(), await pg18.fresh_database()
    before = await contents(source, "s")
    assert len(await set_oddly(pg16, source.database, whose)) > 35
    for endpoint in (target, by_psql, by_us):
        assert set(ODD) - await set_oddly(pg18, endpoint.database, whose) <= {"default_toast_compression"}
    assert await contents(source, "s") == before

    catalog = await prepare(source, target)
    await copy_tables(request_of(source, target, catalog), lambda _: None)
    verified = await verify_tables(source, target, catalog.tables, on_table=lambda _: None, workers=2)
    assert [(one.source_rows, one.match) for one in verified] == [(2000, True)]

    backup = await back_up(source, tmp_path, "s")
    assert promised(backup) == before
    async with connection(by_psql, read_only=False) as conn:
        # psql's first statements run before the file can lift its limits, and need a millisecond or two
        subject = "ROLE postgres IN DATABASE" if whose == "ROLE" else "DATABASE"
        await conn.execute(f"ALTER {subject} {ident(by_psql.database)} SET statement_timeout = 400")
    beyond_the_limits = "BEGIN; SELECT pg_sleep(0.6); COMMIT"
    restored = await program(
        18, "psql", by_psql, "-v", "ON_ERROR_STOP=1", "-q", "-f", str(backup.path), "-c", beyond_the_limits
    )
    assert restored.returncode == 0, restored.stderr
    await restore_backup(backup.path, by_us, item="restore", on_progress=lambda _: None)
    for endpoint in (target, by_psql, by_us):
        assert await contents(endpoint, "s") == before, endpoint
        async with connection(endpoint, read_only=False) as conn:
            # asked of a session without any oddness: what was made means what it meant in the source
            assert await conn.fetchval("SELECT count(*) FROM s.none") == 0
            assert await conn.fetchval("SELECT count(*) FROM s.t WHERE tags @> '{x}'") == 2000
            await conn.execute("INSERT INTO s.t (id) VALUES (0)")
            made = await conn.fetchrow("SELECT tags, b, note FROM s.t WHERE id = 0")
            assert made is not None
            assert (made["tags"], made["b"], made["note"]) == (
                ["a", None],
                b"\x00\xff",
                "back\\slash 'quote'",
            )
            odd = "SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE amname = 'odd_heap'"
            assert await conn.fetchval(odd) == 0
            assert await conn.fetchval("SELECT count(*) FROM pg_class WHERE reltablespace > 1664") == 0
    for endpoint in (by_psql, by_us):
        await pg18.drop_database(endpoint.database)


async def test_a_role_that_may_not_set_the_privileged_ones_can_connect(
    target: Endpoint, pg18: Server
) -> None:
    await pg18.execute("DROP ROLE IF EXISTS modest; CREATE ROLE modest LOGIN PASSWORD 'test-secret-7d1f'")
    await set_oddly(pg18, target.database, "DATABASE")
    modest = Endpoint(
        "pg18", target.host, target.port, target.database, "modest", password_env=target.password_env
    )
    async with connection(modest, read_only=True) as conn:
        assert await conn.fetchval("SHOW session_replication_role") == "replica"
        for name, value in KNOWN_BY_SOME.items():
            if name not in GONE:
                assert await conn.fetchval(f"SHOW {name}") == value
