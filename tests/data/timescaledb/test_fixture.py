"""The field's schema on a real TimescaleDB is what the other tests take it for."""

from __future__ import annotations

import pytest

from tests.data.backup_world import value
from tests.support.timescaledb import make_field_schema
from wsdash.data.pg.connect import Endpoint

pytestmark = pytest.mark.timescaledb


async def test_the_field_schema_has_every_kind_of_thing(timescale: Endpoint) -> None:
    await make_field_schema(timescale, items=400)
    count = "SELECT count(*) FROM "
    assert await value(timescale, count + "workspace.workspace_items") == 400
    # the trigger's rows: one for each item made, one for each late update
    assert await value(timescale, count + "workspace.workspace_audit_log") == 410
    chunks = count + "timescaledb_information.chunks WHERE hypertable_name = 'workspace_items'"
    assert await value(timescale, chunks) >= 6
    assert await value(timescale, chunks + " AND is_compressed") >= 4
    # bit 8 of a chunk's status: compressed, and written to since
    assert await value(timescale, count + "_timescaledb_catalog.chunk WHERE status & 8 > 0") >= 3
    assert await value(timescale, count + "workspace.items_per_day") > 100
    assert await value(timescale, count + "timescaledb_information.jobs WHERE job_id >= 1000") == 4
