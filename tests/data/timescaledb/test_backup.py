"""A backup of a real TimescaleDB: taken, proven, and restored by psql alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.backup_world import contents, program, promised, quiet, run_sql, value
from tests.support.timescaledb import make_field_schema
from wsdash.data.backup.take import take_backup
from wsdash.data.pg.connect import Endpoint
from wsdash.data.restore.run import prove_backup

pytestmark = pytest.mark.timescaledb

MD5 = """
SELECT md5(string_agg(md5(t::text), '' ORDER BY md5(t::text) COLLATE "C")) FROM (
  SELECT id, title, description, category, priority, status, tags, created_at, updated_at, created_by,
         updated_by, metadata FROM workspace.workspace_items) t
"""
"""Independent of our own checksum: sorted, hashed and joined by the server."""


async def test_an_extension_that_is_merely_installed_does_not_matter(
    timescale: Endpoint, tmp_path: Path
) -> None:
    await run_sql(
        timescale,
        "CREATE EXTENSION timescaledb SCHEMA public; CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 1 AS n",
    )
    manifest = await take_backup(timescale, "s", tmp_path, item="backup", on_progress=quiet)
    proof = await prove_backup(manifest.manifest_path, timescale, item="backup", on_progress=quiet)
    assert (proof.rows, proof.checksums_equal) == (1, True)


async def test_the_field_schema_is_backed_up_and_restored_by_psql_alone(
    timescale: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_field_schema(timescale, items=800)
    before = await contents(timescale, "workspace")
    manifest = await take_backup(timescale, "workspace", tmp_path, item="backup", on_progress=quiet)
    assert promised(manifest) == before
    proof = await prove_backup(manifest.manifest_path, timescale, item="backup", on_progress=quiet)
    assert proof.checksums_equal
    done = await program(18, "psql", target, "-X", "-f", str(manifest.path))
    assert done.returncode == 0, done.stderr
    assert await value(target, MD5) == await value(timescale, MD5)
