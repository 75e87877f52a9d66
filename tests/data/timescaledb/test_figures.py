"""Estimates of rows in compressed chunks of a real TimescaleDB."""

from __future__ import annotations

import pytest

from tests.data.backup_world import run_sql, value
from tests.data.copying import catalog_of
from tests.data.timescaledb.small import ROWS
from tests.support.timescaledb import make_field_schema
from wsdash.data.pg.connect import Endpoint
from wsdash.data.schema.compare import compare

pytestmark = pytest.mark.timescaledb


async def test_the_fields_segments_do_not_multiply_the_figure(timescale: Endpoint) -> None:
    await make_field_schema(timescale, items=2000, late_updates=False)
    # the session that wrote the rows may have told its counters after its own ANALYZE
    await run_sql(timescale, "ANALYZE")
    tables = {table.name: table.rows for table in (await catalog_of(timescale, "workspace")).tables}
    for name in ("workspace_items", "workspace_audit_log"):
        true = await value(timescale, f"SELECT count(*) FROM workspace.{name}")
        shown = tables[name]
        assert shown is not None
        assert true / 2 <= shown <= true * 2


async def test_what_is_not_known_is_no_number(small: Endpoint) -> None:
    catalog = await catalog_of(small)
    assert {table.name: table.rows for table in catalog.tables}["t"] is None
    line = next(one for one in compare(catalog, None) if (one.kind, one.name) == ("table", "s.t"))
    assert "unknown number of rows" in line.detail
    # a delete by segment leaves the chunk's status as it was
    await run_sql(small, "ANALYZE s.t; ANALYZE; DELETE FROM s.t WHERE kind IN ('k0', 'k1')")
    shown = {table.name: table.rows for table in (await catalog_of(small)).tables}["t"]
    true = await value(small, "SELECT count(*) FROM s.t")
    assert true < ROWS / 2
    assert shown is None or true / 2 <= shown <= true * 2
