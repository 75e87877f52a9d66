"""A service moves and comes back under traffic over HTTP: nothing acknowledged is lost, no read refused long.

`WSDASH_LEDGER=50` makes fifty trips (default 1), `WSDASH_LEDGER_RATE` says how many writes a second are
offered (default 60).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.data.online.world import begin_move
from tests.support.online_site import running_site
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world import schema
from wsdash.demo.world.generate import load_items

pytestmark = pytest.mark.timeout(7200)

SEEDS = int(os.environ.get("WSDASH_LEDGER", "1"))
RATE = float(os.environ.get("WSDASH_LEDGER_RATE", "60"))


async def test_there_and_back_over_http_loses_nothing(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        await load_items(conn, 300, seed=5)
    move = await begin_move(source, target, schema="workspace")
    async with running_site(move, tmp_path, RATE) as site:
        for seed in range(1, SEEDS + 1):
            trip = await site.round_trip(seed, dwell=2)
            print(f"seed {seed}: {trip.line()}")
            assert trip.amiss == []
            assert trip.tally.acknowledged > 0
            assert trip.tally.refused > 0, "nobody met a fence: this proves nothing"
