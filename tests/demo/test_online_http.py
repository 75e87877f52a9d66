"""A service moves and comes back under traffic over HTTP: nothing acknowledged is lost, no read refused long.

`WSDASH_LEDGER=50` makes fifty trips (default 1), `WSDASH_LEDGER_RATE` says how many writes a second are
offered (default 60). `WSDASH_FAULTS=all` kills each API at every stage in both directions; without it each
stage meets one of them.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.data.online.world import begin_move
from tests.support.online_site import Program, running_site
from wsdash.data.online.switch.cutover import STAGES, OnStage
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world import schema
from wsdash.demo.world.schema import load_items

pytestmark = pytest.mark.timeout(7200)

SEEDS = int(os.environ.get("WSDASH_LEDGER", "1"))
ALL = os.environ.get("WSDASH_FAULTS") == "all"
RATE = float(os.environ.get("WSDASH_LEDGER_RATE", "60"))


@pytest.fixture
async def workspace_move(source: Endpoint, target: Endpoint) -> Move:
    """The demo's schema and some items, copied, with capture on both sides."""
    async with connection(source, read_only=False) as conn:
        await conn.execute(schema.source_schema())
        await load_items(conn, 300, seed=5)
    return await begin_move(source, target, schema="workspace")


async def test_there_and_back_over_http_loses_nothing(workspace_move: Move, tmp_path: Path) -> None:
    async with running_site(workspace_move, tmp_path, RATE) as site:
        for seed in range(1, SEEDS + 1):
            trip = await site.round_trip(seed, dwell=2)
            print(f"seed {seed}: {trip.line()}")
            assert trip.amiss == []
            assert trip.tally.acknowledged > 0
            assert trip.tally.refused > 0, "nobody met a fence: this proves nothing"


def _kills() -> list[tuple[str, int]]:
    """A stage of each switch, and which API dies at it; there and back in turns."""
    names = [stage.name for stage in STAGES]
    if ALL:
        return [(name, api) for api in (0, 1) for name in names for _ in (0, 1)]
    return [(name, place % 2) for place, name in enumerate(names)]


async def test_an_api_that_is_killed_at_any_stage_loses_nothing_that_was_acknowledged(
    workspace_move: Move, tmp_path: Path
) -> None:
    async with running_site(workspace_move, tmp_path, RATE) as site:
        dying: list[asyncio.Task[None]] = []

        def killer(name: str, api: Program) -> OnStage:
            killed = False

            async def at(stage: str) -> None:
                nonlocal killed
                if stage == name and not killed:
                    killed = True
                    await asyncio.gather(*dying)  # of an earlier switch: long done
                    dying.append(asyncio.create_task(api.die("listens")))

            return at

        apis = (site.old, site.new)
        trip = await site.switches(1, [killer(name, apis[api]) for name, api in _kills()])
        await asyncio.gather(*dying)
    print(trip.line())
    assert trip.amiss == []
    assert len(dying) >= len(STAGES)
