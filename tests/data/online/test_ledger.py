"""Writers in real processes, through switches there and back: nothing acknowledged is lost, twice or wrong.

`WSDASH_LEDGER=50` runs fifty seeds (default 1), `WSDASH_LEDGER_SEED=N` begins at seed N, `WSDASH_LEDGER_RATE`
says how many writes a second are offered (default 100).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.data.online.ledger import Ledger, check, merged, parse
from tests.data.online.world import same, value
from wsdash.data.online.switch.cutover import AbortedError, Switched, switch_over
from wsdash.data.online.sync.copying import compare_moving
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move

pytestmark = pytest.mark.timeout(7200)

SEEDS = int(os.environ.get("WSDASH_LEDGER", "1"))
FIRST = int(os.environ.get("WSDASH_LEDGER_SEED", "1"))
RATE = float(os.environ.get("WSDASH_LEDGER_RATE", "100"))
PROCESSES, CLIENTS = 2, 8
ATTEMPTS = 10
PROGRESS = "SELECT count(*) FROM s.items WHERE id >= 1000000"


@asynccontextmanager
async def writers(move: Move, seed: int) -> AsyncIterator[list[Ledger]]:
    """Processes that write for the length of a block; their ledgers are there after it."""
    ledgers: list[Ledger] = []
    processes = []
    try:
        for number in range(PROCESSES):
            order = {
                "source": asdict(move.source),
                "target": asdict(move.target),
                "seed": seed,
                "clients": CLIENTS,
                "rate": RATE / PROCESSES,
                "first": 1 + number * CLIENTS,
            }
            processes.append(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "tests.data.online.ledger",
                    json.dumps(order),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    cwd=Path(__file__).parents[3],
                    limit=1 << 26,
                )
            )
        for process in processes:
            assert process.stdout is not None
            assert await asyncio.wait_for(process.stdout.readline(), 60) == b"writing\n"
        yield ledgers
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in processes:
            assert process.stdout is not None
            ledgers.append(parse((await asyncio.wait_for(process.stdout.readline(), 120)).decode()))
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def some_writes(move: Move, side: int) -> None:
    """Wait until the side that is open has taken some more."""
    where = (move.source, move.target)[side]
    count = "SELECT count(*) FROM s.audit"
    before = await value(where, count)
    async with asyncio.timeout(120):
        while await value(where, count) < before + 40:  # noqa: ASYNC110 - other processes write
            await asyncio.sleep(0.05)


async def patient_switch(move: Move, side: int) -> tuple[Switched, int]:
    """Switch, and try again where a loaded machine let the limit pass; how often that was."""
    for attempt in range(ATTEMPTS):
        with suppress(AbortedError):
            return await switch_over(move, (move.source, move.target)[side], limit=10), attempt
    raise AssertionError(f"no switch in {ATTEMPTS} attempts")


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
async def test_no_acknowledged_write_is_lost_twice_or_wrong(move: Move, seed: int) -> None:
    downtimes = []
    async with writers(move, seed) as ledgers:
        await some_writes(move, 0)
        async with open_link(move, move.source) as link:
            assert all(table.match for table in await compare_moving(link)), "equal while it moves"
        for side in (0, 1, 0):
            switched, again = await patient_switch(move, side)
            downtimes.append((round(switched.downtime or 0, 3), switched.lines, again))
            await some_writes(move, 1 - side)
        last, _ = await patient_switch(move, 1)
    assert last.opened == move.source
    ledger = merged(ledgers)
    told = await check(ledger, move.source)
    print(
        f"seed {seed}: acknowledged {ledger.acknowledged}, refused {ledger.refused}, "
        f"unknown {ledger.unknown}, longest gap {ledger.gap:.2f} s, switches {downtimes}, faults {len(told)}"
    )
    assert told == []
    assert ledger.unknown == 0, "our fence leaves nobody without an answer"
    assert ledger.refused > 0, "nobody met a fence: this proves nothing"
    await _to_the_end(move)
    assert await same(move)


async def _to_the_end(move: Move) -> None:
    """What was written to the source since the last switch is carried too."""
    async with open_link(move, move.source) as link:
        await link.apply()
