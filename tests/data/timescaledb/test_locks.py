"""Which maintenance call our locks keep back, and that no user waits for them."""

from __future__ import annotations

import pytest

from tests.data.backup_world import value
from tests.data.copying import catalog_of
from tests.data.timescaledb.small import MAINTENANCE, SUM, WRITES, maintain, reader
from wsdash.data.pg.connect import Endpoint
from wsdash.data.snapshot.chunk_states import MovedError
from wsdash.data.snapshot.hold import open_snapshot

pytestmark = pytest.mark.timescaledb


@pytest.mark.parametrize("name", MAINTENANCE)
async def test_the_owner_keeps_maintenance_back_and_users_never(small: Endpoint, name: str) -> None:
    tables = (await catalog_of(small)).tables
    async with open_snapshot(small, tables) as snapshot:
        assert snapshot.chunks.locked
        before = await snapshot.conn.fetchval(SUM, timeout=20)
        went_through = await maintain(small, name)
        assert went_through == (name in WRITES or name in HARMLESS)
        assert await snapshot.conn.fetchval(SUM, timeout=20) == before
        await snapshot.require_unmoved()


HARMLESS = {"retention policy", "recompress a full chunk"}
"""They find nothing to do."""


@pytest.mark.parametrize("name", MAINTENANCE)
async def test_a_mere_reader_finds_out_what_it_cannot_keep_back(small: Endpoint, name: str) -> None:
    tables = (await catalog_of(reader(small))).tables
    async with open_snapshot(reader(small), tables) as snapshot:
        assert not snapshot.chunks.locked
        before = await snapshot.conn.fetchval(SUM, timeout=20)
        went_through = await maintain(small, name)
        assert went_through or name not in WRITES
        whole = await snapshot.conn.fetchval(SUM, timeout=20) == before
        if name in WRITES:
            assert whole
        moved = False
        try:
            await snapshot.require_unmoved()
        except MovedError:
            moved = True
        assert whole or moved, f"{name} went unnoticed"
        assert went_through or name.endswith("policy") or not moved


async def test_the_trap_is_there(small: Endpoint) -> None:
    """What this is about: without it the tests above could not fail."""
    tables = (await catalog_of(reader(small))).tables
    async with open_snapshot(reader(small), tables) as snapshot:
        before = await snapshot.conn.fetchval(SUM, timeout=20)
        assert await maintain(small, "recompress by segments")
        assert await snapshot.conn.fetchval(SUM, timeout=20) != before
    assert await value(small, SUM) == before
