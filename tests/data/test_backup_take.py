"""A backup holds every row of one snapshot, in a file that psql alone restores, beside a true manifest."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.backup_world import (
    ODD,
    ODD_SCHEMA,
    back_up,
    contents,
    make_workspace,
    names,
    program,
    promised,
    quiet,
    run_sql,
    value,
)
from tests.support.servers import PASSWORD, PASSWORD_ENV
from wsdash.data.backup import take as backup
from wsdash.data.backup.take import find_backups, keep_copy, load_manifest, take_backup
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.restore.run import restore_backup
from wsdash.errors import InputError, UnreachableError, WsdashError
from wsdash.model import Progress

KINDS = ["partitions", "inheritance"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_guides_dump_saves_no_item_and_ours_saves_all(
    source: Endpoint, target: Endpoint, tmp_path: Path, kind: str
) -> None:
    await make_workspace(source, kind)
    guide = await program(16, "pg_dump", source, "--schema=workspace")
    assert guide.returncode == 0
    assert "item 17" not in guide.stdout
    manifest = await back_up(source, tmp_path)
    assert manifest.tables["workspace.workspace_items"].rows == 200
    assert manifest.tables["workspace.workspace_audit_log"].rows == 200
    restored = await program(18, "psql", target, "-f", str(manifest.path))
    assert restored.returncode == 0, restored.stderr
    assert await contents(target, "workspace") == await contents(source, "workspace") == promised(manifest)


async def test_psql_alone_restores_every_awkward_value_and_name(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, ODD)
    manifest = await back_up(source, tmp_path, ODD_SCHEMA)
    restored = await program(18, "psql", target, "-f", str(manifest.path))
    assert (restored.returncode, restored.stderr) == (0, "")
    assert await contents(target, ODD_SCHEMA) == await contents(source, ODD_SCHEMA) == promised(manifest)
    select = 'SELECT array_agg(v::text ORDER BY id) FROM "odd ""one"."Va lues" v'
    assert await value(target, select) == await value(source, select)
    assert await value(target, 'SELECT sum(twice) FROM "odd ""one"."Va lues"') == 72
    comment = 'SELECT obj_description(\'"odd ""one".serial\'::regclass)'
    assert await value(target, comment) == "a comment; -- with \\ and '' in it".replace("''", "'")


async def test_sequences_and_identities_go_on_after_a_restore(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, ODD)
    manifest = await back_up(source, tmp_path, ODD_SCHEMA)
    await program(18, "psql", target, "-f", str(manifest.path))
    insert = 'INSERT INTO "odd ""one"."Va lues" DEFAULT VALUES RETURNING ARRAY[id, n]'
    assert await value(target, insert) == [9, 48]
    assert await value(target, 'INSERT INTO "odd ""one".serial DEFAULT VALUES RETURNING id') == 8


async def test_psql_stops_at_the_first_error_and_keeps_nothing(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=5)
    manifest = await back_up(source, tmp_path)
    await run_sql(target, "CREATE SCHEMA workspace; CREATE TABLE workspace.workspace_items (id integer)")
    refused = await program(18, "psql", target, "-f", str(manifest.path))
    assert refused.returncode == 3
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'workspace'"
    assert await value(target, tables) == 1


async def test_the_manifest_tells_the_truth_about_the_file(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=50)
    manifest = await back_up(source, tmp_path)
    data = manifest.path.read_bytes()
    assert (manifest.bytes, manifest.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest.path.name.startswith("backup-workspace-20")
    assert names(tmp_path) == [manifest.manifest_path.name, manifest.path.name]
    raw = json.loads(manifest.manifest_path.read_text())
    assert raw["proof"] is None
    assert raw["tables"]["workspace.workspace_items"]["rows"] == 50
    assert raw["source"] == source.address
    assert raw["snapshot"]
    assert load_manifest(manifest.path) == load_manifest(manifest.manifest_path) == manifest
    assert manifest.path.stat().st_mode & 0o777 == 0o600


async def test_no_secret_is_in_the_file_or_the_manifest(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=5)
    manifest = await back_up(source, tmp_path)
    for path in (manifest.path, manifest.manifest_path):
        text = path.read_text()
        assert PASSWORD not in text
        assert PASSWORD_ENV not in text


async def test_rows_written_meanwhile_stay_out_and_the_file_equals_its_snapshot(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=300)
    started = asyncio.Event()

    def on_progress(progress: Progress) -> None:
        started.set()

    async def write() -> None:
        await started.wait()
        async with connection(source, read_only=False) as conn:
            for number in range(100_000):
                await conn.execute(
                    "INSERT INTO workspace.workspace_items (title, category) VALUES ($1, 'dashboard')",
                    f"new {number}",
                )
                await conn.execute("DELETE FROM workspace.workspace_items WHERE title = $1", f"item {number}")

    writer = asyncio.create_task(write())
    manifest = await back_up(source, tmp_path, on_progress=on_progress)
    await asyncio.sleep(0.05)
    writer.cancel()
    await asyncio.wait({writer})
    assert await value(source, "SELECT count(*) FROM workspace.workspace_items WHERE title LIKE 'new %'") > 0
    restored = await program(18, "psql", target, "-f", str(manifest.path))
    assert restored.returncode == 0, restored.stderr
    assert await contents(target, "workspace") == promised(manifest)
    assert manifest.tables["workspace.workspace_items"].rows == 300


async def test_a_backup_needs_free_disk_first(
    source: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_workspace(source, count=5)
    monkeypatch.setattr(backup, "_MARGIN_BYTES", 10**18)
    with pytest.raises(WsdashError, match="not enough free disk for a backup of schema workspace"):
        await back_up(source, tmp_path)
    assert names(tmp_path) == []


async def test_a_schema_without_tables_is_no_backup(source: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(WsdashError, match="holds no tables"):
        await back_up(source, tmp_path)
    assert names(tmp_path) == []


async def test_a_server_that_is_gone_is_unreachable(source: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        await back_up(replace(source, port=1), tmp_path)


@pytest.mark.parametrize("name", ["../x", ".hidden", "a/b", "z/b", ""])
async def test_a_name_that_leaves_the_directory_is_refused(
    source: Endpoint, tmp_path: Path, name: str
) -> None:
    await run_sql(source, "CREATE SCHEMA s; CREATE TABLE s.t (a integer)")
    with pytest.raises(InputError):
        await take_backup(source, "s", tmp_path / "in", name=name, item="backup", on_progress=quiet)
    assert names(tmp_path / "in") == []


async def test_a_second_backup_of_that_name_gets_a_number(source: Endpoint, tmp_path: Path) -> None:
    await run_sql(source, "CREATE SCHEMA s; CREATE TABLE s.t (a integer)")
    for _ in range(2):
        await take_backup(source, "s", tmp_path, name="mine", item="backup", on_progress=quiet)
    assert [manifest.file for manifest in find_backups(tmp_path)] == ["mine-2.sql", "mine.sql"]


async def test_tables_without_columns_to_carry_keep_their_rows(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(
        source,
        "CREATE SCHEMA s; CREATE TABLE s.none (); CREATE TABLE s.made (a int GENERATED ALWAYS AS (1) STORED)",
    )
    for table in ("none", "made"):
        await run_sql(source, f"INSERT INTO s.{table} DEFAULT VALUES; INSERT INTO s.{table} DEFAULT VALUES")
    manifest = await back_up(source, tmp_path, "s")
    assert manifest.total_rows == 4
    restored = await program(18, "psql", target, "-f", str(manifest.path))
    assert restored.returncode == 0, restored.stderr
    assert await value(target, "SELECT sum(a) FROM s.made") == 2
    assert await value(target, "SELECT count(*) FROM s.none") == 2
    await run_sql(target, "DROP SCHEMA s CASCADE")
    await restore_backup(manifest.path, target, item="restore", on_progress=quiet)
    assert await value(target, "SELECT sum(a) FROM s.made") == 2


async def test_the_directory_may_be_relative_and_missing(
    source: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(source, "CREATE SCHEMA workspace; CREATE TABLE workspace.t (a integer)")
    monkeypatch.chdir(tmp_path)
    manifest = await back_up(source, Path("deep/down"))
    assert manifest.path.is_absolute()
    assert find_backups(tmp_path / "deep" / "down") == [manifest]


async def test_a_kept_copy_is_a_backup_of_a_target(source: Endpoint, tmp_path: Path) -> None:
    await run_sql(source, "CREATE SCHEMA s; CREATE TABLE s.t (a integer); INSERT INTO s.t VALUES (1), (2)")
    kept = await keep_copy(source, "s", tmp_path, item="migrate-data", on_progress=quiet)
    assert (kept.role, kept.total_rows) == ("target", 2)
    assert kept.file.startswith("kept-copy-s-")


async def test_progress_counts_rows_to_the_total(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=120)
    seen: list[Progress] = []
    await back_up(source, tmp_path, on_progress=seen.append)
    last = [p for p in seen if p.subject == "workspace.workspace_items" and p.activity == "dumping"][-1]
    assert (last.rows, last.total_rows, last.finished, last.item) == (120, 120, True, "backup")
    assert last.bytes > 120 * 20
