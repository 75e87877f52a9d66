"""What the target's own server says of the DDL before anything is stopped."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from tests.data.edges import EDGES, carry, load, read
from tests.support.servers import PASSWORD, Server
from wsdash.data.pg.connect import Endpoint
from wsdash.data.rehearsal.ddl import DdlFinding, rehearse_ddl
from wsdash.demo.world.schema import source_schema


async def rehearsed(source: Endpoint, target: Endpoint, sql: str, schema: str = "s") -> list[DdlFinding]:
    """The findings for a hand-made schema; the target is as empty afterwards as before."""
    await load(source, sql)
    before = await read(target, schema)
    found = await rehearse_ddl(source, schema, target)
    assert await read(target, schema) == before
    return list(found.findings)


@pytest.mark.parametrize(
    ("sql", "schema"), [(source_schema("partitions"), "workspace"), (EDGES, "Edge Case")]
)
async def test_a_schema_that_fits_has_no_findings_and_leaves_nothing(
    source: Endpoint, target: Endpoint, sql: str, schema: str
) -> None:
    assert await rehearsed(source, target, sql, schema) == []


async def test_sample_rows_go_along(source: Endpoint, target: Endpoint) -> None:
    await load(source, "CREATE SCHEMA s; CREATE TABLE s.t AS SELECT n FROM generate_series(1, 100) n")
    found = await rehearse_ddl(source, "s", target)
    assert (found.rows, found.server_version // 10000, found.findings) == (20, 18, ())


UNQUALIFIED = """ CREATE SCHEMA s; SET search_path = s; CREATE FUNCTION helper(integer) RETURNS integer
LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'; CREATE FUNCTION outer_one(integer) RETURNS integer LANGUAGE
plpgsql IMMUTABLE
  AS 'BEGIN RETURN helper($1); END'; CREATE TABLE t (id integer PRIMARY KEY, n integer);
INSERT INTO t VALUES (1, 5); RESET search_path;
"""


async def test_an_index_whose_function_finds_nothing_by_the_search_path(
    source: Endpoint, target: Endpoint
) -> None:
    index = "SET search_path = s; CREATE INDEX t_n ON t (outer_one(n)); RESET search_path"
    (finding,) = await rehearsed(source, target, UNQUALIFIED + index)
    assert (finding.kind, finding.name) == ("index", "s.t_n")
    assert "helper" in finding.problem


async def test_checks_and_generated_columns_find_what_they_found_in_the_source(
    source: Endpoint, target: Endpoint
) -> None:
    more = "SET search_path = s; ALTER TABLE t ADD CHECK (outer_one(n) > 0), "
    more += "ADD m integer GENERATED ALWAYS AS (outer_one(id)) STORED; RESET search_path"
    assert await rehearsed(source, target, UNQUALIFIED + more) == []


async def test_children_that_repeat_a_key_are_found_wherever_they_lie(
    source: Endpoint, target: Endpoint
) -> None:
    sql = "CREATE SCHEMA s; CREATE TABLE s.p (id integer PRIMARY KEY);"
    sql += "CREATE TABLE s.c (PRIMARY KEY (id)) INHERITS (s.p);"
    sql += "CREATE TABLE s.d (PRIMARY KEY (id)) INHERITS (s.p);"
    sql += "INSERT INTO s.c SELECT generate_series(1, 500);"
    sql += "INSERT INTO s.d SELECT generate_series(499, 900)"
    (finding,) = await rehearsed(source, target, sql)
    assert (finding.kind, finding.name) == ("rows", "s.p")
    assert "more than once" in finding.problem


async def test_a_foreign_key_does_not_miss_rows_that_are_no_samples(
    source: Endpoint, target: Endpoint
) -> None:
    sql = "CREATE SCHEMA s; CREATE TABLE s.p (id integer PRIMARY KEY);"
    sql += "CREATE TABLE s.c (p integer REFERENCES s.p);"
    sql += "INSERT INTO s.p SELECT generate_series(1, 500); INSERT INTO s.c VALUES (499)"
    assert await rehearsed(source, target, sql) == []


async def test_a_view_over_a_system_view_that_changed_and_what_follows_from_it(
    source: Endpoint, target: Endpoint
) -> None:
    # PostgreSQL 17 took these columns out of pg_stat_bgwriter
    sql = "CREATE SCHEMA s; CREATE VIEW s.a AS SELECT checkpoints_timed FROM pg_stat_bgwriter;"
    sql += "CREATE VIEW s.b AS SELECT * FROM s.a"
    first, second = await rehearsed(source, target, sql)
    assert (first.name, first.after) == ("s.a", "")
    assert (second.name, second.after) == ("s.b", "view s.a")


async def test_a_differing_object_of_the_target_is_a_finding(source: Endpoint, target: Endpoint) -> None:
    await load(target, "CREATE SCHEMA s; CREATE TABLE s.t (id text)")
    await load(source, "CREATE SCHEMA s; CREATE TABLE s.t (id integer)")
    (finding,) = (await rehearse_ddl(source, "s", target)).findings
    assert "id is integer in the source and text in the target" in finding.problem


async def test_a_user_who_is_no_superuser_meets_its_limits_early(source: Endpoint, pg18: Server) -> None:
    user = f"r_{uuid.uuid4().hex[:8]}"
    await pg18.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
    database = await pg18.fresh_database()
    await pg18.execute(f'ALTER DATABASE "{database.database}" OWNER TO {user}')
    sql = "CREATE SCHEMA s; CREATE TABLE s.t (id integer PRIMARY KEY); INSERT INTO s.t VALUES (1);"
    sql += "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    sql += "CREATE FUNCTION s.f() RETURNS integer LANGUAGE sql LEAKPROOF AS 'SELECT 1'"
    try:
        findings = await rehearsed(source, replace(database, user=user), sql)
        assert [finding.kind for finding in findings] == ["function", "rows"]
        assert "BYPASSRLS" in findings[1].remedy
    finally:
        await pg18.drop_database(database.database)
        await pg18.execute(f"DROP ROLE {user}")


async def test_a_scratch_server_will_do(source: Endpoint, pg18: Server) -> None:
    async def scratch() -> set[str]:
        conn = await pg18.connect()
        try:
            rows = await conn.fetch(
                "SELECT datname FROM pg_database WHERE datname LIKE 'wsdash\\_scratch\\_%'"
            )
        finally:
            await conn.close()
        return {row["datname"] for row in rows}

    await load(source, "CREATE SCHEMA s; CREATE TABLE s.t (id integer PRIMARY KEY)")
    before = await scratch()
    found = await rehearse_ddl(source, "s", pg18.endpoint(), scratch=True)
    assert found.findings == ()
    assert await scratch() <= before


async def test_a_view_from_a_server_before_16_is_carried_once(older: Endpoint, target: Endpoint) -> None:
    sql = "CREATE SCHEMA s; CREATE TABLE s.t (id integer, n integer);"
    sql += "CREATE VIEW s.v AS SELECT id, n FROM s.t; CREATE MATERIALIZED VIEW s.m AS SELECT id FROM s.t;"
    sql += "CREATE RULE r AS ON INSERT TO s.v DO INSTEAD INSERT INTO s.t VALUES (NEW.id, NEW.n)"
    await load(older, sql)
    catalog = await read(older, "s")
    assert {"s.v", "s.m", "s.v.r"} <= set(await carry(catalog, target))
    assert await carry(catalog, target) == []
