"""A backup counts only when it was restored into a scratch database and came out equal."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from tests.data.backup_world import (
    ODD,
    ODD_SCHEMA,
    back_up,
    contents,
    edit_manifest,
    make_workspace,
    names,
    quiet,
    run_sql,
)
from tests.support.servers import Server
from wsdash.data.backup.take import BackupManifest, check_backup, find_backups, load_manifest
from wsdash.data.pg.connect import Endpoint
from wsdash.data.restore.run import prove_backup
from wsdash.data.scratch import PREFIX
from wsdash.errors import InputError, WsdashError
from wsdash.model import Progress


async def scratch_databases(server: Server) -> list[str]:
    conn = await server.connect()
    try:
        rows = await conn.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", PREFIX + "%")
    finally:
        await conn.close()
    return [row["datname"] for row in rows]


def falsify(manifest: BackupManifest, old: bytes, new: bytes) -> None:
    """Change the file and make the manifest's size and sha256 fit: only reading it back can tell."""
    data = manifest.path.read_bytes()
    assert old in data
    data = data.replace(old, new)
    manifest.path.write_bytes(data)
    edit_manifest(manifest, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("kind", ["partitions", "inheritance"])
async def test_a_good_backup_is_proven_and_the_scratch_database_is_gone(
    source: Endpoint, pg16: Server, tmp_path: Path, kind: str
) -> None:
    await make_workspace(source, kind, 60)
    before = await contents(source, "workspace")
    manifest = await back_up(source, tmp_path)
    proof = await prove_backup(manifest.manifest_path, source, item="backup", on_progress=quiet)
    assert proof.checksums_equal
    assert (proof.rows, proof.tables) == (manifest.total_rows, 4)
    assert proof.objects == manifest.objects
    assert proof.objects["table"] == 4
    assert proof.server == source.address
    assert await check_backup(manifest.path) == load_manifest(manifest.path)
    assert load_manifest(manifest.path).proof == proof
    assert await scratch_databases(pg16) == []
    assert await contents(source, "workspace") == before


async def test_awkward_names_and_values_are_proven_on_another_server_too(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, ODD)
    manifest = await back_up(source, tmp_path, ODD_SCHEMA)
    for server in (source, target):
        await prove_backup(manifest.path, server, item="backup", on_progress=quiet)
    assert (await check_backup(manifest.path)).proof is not None


async def test_an_unproven_backup_does_not_count(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=3)
    manifest = await back_up(source, tmp_path)
    with pytest.raises(WsdashError, match="never read back"):
        await check_backup(manifest.path)


async def test_other_rows_in_the_file_are_found_by_reading_it_back(
    source: Endpoint, pg16: Server, tmp_path: Path
) -> None:
    await make_workspace(source, count=20)
    manifest = await back_up(source, tmp_path)
    await prove_backup(manifest.path, source, item="backup", on_progress=quiet)
    falsify(manifest, b"\titem 7\t", b"\titem 8\t")
    with pytest.raises(WsdashError, match=r"workspace\.workspace_items: 20 rows as in the backup, but"):
        await prove_backup(manifest.path, source, item="backup", on_progress=quiet)
    assert load_manifest(manifest.path).proof is None
    assert await scratch_databases(pg16) == []


async def test_a_checksum_in_the_manifest_that_the_restore_does_not_have_is_found(
    source: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=3)
    manifest = await back_up(source, tmp_path)
    tables = {name: {**_fields(table), "checksum": "0"} for name, table in manifest.tables.items()}
    edit_manifest(manifest, tables=tables)
    with pytest.raises(WsdashError, match=r"workspace\.workspace_items"):
        await prove_backup(manifest.path, source, item="backup", on_progress=quiet)


async def test_a_lost_index_is_found_by_counting_objects(source: Endpoint, tmp_path: Path) -> None:
    await make_workspace(source, count=3)
    manifest = await back_up(source, tmp_path)
    edit_manifest(manifest, objects={**manifest.objects, "index": manifest.objects["index"] + 1})
    with pytest.raises(WsdashError, match="objects of kind index"):
        await prove_backup(manifest.path, source, item="backup", on_progress=quiet)


@pytest.mark.parametrize("change", ["flip", "cut", "grow", "remove"])
async def test_a_file_that_changed_is_detected(source: Endpoint, tmp_path: Path, change: str) -> None:
    await make_workspace(source, count=10)
    manifest = await back_up(source, tmp_path)
    await prove_backup(manifest.path, source, item="backup", on_progress=quiet)
    data = manifest.path.read_bytes()
    changed = {"flip": data.replace(b"item 7", b"item 8"), "cut": data[:-1], "grow": data + b"\n"}
    if change == "remove":
        manifest.path.unlink()
    else:
        manifest.path.write_bytes(changed[change])
    with pytest.raises(WsdashError, match="the backup file"):
        await check_backup(manifest.path)
    with pytest.raises(WsdashError, match="the backup file"):
        await prove_backup(manifest.path, source, item="backup", on_progress=quiet)


async def test_cancelling_the_proof_drops_the_scratch_database(
    source: Endpoint, pg16: Server, tmp_path: Path
) -> None:
    await make_workspace(source, count=30)
    manifest = await back_up(source, tmp_path)
    restoring = asyncio.Event()

    def on_progress(progress: Progress) -> None:
        if progress.activity == "restoring":
            restoring.set()

    task = asyncio.create_task(prove_backup(manifest.path, source, item="backup", on_progress=on_progress))
    await restoring.wait()
    assert len(await scratch_databases(pg16)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await scratch_databases(pg16) == []
    assert load_manifest(manifest.path).proof is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 99}', '{"format": 1}', '{"format": 1, "file": 3}']
)
def test_a_broken_manifest_is_bad_input(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.manifest.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"b\.manifest\.json"):
        load_manifest(path)
    assert find_backups(tmp_path) == []


def test_a_missing_manifest_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_manifest(tmp_path / "b.sql")


async def test_a_manifest_cannot_name_a_file_elsewhere(source: Endpoint, tmp_path: Path) -> None:
    await run_sql(source, "CREATE SCHEMA workspace; CREATE TABLE workspace.t (a integer)")
    manifest = await back_up(source, tmp_path)
    edit_manifest(manifest, file="../outside.sql")
    with pytest.raises(InputError, match="not a file beside it"):
        load_manifest(manifest.path)


async def test_backups_are_found_newest_first_and_only_with_their_file(
    source: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, "CREATE SCHEMA workspace; CREATE TABLE workspace.t (a integer)")
    made = [await back_up(source, tmp_path) for _ in range(3)]
    made[1].path.unlink()
    assert [one.file for one in find_backups(tmp_path)] == [made[2].file, made[0].file]
    assert len(names(tmp_path)) == 5


def _fields(table: object) -> dict[str, object]:
    return {name: getattr(table, name) for name in ("schema", "name", "columns", "rows", "checksum")}
