"""Restoring: all or nothing, never over rows that were not kept first, never over the source."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from dataclasses import replace as dc_replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from tests.support.servers import Server
from wsdash.data import scratch as backup_errors
from wsdash.data.backup.take import find_backups, load_manifest
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.restore import play as restore_reader
from wsdash.data.restore.run import restore_backup
from wsdash.errors import InputError, RefusedError, UnreachableError, WsdashError
from wsdash.model import Progress

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROW = st.tuples(st.none() | TEXT, st.none() | st.integers(-(2**31), 2**31 - 1), st.none() | JSON)


async def test_our_restorer_and_psql_make_the_same(
    source: Endpoint, target: Endpoint, pg18: Server, tmp_path: Path
) -> None:
    await run_sql(source, ODD)
    manifest = await back_up(source, tmp_path, ODD_SCHEMA)
    other = await pg18.fresh_database()
    try:
        result = await restore_backup(manifest.path, target, item="restore", on_progress=quiet)
        assert (await program(18, "psql", other, "-f", str(manifest.path))).returncode == 0
        assert await contents(target, ODD_SCHEMA) == await contents(other, ODD_SCHEMA) == promised(manifest)
        ours, theirs = [await program(18, "pg_dump", one, "--schema-only") for one in (target, other)]
        assert _without_key(ours.stdout) == _without_key(theirs.stdout)
    finally:
        await pg18.drop_database(other.database)
    assert result.rows == {name: table.rows for name, table in manifest.tables.items()}
    assert result.kept_copy is None


async def test_a_file_without_its_manifest_is_known_by_its_first_lines(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=20)
    manifest = await back_up(source, tmp_path)
    moved = tmp_path / "moved.sql"
    manifest.path.rename(moved)
    result = await restore_backup(moved, target, item="restore", on_progress=quiet)
    assert result.rows["workspace.workspace_items"] == 20
    assert await contents(target, "workspace") == promised(manifest)


async def test_another_programs_dump_is_refused_before_anything(target: Endpoint, tmp_path: Path) -> None:
    dump = tmp_path / "dump.sql"
    dump.write_text("-- PostgreSQL database dump\nCREATE SCHEMA workspace;\n")
    with pytest.raises(InputError, match="not a backup made by wsdash"):
        await restore_backup(dump, target, item="restore", on_progress=quiet)
    assert await value(target, "SELECT to_regnamespace('workspace')") is None


async def test_a_changed_file_is_refused_before_anything(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=20)
    manifest = await back_up(source, tmp_path)
    manifest.path.write_bytes(manifest.path.read_bytes().replace(b"item 7", b"item 8"))
    with pytest.raises(WsdashError, match="not the one that was taken"):
        await restore_backup(manifest.manifest_path, target, item="restore", on_progress=quiet)
    assert await value(target, "SELECT to_regnamespace('workspace')") is None


async def test_changed_rows_without_a_manifest_are_refused_at_the_end_and_nothing_stays(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=20)
    manifest = await back_up(source, tmp_path)
    manifest.path.write_bytes(manifest.path.read_bytes().replace(b"item 7", b"item 8"))
    manifest.manifest_path.unlink()
    with pytest.raises(WsdashError, match="does not equal"):
        await restore_backup(manifest.path, target, item="restore", on_progress=quiet)
    assert await value(target, "SELECT to_regnamespace('workspace')") is None


async def test_a_target_with_rows_refuses_and_says_which(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=5)
    manifest = await back_up(source, tmp_path)
    await run_sql(target, "CREATE SCHEMA workspace; CREATE TABLE workspace.t AS SELECT 1 AS a")
    with pytest.raises(RefusedError, match=r"workspace\.t 1 rows"):
        await restore_backup(manifest.path, target, item="restore", on_progress=quiet)
    assert await value(target, "SELECT a FROM workspace.t") == 1


async def test_replacing_keeps_a_copy_that_can_be_restored(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=5)
    manifest = await back_up(source, tmp_path)
    await run_sql(target, "CREATE SCHEMA workspace; CREATE TABLE workspace.t AS SELECT 1 AS a")
    result = await restore_backup(manifest.path, target, replace=True, item="restore", on_progress=quiet)
    assert await contents(target, "workspace") == promised(manifest)
    kept = result.kept_copy
    assert kept is not None
    assert kept.file.startswith("before-restore-workspace-")
    assert kept in find_backups(tmp_path)
    back = await restore_backup(kept.path, target, replace=True, item="restore", on_progress=quiet)
    assert back.rows == {"workspace.t": 1}
    assert await value(target, "SELECT a FROM workspace.t") == 1


async def test_a_failing_restore_over_a_target_leaves_it_as_it_was(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_workspace(source, count=20)
    manifest = await back_up(source, tmp_path)
    manifest.manifest_path.unlink()
    data = manifest.path.read_bytes()
    manifest.path.write_bytes(data.replace(b"\titem 7\t", b"\titem 7\textra\t"))
    await run_sql(target, "CREATE SCHEMA workspace; CREATE TABLE workspace.t AS SELECT 1 AS a")
    with pytest.raises(WsdashError, match="workspace_items"):
        await restore_backup(manifest.path, target, replace=True, item="restore", on_progress=quiet)
    assert await value(target, "SELECT a FROM workspace.t") == 1


async def test_rows_written_after_the_copy_was_kept_stop_the_replacement(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, "CREATE SCHEMA s; CREATE TABLE s.a (a integer)")
    manifest = await back_up(source, tmp_path, "s")
    await run_sql(target, "CREATE SCHEMA s; CREATE TABLE s.a (a integer); INSERT INTO s.a VALUES (1)")
    async with connection(target, read_only=False) as writer:
        written = writer.transaction()
        await written.start()
        await writer.execute("INSERT INTO s.a VALUES (2)")

        async def commit_when_kept() -> None:
            await written.commit()

        tasks: list[asyncio.Task[None]] = []

        def on_progress(progress: Progress) -> None:
            if progress.activity == "dumping" and progress.finished:
                tasks.append(asyncio.get_running_loop().create_task(commit_when_kept()))

        with pytest.raises(RefusedError, match="written to after its copy was kept"):
            await restore_backup(manifest.path, target, replace=True, item="restore", on_progress=on_progress)
        await asyncio.gather(*tasks)
    assert await value(target, "SELECT count(*) FROM s.a") == 2


async def test_the_source_is_never_replaced(source: Endpoint, tmp_path: Path) -> None:
    await run_sql(source, "CREATE SCHEMA workspace; CREATE TABLE workspace.t AS SELECT 1 AS a")
    manifest = await back_up(source, tmp_path)
    await run_sql(source, "INSERT INTO workspace.t VALUES (2)")
    with pytest.raises(RefusedError, match="this is the source"):
        await restore_backup(manifest.path, source, replace=True, item="restore", on_progress=quiet)
    assert await value(source, "SELECT count(*) FROM workspace.t") == 2


async def test_the_source_is_known_by_another_address_too(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(target, "CREATE SCHEMA workspace; CREATE TABLE workspace.t AS SELECT 1 AS a")
    elsewhere = await back_up(target, tmp_path)
    await run_sql(source, "CREATE SCHEMA workspace; CREATE TABLE workspace.t AS SELECT 2 AS a")
    own = await back_up(source, tmp_path)
    alias = dc_replace(source, label="alias", host="localhost")
    with pytest.raises(RefusedError, match="this is the source"):
        await restore_backup(own.path, alias, replace=True, item="restore", on_progress=quiet)
    with pytest.raises(RefusedError, match="this is the source"):
        await restore_backup(
            elsewhere.path, alias, replace=True, source=source, item="restore", on_progress=quiet
        )
    assert await value(source, "SELECT a FROM workspace.t") == 2


async def test_only_an_explicit_word_replaces_the_source_and_a_copy_is_kept(
    source: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, "CREATE SCHEMA workspace; CREATE TABLE workspace.t AS SELECT 1 AS a")
    manifest = await back_up(source, tmp_path)
    await run_sql(source, "INSERT INTO workspace.t VALUES (2)")
    result = await restore_backup(
        manifest.path, source, replace=True, allow_source=True, item="restore", on_progress=quiet
    )
    assert await value(source, "SELECT count(*) FROM workspace.t") == 1
    assert result.kept_copy is not None
    assert result.kept_copy.total_rows == 2


async def test_a_schema_with_hypertables_is_never_replaced(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(target, "CREATE SCHEMA workspace; CREATE TABLE workspace.t AS SELECT 1 AS a")
    manifest = await back_up(target, tmp_path)
    await make_workspace(source, count=5)
    with pytest.raises(RefusedError, match="this is the source"):
        await restore_backup(manifest.path, source, replace=True, item="restore", on_progress=quiet)
    assert await value(source, "SELECT count(*) FROM workspace.workspace_items") == 5


async def test_views_elsewhere_that_need_the_schema_stop_the_replacement(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await run_sql(source, "CREATE SCHEMA s; CREATE TABLE s.a (a integer)")
    manifest = await back_up(source, tmp_path, "s")
    await run_sql(
        target, "CREATE SCHEMA s; CREATE TABLE s.a (a integer); CREATE VIEW public.v AS SELECT * FROM s.a"
    )
    with pytest.raises(RefusedError, match=r"public\.v"):
        await restore_backup(manifest.path, target, replace=True, item="restore", on_progress=quiet)
    assert await value(target, "SELECT count(*) FROM public.v") == 0


async def test_a_connection_lost_in_the_rows_is_told_and_nothing_stays(
    source: Endpoint, target: Endpoint, pg18: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_workspace(source, count=2000)
    manifest = await back_up(source, tmp_path)
    monkeypatch.setattr(restore_reader, "_BLOCK", 4096)
    begun, cut = asyncio.Event(), asyncio.Event()
    real = restore_reader.BackupReader.rows

    def on_progress(progress: Progress) -> None:
        if progress.activity == "restoring" and progress.subject.endswith("items"):
            begun.set()

    async def rows(reader: restore_reader.BackupReader) -> AsyncGenerator[bytes, None]:
        """The rows of the file; the session is ended when the first of the items are on their way."""
        async for block in real(reader):
            yield block
            if begun.is_set() and not cut.is_set():
                await pg18.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    f"WHERE datname = '{target.database}'"
                )
                cut.set()

    monkeypatch.setattr(restore_reader.BackupReader, "rows", rows)
    with pytest.raises(UnreachableError, match="restoring"):
        await asyncio.wait_for(
            restore_backup(manifest.path, target, item="restore", on_progress=on_progress), 30
        )
    assert cut.is_set()
    assert await value(target, "SELECT to_regnamespace('workspace')") is None


async def test_a_server_that_falls_silent_in_the_rows_is_given_up(
    source: Endpoint, target: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_workspace(source, count=2000)
    manifest = await back_up(source, tmp_path)
    monkeypatch.setattr(backup_errors, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(restore_reader, "_BLOCK", 4096)
    begun = asyncio.Event()
    frozen: list[int] = []
    real = restore_reader.BackupReader.rows

    def on_progress(progress: Progress) -> None:
        if progress.activity == "restoring" and progress.subject.endswith("items"):
            begun.set()

    async def rows(reader: restore_reader.BackupReader) -> AsyncGenerator[bytes, None]:
        """The rows of the file; the session is frozen when the first of the items are on their way."""
        async for block in real(reader):
            yield block
            if begun.is_set() and not frozen:
                restoring = "datname = current_database() AND query LIKE 'COPY %'"
                frozen.append(await value(target, f"SELECT pid FROM pg_stat_activity WHERE {restoring}"))
                os.kill(frozen[0], signal.SIGSTOP)

    monkeypatch.setattr(restore_reader.BackupReader, "rows", rows)
    try:
        with pytest.raises(UnreachableError, match="restoring"):
            await asyncio.wait_for(
                restore_backup(manifest.path, target, item="restore", on_progress=on_progress), 30
            )
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert frozen
    assert await value(target, "SELECT to_regnamespace('workspace')") is None


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=8))
async def test_any_rows_come_back_as_they_were(
    source: Endpoint, target: Endpoint, tmp_path: Path, rows: list[tuple[str | None, int | None, object]]
) -> None:
    await run_sql(
        source,
        "DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s; "
        "CREATE TABLE s.a (place integer, t text, i integer, j jsonb)",
    )
    await run_sql(target, "DROP SCHEMA IF EXISTS s CASCADE")
    clean = [
        (n, t, i, None if j is None else json.dumps(j).replace("\\u0000", ""))
        for n, (t, i, j) in enumerate(rows)
    ]
    async with connection(source, read_only=False) as conn:
        await conn.executemany("INSERT INTO s.a VALUES ($1, $2, $3, $4)", clean)
    manifest = await back_up(source, tmp_path, "s")
    await restore_backup(manifest.path, target, item="restore", on_progress=quiet)
    select = "SELECT coalesce(array_agg(to_jsonb(a)::text ORDER BY place), '{}') FROM s.a"
    assert await value(target, select) == await value(source, select)
    assert len(await value(target, select)) == len(rows)
    assert load_manifest(manifest.path).total_rows == len(rows)
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def _without_key(dump: str) -> str:
    return "\n".join(
        line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
    )
