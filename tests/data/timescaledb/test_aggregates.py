"""Continuous aggregates hold history that nothing else has: it arrives, and is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.backup_world import program, quiet, run_sql, value
from tests.data.copying import carry, catalog_of
from tests.support.timescaledb import make_field_schema
from wsdash.data.backup.take import take_backup
from wsdash.data.pg.connect import Endpoint
from wsdash.data.schema.compare import compare
from wsdash.data.verify.run import verify_tables

pytestmark = pytest.mark.timescaledb

PER_DAY = """
SELECT string_agg(row(day, category, items)::text, ',' ORDER BY day, category) FROM workspace.items_per_day
"""
OVER = """
CREATE VIEW workspace.items_in_all AS
  SELECT category, sum(items) AS items FROM workspace.items_per_day GROUP BY 1;
GRANT SELECT ON workspace.items_per_day TO app_workspace;
COMMENT ON VIEW workspace.items_per_day IS 'what there was';
"""


@pytest.mark.parametrize("real_time", [False, True])
async def test_history_that_retention_dropped_arrives(
    timescale: Endpoint, target: Endpoint, tmp_path: Path, real_time: bool
) -> None:
    await make_field_schema(timescale, items=300)
    await run_sql(timescale, OVER)
    if real_time:
        await run_sql(
            timescale,
            "ALTER MATERIALIZED VIEW workspace.items_per_day SET (timescaledb.materialized_only = false)",
        )
    await value(
        timescale,
        "SELECT count(*) FROM public.drop_chunks('workspace.workspace_items', timestamptz '2025-07-15')",
    )
    aggregated = "SELECT sum(items) FROM workspace.items_per_day"
    raw = "SELECT count(*) FROM workspace.workspace_items"
    assert await value(timescale, aggregated) > await value(timescale, raw)

    manifest = await take_backup(timescale, "workspace", tmp_path, item="backup", on_progress=quiet)
    assert manifest.tables["workspace.items_per_day"].rows > 100
    catalog, _ = await carry(timescale, target, "workspace")
    assert await value(target, PER_DAY) == await value(timescale, PER_DAY)
    assert await value(target, "SELECT sum(items) FROM workspace.items_in_all") == await value(
        timescale, aggregated
    )
    assert await value(
        target, "SELECT has_table_privilege('app_workspace', 'workspace.items_per_day', 'SELECT')"
    )
    results = await verify_tables(timescale, target, catalog.tables, on_table=lambda _: None, workers=2)
    assert {r.name: r.match for r in results}["workspace.items_per_day"]

    lines = {(one.kind, one.name): one for one in compare(catalog, await catalog_of(target, "workspace"))}
    assert "all rows it has now" in lines["continuous aggregate", "workspace.items_per_day"].detail
    assert lines["table", "workspace.items_per_day"].fate == "adapted"
    assert not [one for one in lines.values() if one.fate == "blocks"]


async def test_psql_alone_restores_the_aggregate_too(
    timescale: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    await make_field_schema(timescale, items=300)
    manifest = await take_backup(timescale, "workspace", tmp_path, item="backup", on_progress=quiet)
    done = await program(18, "psql", target, "-X", "-f", str(manifest.path))
    assert done.returncode == 0, done.stderr
    assert await value(target, PER_DAY) == await value(timescale, PER_DAY)
