"""Item catch-up: changes are carried as they come, until the new database keeps up with the old one."""

from __future__ import annotations

import asyncio
import time

from wsdash.errors import WsdashError
from wsdash.model import Followed, StepId
from wsdash.model.online import KEEPS_UP_SECONDS
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.online.move import following_of, went_over

LONGEST_SECONDS = 4 * 3600.0
"""Catching up for so long is a failure: changes come faster than they are carried."""
TROUBLE_SECONDS = 120.0
"""How long a server may be away meanwhile."""
POLL_SECONDS = 0.2


class CatchUp:
    """Carry changes until the new database keeps up."""

    id: str = StepId.CATCH_UP
    fence = False
    until_open = True

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds while changes are carried and the target is at most a second behind; and after the switch."""
        if ctx.following is None:
            return Evidence(False, "nothing carries changes yet")
        if await went_over(ctx.settings):
            return Evidence(True, "the switch carried the last change")
        newest = ctx.following.newest
        if newest is None or newest.lag is None:
            return Evidence(False, "nothing carries changes yet" if newest is None else newest.trouble)
        return Evidence(newest.keeps_up, _words(newest))

    async def act(self, ctx: StepContext) -> None:
        """Begin to carry, and wait until it keeps up. It goes on until the switch, whoever looks."""
        following = following_of(ctx)
        await following.begin()
        began = well = time.monotonic()
        while True:
            newest, now = following.newest, time.monotonic()
            if newest is not None and newest.keeps_up:
                return
            if newest is None or not newest.trouble:
                well = now
            elif now - well > TROUBLE_SECONDS:
                raise WsdashError(newest.trouble, remedy="see to what it names, then retry")
            if now - began > LONGEST_SECONDS:
                raise WsdashError(
                    "changes come faster than they are carried: "
                    + (_words(newest) if newest is not None else "none was carried"),
                    where=ctx.target.address,
                    remedy="retry when less is written, or migrate with --mode offline",
                )
            await asyncio.sleep(POLL_SECONDS)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Nothing is carried any more."""
        await following_of(ctx).end()
        return Evidence(True, "no change is carried any more")


def _words(newest: Followed) -> str:
    if newest.trouble:
        return f"nothing is carried now: {newest.trouble}"
    lag = "unknown" if newest.lag is None else f"{newest.lag:.2f} s"
    return (
        f"{newest.carried:,} changes carried; behind by {lag} (limit {KEEPS_UP_SECONDS:.0f} s); "
        f"the log takes {newest.log_bytes:,} bytes"
    )
