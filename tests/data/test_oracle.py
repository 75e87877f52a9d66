"""Nothing is lost in silence: pg_dump of both sides after a migration, every difference named by `wsdash
schema`."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.data.backup_world import value
from tests.data.edges import EDGES, load, read
from tests.support.oracle import dump, unexplained, words
from tests.support.servers import Server
from wsdash.data.catalog.census import KNOWN, read_unexplained, read_unknown
from wsdash.data.catalog.read import Catalog
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.rehearsal.ddl import rehearse_ddl, with_findings
from wsdash.data.schema.apply import judge_statements, run_statement
from wsdash.data.schema.compare import compare
from wsdash.data.schema.ddl import post_data, pre_data, search_path
from wsdash.data.verify.checksum import row_source
from wsdash.demo.world.schema import source_schema
from wsdash.errors import WsdashError
from wsdash.model import SchemaObject

CORPUS = Path(__file__).parent / "corpus"
OWN = {
    "demo-partitions": (source_schema("partitions"), "workspace"),
    "demo-inheritance": (source_schema("inheritance"), "workspace"),
    "edges": (EDGES, "Edge Case"),
}
EVERYWHERE = ("kinds", "partitions", "inheritance", "database", "late", "late_index")
CASES = [(name, 16) for name in (*EVERYWHERE, *OWN)] + [
    (name, 15) for name in ("kinds", "partitions", "inheritance", "late_index")
]
CASES += [("eighteen", 18), ("kinds", 18), ("partitions", 18)]
OWN_SUBSCRIPTIONS = """
SELECT subname FROM pg_subscription
WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
PARTS = """
WITH RECURSIVE tree(root, oid) AS (
  SELECT inhparent, inhrelid FROM pg_inherits WHERE inhparent NOT IN (SELECT inhrelid FROM pg_inherits)
  UNION SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
SELECT oid::regclass::text AS part, root::regclass::text AS root FROM tree ORDER BY 1 DESC
"""


@pytest.fixture
async def databases(
    request: pytest.FixtureRequest, pg18: Server
) -> AsyncIterator[tuple[Endpoint, Endpoint, str]]:
    """A source with a schema of the corpus, an empty target on PostgreSQL 18, and the schema's name."""
    name, version = request.param
    server: Server = request.getfixturevalue("timescale_server" if version == 0 else f"pg{version}")
    for each in {id(server): server, id(pg18): pg18}.values():
        await each.execute((CORPUS / "roles.sql").read_text())
    source, target = await server.fresh_database(), await pg18.fresh_database()
    sql, schema = OWN.get(name) or ((CORPUS / f"{name}.sql").read_text(), "corpus")
    try:
        await load(source, sql)
        yield source, target, schema
    finally:
        await _drop_subscriptions(source)
        await server.drop_database(source.database)
        await pg18.drop_database(target.database)


async def _drop_subscriptions(source: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        for row in await conn.fetch(OWN_SUBSCRIPTIONS):
            name = row["subname"]
            await conn.execute(f"ALTER SUBSCRIPTION {name} DISABLE")
            await conn.execute(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)")
            await conn.execute(f"DROP SUBSCRIPTION {name}")


async def migrated(
    source: Endpoint, target: Endpoint, schema: str
) -> tuple[Catalog, tuple[SchemaObject, ...], dict[tuple[str, str], str]]:
    """Carry all that can be carried, rows included: the catalog, the comparison made before, and what
    failed."""
    catalog = await read(source, schema)
    lines = compare(catalog, await read(target, schema))
    lines = with_findings(lines, await rehearse_ddl(source, schema, target, catalog=catalog))
    failed: dict[tuple[str, str], str] = {}
    path = {"search_path": search_path(schema)}  # as the copy has it
    async with (
        connection(source, read_only=True) as old,
        connection(target, read_only=False, settings=path) as new,
    ):
        for statements in (pre_data(catalog), post_data(catalog)):
            for one, fate, detail in await judge_statements(new, statements):
                if fate == "blocks":
                    failed[one.kind, one.name] = detail
                elif fate == "created":
                    try:
                        await run_statement(new, one)
                    except WsdashError as error:
                        failed[one.kind, one.name] = str(error)
            if statements and statements[0].stage == 0:
                await _rows(old, new, catalog, failed)
    return catalog, lines, failed


async def _rows(
    old: asyncpg.Connection,
    new: asyncpg.Connection,
    catalog: Catalog,
    failed: dict[tuple[str, str], str],
) -> None:
    for table in catalog.tables:
        if ("table", table.qualified) in failed:
            continue
        data = io.BytesIO()
        await old.copy_from_query(row_source(table), output=data, format="binary")
        data.seek(0)
        columns = [column.name for column in table.copied_columns]
        try:
            await new.copy_to_table(
                table.name, schema_name=table.schema, columns=columns or None, source=data, format="binary"
            )
        except asyncpg.PostgresError as error:
            failed["rows", table.qualified] = str(error)


async def _parts(source: Endpoint) -> dict[str, str]:
    async with connection(source, read_only=True) as conn:
        rows = await conn.fetch(PARTS)
    return {row["part"]: row["root"] for row in rows}


@pytest.mark.parametrize("databases", CASES, indirect=True, ids=lambda case: f"{case[0]}-{case[1]}")
async def test_every_difference_is_named_and_nothing_fails_late(
    databases: tuple[Endpoint, Endpoint, str],
) -> None:
    await _judged(*databases)


@pytest.mark.timescaledb
@pytest.mark.parametrize("databases", [("timescale", 0)], indirect=True)
async def test_on_real_timescaledb_every_difference_is_named(
    databases: tuple[Endpoint, Endpoint, str],
) -> None:
    await _judged(*databases)


async def _judged(source: Endpoint, target: Endpoint, schema: str) -> None:
    before = await asyncio.to_thread(dump, source)
    if await value(source, "SHOW server_version_num") < "150000":
        # pg_dump of 15 and later tells what an older server's schema public has been made with
        before = {
            entry: body for entry, body in before.items() if entry[2] not in ("public", "SCHEMA public")
        }
    _, lines, failed = await migrated(source, target, schema)
    blocking = {(line.kind, line.name) for line in lines if line.fate == "blocks"}
    assert {key: why for key, why in failed.items() if key not in blocking} == {}
    after = await asyncio.to_thread(dump, target)
    assert unexplained(before, after, lines, await _parts(source), schema) == []


@pytest.mark.parametrize("databases", [("kinds", 16)], indirect=True)
async def test_the_oracle_finds_what_no_line_names(databases: tuple[Endpoint, Endpoint, str]) -> None:
    source, target, schema = databases
    _, lines, _ = await migrated(source, target, schema)
    before = dump(source)
    lost = {
        "RULE kept ON corpus.parts": "RULE",
        "CAST (corpus.pair AS text)": "CAST",
        "COLLATION corpus.posixly": "COLLATION",
        "STATISTICS corpus.things_expression": "STATISTICS",
    }
    async with connection(target, read_only=False) as conn:
        for name in lost:
            await conn.execute(f"DROP {name}")
        await conn.execute("ALTER TABLE corpus.things ALTER label SET STATISTICS 7")
    found = unexplained(before, dump(target), lines, {}, schema)
    assert {line.split()[0] for line in found} >= {*lost.values(), "TABLE"}


@pytest.mark.parametrize("databases", [("kinds", 16), ("partitions", 16)], indirect=True)
async def test_the_census_lists_what_nothing_stands_for(databases: tuple[Endpoint, Endpoint, str]) -> None:
    source, _, schema = databases
    async with connection(source, read_only=True) as conn:
        namespace = await conn.fetchval("SELECT $1::regnamespace::oid", schema)
        everything = await read_unexplained(conn, namespace, [], [])
        named = {f"{draft.item.kind} {draft.item.name}" for draft in everything}
        without_one = await read_unexplained(
            conn, namespace, [ref for draft in everything for ref in draft.refs[:1]][1:], []
        )
    assert len(named) > 20
    assert [draft.item for draft in without_one] == [everything[0].item]
    catalog = await read(source, schema)
    assert not [item for item in catalog.items if "does not know" in item.left_out]


@pytest.mark.parametrize("version", [15, 16, 18])
async def test_every_column_of_every_system_catalog_is_known(
    request: pytest.FixtureRequest, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Server = request.getfixturevalue(f"pg{version}")
    conn = await server.connect()
    try:
        assert [draft.item.name for draft in await read_unknown(conn, always=True)] == []
        monkeypatch.delitem(KNOWN["pg_cast"], "castmethod")
        assert [draft.item.name for draft in await read_unknown(conn, always=True)] == [
            "pg_cast (castmethod)"
        ]
    finally:
        await conn.close()


def test_words_keep_operators() -> None:
    assert words("corpus.### (corpus.pair, corpus.pair)") == {"corpus", "###", "pair"}
