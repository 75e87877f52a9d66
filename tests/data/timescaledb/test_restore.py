"""What a TimescaleDB source lost comes back as what it was, or not without a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.data.backup_world import contents, quiet, run_sql, value
from tests.support.timescaledb import make_field_schema
from wsdash.data.backup.take import take_backup
from wsdash.data.pg.connect import Endpoint
from wsdash.data.restore.source import restore_missing_into_source
from wsdash.errors import RefusedError

pytestmark = pytest.mark.timescaledb

SETTINGS = """
SELECT row(h.num_dimensions, d.column_name, d.time_interval, s.segmentby, s.orderby)::text
FROM timescaledb_information.hypertables h
JOIN timescaledb_information.dimensions d USING (hypertable_schema, hypertable_name)
LEFT JOIN timescaledb_information.hypertable_compression_settings s
  ON s.hypertable = format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass
WHERE h.hypertable_name = 'workspace_items'
"""


async def test_a_dropped_hypertable_is_a_hypertable_again(timescale: Endpoint, tmp_path: Path) -> None:
    await make_field_schema(timescale, items=300, aggregate=False)
    before, settings = await contents(timescale, "workspace"), await value(timescale, SETTINGS)
    manifest = await take_backup(timescale, "workspace", tmp_path, item="backup", on_progress=quiet)
    await run_sql(timescale, "DROP TABLE workspace.workspace_items CASCADE")

    result = await restore_missing_into_source(manifest.path, timescale, item="restore", on_progress=quiet)
    assert await contents(timescale, "workspace") == before
    assert await value(timescale, SETTINGS) == settings
    (note,) = result.notes
    assert "hypertable again" in note
    assert "retention" in note
    assert "uncompressed" in note
    # an insert makes a chunk, and a chunk can be compressed
    await run_sql(
        timescale,
        "INSERT INTO workspace.workspace_items (title, category, created_at) "
        "VALUES ('x', 'dashboard', '2030-01-01');"
        "SELECT public.compress_chunk(c) FROM public.show_chunks('workspace.workspace_items') c LIMIT 1",
    )


async def test_a_lost_aggregate_is_a_plain_table_and_that_is_said(
    timescale: Endpoint, tmp_path: Path
) -> None:
    await make_field_schema(timescale, items=300)
    manifest = await take_backup(timescale, "workspace", tmp_path, item="backup", on_progress=quiet)
    await run_sql(timescale, "DROP MATERIALIZED VIEW workspace.items_per_day")
    result = await restore_missing_into_source(manifest.path, timescale, item="restore", on_progress=quiet)
    assert result.rows == {"workspace.items_per_day": manifest.tables["workspace.items_per_day"].rows}
    assert "was a continuous aggregate" in result.notes[0]


async def test_no_hypertable_comes_back_as_a_plain_table(
    timescale: Endpoint, source: Endpoint, tmp_path: Path
) -> None:
    await make_field_schema(timescale, items=50, aggregate=False)
    manifest = await take_backup(timescale, "workspace", tmp_path, item="backup", on_progress=quiet)
    with pytest.raises(RefusedError, match="has no TimescaleDB"):
        await restore_missing_into_source(manifest.path, source, item="restore", on_progress=quiet)

    # as a wsdash wrote it that did not note what the tables were
    text = manifest.path.read_text(encoding="utf-8")
    without = re.sub(r'"definitions":\{.*?\}\}(?=[,}])', '"definitions":null', text, count=1)
    assert without != text
    older = tmp_path / "older.sql"
    older.write_text(without, encoding="utf-8")
    await run_sql(timescale, "DROP TABLE workspace.workspace_items CASCADE")
    with pytest.raises(RefusedError, match="does not note which tables were hypertables"):
        await restore_missing_into_source(older, timescale, item="restore", on_progress=quiet)
