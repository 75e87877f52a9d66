"""A schema carried from PostgreSQL 16 to 18 is the same schema, and carrying it again changes nothing."""

from __future__ import annotations

import pytest

from tests.data.edges import EDGES, carry, load, read
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.apply import ensure_schema
from wsdash.data.schema.compare import compare
from wsdash.data.schema.ddl import before_rows, post_data, pre_data
from wsdash.demo.world.schema import source_schema

MODELS = {
    "partitions": (source_schema("partitions"), "workspace"),
    "inheritance": (source_schema("inheritance"), "workspace"),
    "edges": (EDGES, "Edge Case"),
}


@pytest.mark.parametrize("model", list(MODELS))
async def test_what_was_carried_compares_as_the_same(source: Endpoint, target: Endpoint, model: str) -> None:
    sql, schema = MODELS[model]
    await load(source, sql)
    before = await read(source, schema)
    await carry(before, target)
    lines = compare(before, await read(target, schema))
    folded = {table.qualified for table in before.tables if table.hypertable or table.unlogged}
    wrong = [
        line
        for line in lines
        if line.fate != ("adapted" if line.kind == "table" and line.name in folded else "same")
        and line.fate != "not-carried"
    ]
    assert wrong == []
    assert {line.fate for line in lines if line.kind == "table"} <= {"same", "adapted"}


@pytest.mark.parametrize("model", list(MODELS))
async def test_carrying_again_creates_nothing(source: Endpoint, target: Endpoint, model: str) -> None:
    sql, schema = MODELS[model]
    await load(source, sql)
    catalog = await read(source, schema)
    first = await carry(catalog, target)
    assert len(first) > 20
    assert await carry(catalog, target) == []


@pytest.mark.parametrize("model", list(MODELS))
async def test_the_target_says_the_same_statements(source: Endpoint, target: Endpoint, model: str) -> None:
    sql, schema = MODELS[model]
    await load(source, sql)
    before = await read(source, schema)
    await carry(before, target)
    after = await read(target, schema)
    said = [(s.stage, s.kind, s.name) for s in pre_data(before) + post_data(before)]
    again = [(s.stage, s.kind, s.name) for s in pre_data(after) + post_data(after)]
    assert sorted(again) == sorted(said)


async def test_a_table_of_1500_columns_is_carried(source: Endpoint, target: Endpoint) -> None:
    columns = ", ".join(f'"Column {n}" integer DEFAULT {n}' for n in range(1500))
    await load(source, f"CREATE SCHEMA wide; CREATE TABLE wide.t ({columns})")
    catalog = await read(source, "wide")
    await carry(catalog, target)
    assert (await read(target, "wide")).tables[0].columns == catalog.tables[0].columns


async def test_the_carried_schema_works(source: Endpoint, target: Endpoint) -> None:
    await load(source, source_schema("partitions"))
    await carry(await read(source, "workspace"), target)
    async with connection(target, read_only=False) as conn:
        item = await conn.fetchval(
            "INSERT INTO workspace.workspace_items (title, category) VALUES ('a', 'dashboard') RETURNING id"
        )
        await conn.execute("UPDATE workspace.workspace_items SET status = 'review' WHERE id = $1", item)
        actions = await conn.fetch("SELECT action FROM workspace.workspace_audit_log ORDER BY id")
    assert [row["action"] for row in actions] == ["CREATE", "UPDATE"]


@pytest.mark.parametrize("model", list(MODELS))
async def test_before_rows_all_that_rows_need_is_there_and_nothing_else(
    source: Endpoint, target: Endpoint, model: str
) -> None:
    sql, schema = MODELS[model]
    await load(source, sql)
    catalog = await read(source, schema)
    async with connection(target, read_only=False) as conn:
        await ensure_schema(conn, pre_data(catalog))
    lines = compare(catalog, await read(target, schema))
    there = {(line.kind, line.name) for line in lines if line.fate in ("same", "adapted")}
    missing = {(line.kind, line.name) for line in lines if line.fate == "created"}
    assert there == before_rows(catalog)
    assert missing == {(statement.kind, statement.name) for statement in post_data(catalog)}
