"""Rows carried through a mapping: what arrives, that it is proven equal, and that differences are found."""

from __future__ import annotations

import pytest

from tests.data.copying import fetch, ignore, run_sql
from tests.data.mapping_world import SOURCE, fitted, make_target, mapped_request
from wsdash.data.copy.run import copy_tables
from wsdash.data.mapping.types import MappedTables
from wsdash.data.pg.connect import Endpoint
from wsdash.data.verify.run import verify_tables
from wsdash.model import TableVerified


async def carried(source: Endpoint, target: Endpoint) -> MappedTables:
    """The real case, copied."""
    await run_sql(source, SOURCE)
    await make_target(target)
    mapped = await fitted(source, target)
    await copy_tables(await mapped_request(source, target, mapped), ignore)
    return mapped


async def verified(source: Endpoint, target: Endpoint, mapped: MappedTables) -> dict[str, TableVerified]:
    """Both sides compared through the mapping."""
    found = await verify_tables(source, target, mapped.tables, on_table=lambda _: None, workers=2)
    return {result.name: result for result in found}


async def test_the_real_case_arrives_row_by_row_as_the_mapping_says(
    source: Endpoint, target: Endpoint
) -> None:
    mapped = await carried(source, target)
    expected = await fetch(
        source,
        "SELECT id::text AS old, title, coalesce(description, ''), category, priority, status, "
        "tags, metadata::text, created_at, updated_at FROM workspace.workspace_items ORDER BY created_at, id",
    )
    arrived = await fetch(
        target,
        "SELECT k.old_id::text AS old, i.title, i.description, c.name AS category, i.priority, i.status, "
        "i.tags, i.metadata::text, i.created_at, i.updated_at FROM workspace.workspace_items i "
        "JOIN wsdash.key_map_workspace_items k ON k.new_id = i.id "
        "JOIN workspace.workspace_categories c ON c.id = i.category_id ORDER BY i.id",
    )
    assert [tuple(row) for row in arrived] == [tuple(row) for row in expected]
    assert len(arrived) == 400
    names = await fetch(target, "SELECT id, name FROM workspace.workspace_categories ORDER BY id")
    assert [tuple(row) for row in names] == [(1, "coleta-dados"), (2, "dashboard"), (3, "gestao-riscos")]
    entries = await fetch(
        target,
        "SELECT count(*) FILTER (WHERE a.item_id IS NULL) AS gone, count(*) AS all, "
        "count(*) FILTER (WHERE a.old_item_id = k.old_id) AS same FROM workspace.workspace_audit_log a "
        "LEFT JOIN wsdash.key_map_workspace_items k ON k.new_id = a.item_id",
    )
    assert tuple(entries[0]) == (10, 410, 400)
    results = await verified(source, target, mapped)
    assert {name: (r.match, r.source_rows, r.differences) for name, r in results.items()} == {
        "workspace.workspace_categories": (True, 3, ()),
        "workspace.workspace_items": (True, 400, ()),
        "workspace.workspace_audit_log": (True, 410, ()),
    }


async def test_the_next_new_row_gets_the_next_key(source: Endpoint, target: Endpoint) -> None:
    await carried(source, target)
    await run_sql(
        target,
        "INSERT INTO workspace.workspace_items (title, description, category_id, priority, status, "
        "created_at) VALUES ('new', '', 1, 'low', 'new', now())",
        "INSERT INTO workspace.workspace_categories (name, description) VALUES ('more', '')",
    )
    assert (await fetch(target, "SELECT max(id) FROM workspace.workspace_items"))[0][0] == 401
    assert (await fetch(target, "SELECT max(id) FROM workspace.workspace_categories"))[0][0] == 4


CHANGES = {
    "a cell": ("UPDATE workspace.workspace_items SET title = 'x' WHERE id = 7", "title 'item"),
    "a filled null": ("UPDATE workspace.workspace_items SET description = ' ' WHERE description = ''", "''"),
    "a missing row": ("DELETE FROM workspace.workspace_audit_log WHERE id = 5", "missing in"),
    "a row too many": (
        "INSERT INTO workspace.workspace_audit_log (action) VALUES ('x')",
        "only in",
    ),
    "two keys swapped": (
        "UPDATE workspace.workspace_items SET category_id = 3 - category_id WHERE id IN (3, 4, 5, 6) "
        "AND category_id < 3",
        "category_id",
    ),
    "a pair of keys changed": (
        "UPDATE wsdash.key_map_workspace_items SET new_id = -new_id WHERE new_id = 9",
        "no old key",
    ),
    "another reference": ("UPDATE workspace.workspace_audit_log SET item_id = 1 WHERE id = 8", "item_id"),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_difference_is_found_through_the_mapping_and_told_by_the_old_key(
    source: Endpoint, target: Endpoint, what: str
) -> None:
    mapped = await carried(source, target)
    sql, told = CHANGES[what]
    await run_sql(target, "ALTER TABLE workspace.workspace_items DISABLE TRIGGER USER", sql)
    results = await verified(source, target, mapped)
    differing = [result for result in results.values() if not result.match]
    assert differing
    assert told in " ".join(line for result in differing for line in result.differences)


async def test_a_value_changed_in_the_source_is_found_too(source: Endpoint, target: Endpoint) -> None:
    mapped = await carried(source, target)
    await run_sql(source, "UPDATE workspace.workspace_items SET description = 'new' WHERE title = 'item 6'")
    result = (await verified(source, target, mapped))["workspace.workspace_items"]
    assert not result.match
    assert "description 'new' -> ''" in result.differences[0]
