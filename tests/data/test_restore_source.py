"""Giving a source back what it lost: missing and empty tables only, through the root, with triggers off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.backup_world import (
    ODD,
    ODD_SCHEMA,
    back_up,
    contents,
    make_workspace,
    promised,
    quiet,
    run_sql,
    value,
)
from tests.support.servers import Server
from wsdash.data.pg.connect import Endpoint
from wsdash.data.restore.source import restore_missing_into_source
from wsdash.errors import RefusedError, WsdashError

ITEMS = "workspace.workspace_items"
AUDIT = "workspace.workspace_audit_log"
EMPTY_BOTH = f"TRUNCATE {ITEMS}, {AUDIT}"


@pytest.mark.parametrize("kind", ["partitions", "inheritance"])
async def test_emptied_hypertables_get_their_rows_back_in_their_chunks(
    source: Endpoint, tmp_path: Path, kind: str
) -> None:
    await make_workspace(source, kind, 200)
    manifest = await back_up(source, tmp_path)
    await run_sql(source, EMPTY_BOTH)
    result = await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)
    assert await contents(source, "workspace") == promised(manifest)
    assert result.rows == {ITEMS: 200, AUDIT: 200}
    assert set(result.left_alone) == {"workspace.workspace_categories", "workspace.schema_version"}
    assert await value(source, f"SELECT count(*) FROM ONLY {ITEMS}") == 0
    states = "SELECT array_agg(DISTINCT tgenabled::text) FROM pg_trigger WHERE NOT tgisinternal"
    assert await value(source, states) == ["O"]


@pytest.mark.parametrize("kind", ["partitions", "inheritance"])
async def test_new_items_work_as_before_afterwards(source: Endpoint, tmp_path: Path, kind: str) -> None:
    await make_workspace(source, kind, 20)
    manifest = await back_up(source, tmp_path)
    await run_sql(source, EMPTY_BOTH)
    await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)
    await run_sql(source, f"INSERT INTO {ITEMS} (title, category) VALUES ('after', 'dashboard')")
    assert await value(source, f"SELECT count(*) FROM {AUDIT}") == 21


async def test_a_missing_table_is_made_again_with_all_that_belongs_to_it(
    source: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, ODD)
    manifest = await back_up(source, tmp_path, ODD_SCHEMA)
    describe = "SELECT array_agg(indexdef ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'odd \"one'"
    before = await value(source, describe)
    await run_sql(source, 'DROP TABLE "odd ""one".serial; DROP TABLE "odd ""one"."Va lues"')
    result = await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)
    assert await contents(source, ODD_SCHEMA) == promised(manifest)
    assert sorted(result.rows) == ['odd "one.Va lues', 'odd "one.serial']
    assert await value(source, describe) == before
    assert await value(source, 'INSERT INTO "odd ""one".serial DEFAULT VALUES RETURNING id') == 8


async def test_a_lost_schema_comes_back_whole(source: Endpoint, tmp_path: Path) -> None:
    await run_sql(source, ODD)
    manifest = await back_up(source, tmp_path, ODD_SCHEMA)
    await run_sql(source, 'DROP SCHEMA "odd ""one" CASCADE')
    await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)
    assert await contents(source, ODD_SCHEMA) == promised(manifest)


async def test_nothing_is_done_where_nothing_is_missing(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=10)
    manifest = await back_up(source, tmp_path)
    result = await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)
    assert result.rows == {}
    assert len(result.left_alone) == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (f"DELETE FROM {ITEMS} WHERE title = 'item 3'", r"workspace_items: 9 rows, the backup has 10"),
        (f"UPDATE {ITEMS} SET title = 'x' WHERE title = 'item 3'", r"workspace_items: as many rows, other"),
    ],
)
async def test_rows_that_differ_refuse_and_change_nothing(
    source: Endpoint, tmp_path: Path, change: str, told: str
) -> None:
    await make_workspace(source, count=10)
    manifest = await back_up(source, tmp_path)
    await run_sql(source, change + f"; TRUNCATE {AUDIT}")
    before = await contents(source, "workspace")
    with pytest.raises(RefusedError, match=told):
        await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)
    assert await contents(source, "workspace") == before


async def test_an_empty_table_of_another_shape_refuses(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=10)
    manifest = await back_up(source, tmp_path)
    await run_sql(source, f"{EMPTY_BOTH}; ALTER TABLE {ITEMS} DROP COLUMN metadata")
    with pytest.raises(RefusedError, match="it has no column metadata"):
        await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)
    assert await value(source, f"SELECT count(*) FROM {ITEMS}") == 0


async def test_a_row_that_fits_no_chunk_gives_back_nothing(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=10)
    manifest = await back_up(source, tmp_path)
    await run_sql(source, f"{EMPTY_BOTH}; DROP TABLE _timescaledb_internal._hyper_1_7_chunk")
    with pytest.raises(WsdashError, match="no partition"):
        await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)
    assert await value(source, f"SELECT count(*) FROM {AUDIT}") == 0


async def test_a_user_who_may_not_switch_triggers_off_is_told_the_remedy(
    source: Endpoint, pg16: Server, tmp_path: Path
) -> None:
    await run_sql(source, "CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 1 AS a")
    manifest = await back_up(source, tmp_path, "s")
    await pg16.execute(
        "DO $$BEGIN CREATE ROLE plain LOGIN PASSWORD 'test-secret-7d1f'; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END$$"
    )
    await run_sql(source, "TRUNCATE s.t; ALTER TABLE s.t OWNER TO plain; GRANT USAGE ON SCHEMA s TO plain")
    with pytest.raises(RefusedError, match="triggers off") as caught:
        await restore_missing_into_source(
            manifest.path, replace(source, user="plain"), item="restore", on_progress=quiet
        )
    assert "session_replication_role" in caught.value.remedy
    await run_sql(source, "DROP TABLE s.t")
