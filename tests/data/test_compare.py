"""What compare says of each object, and what it refuses."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from tests.data.edges import carry, load, read
from tests.support.servers import PASSWORD, Server
from wsdash.data.catalog.read import Catalog
from wsdash.data.pg.connect import Endpoint
from wsdash.data.schema.compare import compare
from wsdash.demo.world.schema import source_schema
from wsdash.model import SchemaObject

TABLE = """
CREATE SCHEMA s;
CREATE TABLE s.t (id integer PRIMARY KEY, title varchar(50) NOT NULL, body text, n integer DEFAULT 1,
  CONSTRAINT n_range CHECK (n IN (1, 2)));
CREATE INDEX t_title ON s.t (title);
"""


async def compared(source: Endpoint, target: Endpoint, here: str, there: str) -> dict[str, SchemaObject]:
    """Lines by 'kind name' for two hand-made schemas s."""
    await load(source, here)
    await load(target, there)
    lines = compare(await read(source, "s"), await read(target, "s"))
    return {f"{line.kind} {line.name}": line for line in lines}


async def test_without_a_target_everything_will_be_created(source: Endpoint) -> None:
    await load(source, source_schema("partitions"))
    lines = compare(await read(source, "workspace"), None)
    assert {line.fate for line in lines} == {"created", "not-carried"}
    items = next(line for line in lines if line.kind == "table" and line.name == "workspace.workspace_items")
    assert items.fate == "created"
    assert "plain table instead of" in items.detail
    assert "12 columns, key (id, created_at)" in items.detail


async def test_an_empty_target_says_the_same_as_none(source: Endpoint, target: Endpoint) -> None:
    await load(source, TABLE)
    catalog = await read(source, "s")
    fates = [(line.kind, line.name, line.fate) for line in compare(catalog, await read(target, "s"))]
    assert fates == [(line.kind, line.name, line.fate) for line in compare(catalog, None)]


@pytest.mark.parametrize("kind", ["partitions", "inheritance"])
async def test_hypertable_machinery_is_named_and_not_carried(source: Endpoint, kind: str) -> None:
    await load(source, source_schema(kind))
    lines = compare(await read(source, "workspace"), None)
    left = {(line.kind, line.name): line.detail for line in lines if line.fate == "not-carried"}
    assert "folded into one table" in left["chunks", "workspace.workspace_items"]
    assert ("chunk schema", "_timescaledb_internal") in left
    assert ("ownership", "postgres") in left
    routed = ("trigger", "workspace.workspace_items.ts_insert_blocker") in left
    assert routed == (kind == "inheritance")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE s.t DROP COLUMN body", "column body (text) is missing"),
        ("ALTER TABLE s.t ALTER body TYPE varchar(9)", "column body is text in the source"),
        ("ALTER TABLE s.t ALTER id TYPE bigint", "column id is integer in the source and bigint"),
        ("ALTER TABLE s.t ALTER title TYPE varchar(49)", "alter its type in the target"),
        ("ALTER TABLE s.t ALTER body SET NOT NULL", "drop its NOT NULL"),
        ("ALTER TABLE s.t ADD extra integer NOT NULL", "give it a default"),
        (
            "ALTER TABLE s.t DROP n; ALTER TABLE s.t ADD n integer GENERATED ALWAYS AS (id) STORED",
            "generated in the target only",
        ),
    ],
)
async def test_a_table_that_would_not_take_the_rows_blocks(
    source: Endpoint, target: Endpoint, change: str, said: str
) -> None:
    lines = await compared(source, target, TABLE, TABLE + change)
    assert lines["table s.t"].fate == "blocks"
    assert said in lines["table s.t"].detail


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE s.t ALTER title TYPE text", "column title is character varying(50)"),
        ("ALTER TABLE s.t ALTER title TYPE varchar(60)", "varying(60) in the target"),
        ("ALTER TABLE s.t ALTER title DROP NOT NULL", "column title may be null in the target"),
        ("ALTER TABLE s.t ALTER n SET DEFAULT 2", "default 1 in the source, 2 in the target"),
        ("ALTER TABLE s.t ADD extra integer", "column extra is only in the target"),
        ("ALTER TABLE s.t DROP body; ALTER TABLE s.t ADD body text", "another order"),
    ],
)
async def test_a_looser_table_is_adapted(source: Endpoint, target: Endpoint, change: str, said: str) -> None:
    lines = await compared(source, target, TABLE, TABLE + change)
    assert lines["table s.t"].fate == "adapted"
    assert said in lines["table s.t"].detail


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("DROP INDEX s.t_title; CREATE INDEX t_title ON s.t (title DESC)", "index s.t_title"),
        (
            "ALTER TABLE s.t DROP CONSTRAINT n_range, ADD CONSTRAINT n_range CHECK (n IN (1, 3))",
            "constraint s.t.n_range",
        ),
        (
            "ALTER TABLE s.t DROP CONSTRAINT t_pkey, ADD CONSTRAINT other PRIMARY KEY (title)",
            "constraint s.t.t_pkey",
        ),
    ],
)
async def test_a_differing_object_blocks(source: Endpoint, target: Endpoint, change: str, name: str) -> None:
    lines = await compared(source, target, TABLE, TABLE + change)
    assert lines[name].fate == "blocks"
    assert "drop" in lines[name].detail


async def test_the_same_index_and_key_under_other_names_do(source: Endpoint, target: Endpoint) -> None:
    change = "ALTER INDEX s.t_title RENAME TO idx; ALTER TABLE s.t RENAME CONSTRAINT t_pkey TO pk"
    lines = await compared(source, target, TABLE, TABLE + change)
    assert lines["index s.t_title"] == SchemaObject("index", "s.t_title", "same", "as s.idx")
    assert lines["constraint s.t.t_pkey"].fate == "same"
    assert "index s.idx" not in lines


async def test_a_comment_on_what_is_named_otherwise_is_not_carried(
    source: Endpoint, target: Endpoint
) -> None:
    change = "ALTER INDEX s.t_title RENAME TO idx; ALTER TABLE s.t RENAME CONSTRAINT t_pkey TO pk;"
    comments = "COMMENT ON INDEX s.t_title IS 'a'; COMMENT ON CONSTRAINT t_pkey ON s.t IS 'b'"
    lines = await compared(source, target, TABLE + comments, TABLE + change)
    assert lines["comment index s.t_title"].fate == "not-carried"
    assert lines["comment constraint s.t.t_pkey"].fate == "not-carried"
    assert await carry(await read(source, "s"), target) == []


async def test_what_only_the_target_has_is_left_alone(source: Endpoint, target: Endpoint) -> None:
    lines = await compared(source, target, TABLE, TABLE + "CREATE VIEW s.v AS SELECT 1 AS a")
    assert lines["view s.v"] == SchemaObject("view", "s.v", "adapted", "only in the target; left alone")


async def test_a_view_in_a_tables_place_blocks(source: Endpoint, target: Endpoint) -> None:
    lines = await compared(source, target, TABLE, "CREATE SCHEMA s; CREATE VIEW s.t AS SELECT 1 AS id")
    assert lines["table s.t"].fate == "blocks"
    assert "has a view of that name" in lines["table s.t"].detail


async def test_an_extension_the_target_offers_is_created(source: Endpoint, target: Endpoint) -> None:
    here = "CREATE EXTENSION vector SCHEMA public; CREATE SCHEMA s; CREATE TABLE s.t (v public.vector(3)[])"
    lines = await compared(source, target, here, "SELECT 1")
    assert lines["extension vector"].fate == "created"
    assert "needed by s.t" in lines["extension vector"].detail
    made = await carry(await read(source, "s"), target)
    assert made[0] == "vector"
    assert (await read(target, "s")).tables[0].columns[0].type == "public.vector(3)[]"


async def test_an_extension_the_target_lacks_blocks(source: Endpoint, target: Endpoint) -> None:
    await load(
        source, "CREATE EXTENSION vector SCHEMA public; CREATE SCHEMA s; CREATE TABLE s.t (v public.vector)"
    )
    bare: Catalog = replace(await read(target, "s"), available=frozenset())
    lines = [line for line in compare(await read(source, "s"), bare) if line.fate == "blocks"]
    assert [(line.kind, line.name) for line in lines] == [("extension", "vector")]
    assert "install it" in lines[0].detail


async def test_what_lies_outside_the_schema_blocks_until_it_is_there(
    source: Endpoint, target: Endpoint
) -> None:
    other = (
        "CREATE SCHEMA o; CREATE TABLE o.parent (id integer PRIMARY KEY); CREATE TYPE o.mood AS ENUM ('a');"
    )
    child = "CREATE SCHEMA s; CREATE TABLE s.c (p integer REFERENCES o.parent, m o.mood)"
    await load(source, other + child)
    catalog = await read(source, "s")
    before = {(line.kind, line.fate) for line in compare(catalog, await read(target, "s"))}
    assert {("table", "blocks"), ("constraint", "blocks")} <= before
    await load(target, other)
    assert "blocks" not in {line.fate for line in compare(catalog, await read(target, "s"))}


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "CREATE SCHEMA s; CREATE TABLE s.p (a integer); CREATE TABLE s.c (b integer) INHERITS (s.p)",
            "has columns of its own (b)",
        ),
        (
            "CREATE SCHEMA s; CREATE TABLE public.p (a integer) PARTITION BY LIST (a);"
            "CREATE TABLE s.c PARTITION OF public.p DEFAULT",
            "lies outside the schema",
        ),
    ],
)
async def test_children_whose_rows_would_be_lost_block(source: Endpoint, sql: str, said: str) -> None:
    await load(source, sql)
    lines = [line for line in compare(await read(source, "s"), None) if line.fate == "blocks"]
    assert [line.name for line in lines] == ["s.c"]
    assert said in lines[0].detail


async def test_what_surrounds_the_schema_is_named_and_not_carried(source: Endpoint) -> None:
    await load(source, TABLE)
    await load(
        source,
        "CREATE PUBLICATION feed FOR TABLE s.t; "
        "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO PUBLIC; SELECT lo_create(0); "
        "CREATE FUNCTION s.guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
        "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION s.guard();",
    )
    lines = {f"{line.kind} {line.name}": line.fate for line in compare(await read(source, "s"), None)}
    for name in (
        "publication feed",
        "default privileges postgres in schema s",
        "large objects 1",
        "event trigger guard",
    ):
        assert lines[name] == "not-carried", name


async def test_settings_of_the_database_are_named_without_their_values(source: Endpoint) -> None:
    await load(
        source, f"ALTER DATABASE \"{source.database}\" SET app.secret = 'hidden-value'; CREATE SCHEMA s"
    )
    lines = [line for line in compare(await read(source, "s"), None) if line.kind == "setting"]
    assert [line.name for line in lines] == ["app.secret"]
    assert "hidden-value" not in repr(lines)


async def test_without_the_right_to_make_roles_grants_are_left_out_knowingly(
    source: Endpoint, pg18: Server
) -> None:
    role, user = (f"r_{uuid.uuid4().hex[:8]}" for _ in range(2))
    await load(
        source,
        f"CREATE ROLE {role}; CREATE SCHEMA s; CREATE TABLE s.t (a int); GRANT SELECT ON s.t TO {role}",
    )
    await pg18.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
    database = await pg18.fresh_database()
    await pg18.execute(f'ALTER DATABASE "{database.database}" OWNER TO {user}')
    target = replace(database, user=user)
    try:
        catalog = await read(source, "s")
        await carry(catalog, target)
        lines = {line.kind: line for line in compare(catalog, await read(target, "s"))}
        assert lines["role"].fate == "not-carried"
        assert lines["grant"].fate == "not-carried"
        assert lines["table"].fate == "same"
    finally:
        await pg18.drop_database(database.database)
        await pg18.execute(f"DROP ROLE {user}")
        await load(source, f"DROP OWNED BY {role}; DROP ROLE {role}")
