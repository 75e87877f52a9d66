"""What the traffic saw of a whole run: it is ended, and its ledger is held against the side that serves."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wsdash.data.pg.connect import Endpoint
from wsdash.demo.traffic.compare import Judged, compare
from wsdash.demo.traffic.ledger import Tally, read_ledgers
from wsdash.demo.world.services import TRAFFIC
from wsdash.model import TrafficJudged
from wsdash.stack.local.stack import LocalStack

SETTLE_SECONDS = 10.0
"""A gap that ended so long after the switch belongs to it."""


async def witness(
    world: Path, side: Endpoint, label: str, window: tuple[float, float] | None
) -> TrafficJudged | None:
    """End the traffic of this world and judge what it was acknowledged; None where it had none.

    side: the database that serves now, label: source or target. window: from when to when (epoch seconds)
    writers were refused by the switch, None where none was. Raises WsdashError.
    """
    directory = world / TRAFFIC
    if not await asyncio.to_thread(directory.exists):
        return None
    stack = LocalStack(world)
    try:
        await stack.stop([TRAFFIC], lambda _: None)
    finally:
        await stack.close()
    whole, tallies = Judged(), []
    for ledger in read_ledgers(directory):
        found = await compare(ledger, side)
        whole.lost += found.lost
        whole.duplicated += found.duplicated
        whole.wrong += found.wrong
        whole.told += found.told
        tallies.append(ledger.tally)
    return TrafficJudged(
        label,
        acknowledged=sum(tally.acknowledged for tally in tallies),
        lost=whole.lost,
        duplicated=whole.duplicated,
        wrong=whole.wrong,
        unknown=sum(tally.unknown for tally in tallies),
        reads_answered=sum(tally.reads_answered for tally in tallies),
        reads_refused=sum(tally.reads_refused for tally in tallies),
        longest_read_refusal=max((tally.longest_read_refusal_ms for tally in tallies), default=0.0) / 1000,
        gap=None if window is None else max((_gap(tally, window) for tally in tallies), default=0.0),
        told=tuple(whole.told[:10]),
    )


def _gap(tally: Tally, window: tuple[float, float]) -> float:
    """The longest time without an acknowledged write about the switch, less the usual interval."""
    began, ended = window
    gaps = [gap.seconds for gap in tally.gaps if began <= gap.until <= ended + SETTLE_SECONDS]
    return max((seconds - tally.interval for seconds in gaps), default=0.0)
