"""Keys and indexes after the load: built in halves, taken up again after a crash, refused loudly."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.data.copying import carry, catalog_of, checksums, fetch, ignore, prepare, request_of, run_sql
from tests.support.servers import Server
from wsdash.data.copy.indexes import build_cost, builders_on, split_key
from wsdash.data.copy.run import copied_state, copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.ddl import post_data
from wsdash.errors import WsdashError

KEYS = """
CREATE SCHEMA s;
CREATE TABLE s."T t" (id int, "a b" text, c int, d tsrange,
  CONSTRAINT "the key" PRIMARY KEY (id) INCLUDE (c) WITH (fillfactor = 70),
  CONSTRAINT later UNIQUE ("a b", c) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT nulls UNIQUE NULLS NOT DISTINCT (c),
  CONSTRAINT apart EXCLUDE USING gist (d WITH &&),
  CONSTRAINT positive CHECK (id > 0));
CREATE INDEX gin_one ON s."T t" USING gin (to_tsvector('simple', "a b"));
CREATE TABLE s.child (id int REFERENCES s."T t");
INSERT INTO s."T t" SELECT n, 'x' || n, n, tsrange(date '2025-01-01' + n, date '2025-01-02' + n)
FROM generate_series(1, 50) n;
INSERT INTO s.child SELECT 7;
"""
DEFINITIONS = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 's'::regnamespace AND contype <> 'n' ORDER BY 1, 2"
)


def test_a_key_is_split_into_its_build_and_its_attachment() -> None:
    key = split_key('ALTER TABLE "s"."t" ADD CONSTRAINT "k" PRIMARY KEY (a, "B b") INCLUDE (c)')
    assert key is not None
    assert key.build == 'CREATE UNIQUE INDEX IF NOT EXISTS "k" ON "s"."t" USING btree (a, "B b") INCLUDE (c)'
    assert key.attach == 'ALTER TABLE "s"."t" ADD CONSTRAINT "k" PRIMARY KEY USING INDEX "k"'


@pytest.mark.parametrize(
    "definition",
    [
        "CHECK ((id > 0))",
        "FOREIGN KEY (id) REFERENCES s.t(id)",
        "EXCLUDE USING gist (d WITH &&)",
        "PRIMARY KEY (id, during WITHOUT OVERLAPS)",
        'PRIMARY KEY ("odd)name")',
    ],
)
def test_what_cannot_be_split_is_left_whole(definition: str) -> None:
    assert split_key(f'ALTER TABLE "s"."t" ADD CONSTRAINT "k" {definition}') is None


def test_the_costliest_build_is_begun_first() -> None:
    def index(rest: str) -> str:
        return f"CREATE INDEX i ON s.t USING {rest}"

    ordered = [
        index("gin (metadata jsonb_path_ops)"),
        index("btree (category, status, created_at DESC)"),
        index("btree (lower((title)::text))"),
        index("btree (status)"),
        index("btree (created_at DESC) WHERE ((priority)::text = 'critical'::text)"),
        index("brin (created_at)"),
    ]
    assert sorted(ordered, key=build_cost, reverse=True) == ordered


def test_on_this_machine_no_more_is_built_at_once_than_it_has_processors() -> None:
    here = Endpoint("target", "127.0.0.1", 5433, "workspace", "app")
    assert builders_on(here, 64) == max(2, len(os.sched_getaffinity(0)))
    assert builders_on(here, 1) == 1
    assert builders_on(replace(here, host="db.example.org"), 64) == 64


async def test_every_kind_of_constraint_is_as_in_the_source(source: Endpoint, target: Endpoint) -> None:
    await run_sql(source, KEYS)
    catalog, _ = await carry(source, target)
    assert await fetch(target, DEFINITIONS) == await fetch(source, DEFINITIONS)
    with pytest.raises(Exception, match="nulls"):
        await run_sql(target, 'INSERT INTO s."T t" (id) VALUES (100), (101)')
    assert await checksums(target, catalog) == await checksums(source, catalog)


async def test_a_key_whose_index_was_built_before_a_crash_is_attached(
    source: Endpoint, target: Endpoint
) -> None:
    await run_sql(source, KEYS)
    catalog = await prepare(source, target)
    await copy_tables(request_of(source, target, catalog, post=False), ignore)
    await run_sql(target, 'CREATE UNIQUE INDEX "the key" ON s."T t" (id) INCLUDE (c) WITH (fillfactor = 70)')
    result = await copy_tables(request_of(source, target, catalog), ignore)
    assert "s.T t.the key" in result.made
    assert await fetch(target, DEFINITIONS) == await fetch(source, DEFINITIONS)


async def test_rows_that_break_a_key_are_told_and_nothing_is_lost(source: Endpoint, target: Endpoint) -> None:
    await run_sql(
        source,
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
        "CREATE TABLE s.t1 PARTITION OF s.t FOR VALUES IN (1); INSERT INTO s.t VALUES (1, 1)",
    )
    catalog = await prepare(source, target)
    request = request_of(source, target, catalog)
    wrong = [replace(one, sql=one.sql.replace("(id, part)", "(part)")) for one in request.post]
    await run_sql(source, "INSERT INTO s.t VALUES (2, 1)")
    with pytest.raises(WsdashError, match="unique") as caught:
        await copy_tables(replace(request, post=wrong), ignore)
    assert str(target.port) in caught.value.where
    assert "correct them in the source" in caught.value.remedy
    await copy_tables(request, ignore)
    assert await checksums(target, catalog) == await checksums(source, catalog)


async def test_an_ordinary_owner_of_the_target_can_do_it_all(
    source: Endpoint, target: Endpoint, pg18: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"owner_{target.database}"
    await pg18.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    await pg18.execute(f"ALTER DATABASE {target.database} OWNER TO {role}")
    monkeypatch.setenv("WSDASH_TEST_OWNER", "x")
    owner = replace(target, user=role, password_env="WSDASH_TEST_OWNER")
    try:
        await run_sql(source, KEYS)
        catalog, _ = await carry(source, owner)
        await run_sql(source, 'UPDATE s."T t" SET "a b" = \'later\' WHERE id = 1')
        await copy_tables(request_of(source, owner, catalog), ignore)
        assert await checksums(owner, catalog) == await checksums(source, catalog)
        async with connection(owner, read_only=True) as conn:
            assert (await copied_state(conn, catalog.tables, "run-1", post_data(catalog))).complete
    finally:
        await pg18.drop_database(target.database)
        await pg18.execute(f"DROP ROLE {role}")


async def test_hundreds_of_tables_are_carried(source: Endpoint, target: Endpoint) -> None:
    one = "CREATE TABLE s.t{0} (id int PRIMARY KEY); INSERT INTO s.t{0} VALUES ({0});"
    tables = "".join(one.format(n) for n in range(200))
    await run_sql(source, f"CREATE SCHEMA s; {tables}")
    catalog, result = await carry(source, target)
    assert result.rows == 200
    assert len((await catalog_of(target)).tables) == len(catalog.tables) == 200
