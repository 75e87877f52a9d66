"""Catching up for as long as it takes: over new sessions when a server restarts, the log kept small."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from wsdash.data.limits import FOLLOW_POLL_SECONDS, FOLLOW_RETRY_SECONDS, TIDY_SECONDS
from wsdash.data.online.capture.install import count_lines, fold, log_bytes
from wsdash.data.online.sync.link import Link, open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.snapshot.chunk_states import MovedError
from wsdash.errors import UnreachableError


@dataclass(frozen=True)
class FollowProgress:
    """How catching up goes. lines: applied in the last delta, in `seconds`; total: since it began.
    log_bytes: what the log takes on the side that is left. trouble: why it is not going on; '' when it is."""

    lines: int = 0
    seconds: float = 0.0
    total: int = 0
    log_bytes: int = 0
    trouble: str = ""


async def follow(
    move: Move,
    leaving: Endpoint,
    over: asyncio.Event,
    on_progress: Callable[[FollowProgress], None] = lambda _: None,
) -> int:
    """Apply changes as they come until `over` is set; how many log lines in all.

    A server that cannot be reached is tried again for ever (on_progress hears of it); maintenance that
    rewrote chunks makes a delta be read anew. Raises what else Link.apply raises.
    """
    total = 0

    def applied(lines: int) -> int:
        nonlocal total
        total += lines
        return total

    while not over.is_set():
        try:
            async with open_link(move, leaving) as link:
                await _follow(link, over, on_progress, applied)
        except (UnreachableError, MovedError) as error:
            on_progress(FollowProgress(total=total, trouble=error.what))
            await _pause(over, FOLLOW_RETRY_SECONDS)
    return total


@dataclass(frozen=True)
class KeptLog:
    """What keeps the way to the other side open. changes: lines of the log, one a key and operation."""

    changes: int
    log_bytes: int


async def keep_small(side: Endpoint) -> KeptLog:
    """For a side whose changes are not applied now: fold its log into one line a key and operation.

    Only that side is needed. Raises UnreachableError, WsdashError.
    """
    async with connection(side, read_only=False) as conn:
        with ServerErrors(side, "folding the log of changes"):
            await fold(conn)
            return KeptLog(await count_lines(conn), await log_bytes(conn))


async def _follow(
    link: Link,
    over: asyncio.Event,
    on_progress: Callable[[FollowProgress], None],
    applied: Callable[[int], int],
) -> None:
    tidied, size = time.monotonic(), 0
    while not over.is_set():
        started = time.monotonic()
        lines = await link.apply()
        if time.monotonic() - tidied > TIDY_SECONDS:
            await link.prune()
            with ServerErrors(link.leaving, "measuring the log of changes"):
                size = await log_bytes(link.steward)
            tidied = time.monotonic()
        on_progress(FollowProgress(lines, time.monotonic() - started, applied(lines), size))
        if not lines:
            await _pause(over, FOLLOW_POLL_SECONDS)


async def _pause(over: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        pass
