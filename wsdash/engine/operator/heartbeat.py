"""The engine's sign of life: how long its event loop ever paused, for every screen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable

from wsdash.engine.journal.writer import Heartbeat, Journal
from wsdash.engine.limits import BEAT_TURNS, LOCK_SECONDS, TURN_SECONDS
from wsdash.engine.operator.lock import OperatorLock


async def beat(journal: Journal, current: Callable[[], str]) -> None:
    """For ever: a heartbeat every 0.4 s, with the longest gap between two turns of this loop so far."""
    host, pid = socket.gethostname(), os.getpid()
    worst, turn, last = 0.0, 0, time.monotonic()
    while True:
        await asyncio.sleep(TURN_SECONDS)
        now = time.monotonic()
        worst, last = max(worst, now - last), now
        turn += 1
        if turn % BEAT_TURNS == 1:
            journal.beat(Heartbeat(pid, host, time.time(), current(), worst))


async def keep_lock_fresh(lock: OperatorLock) -> None:
    """For ever: renew the lock's sign of life every second."""
    while True:
        with contextlib.suppress(OSError):  # a full disk must not end the run; the lock itself still holds
            await asyncio.to_thread(lock.beat)
        await asyncio.sleep(LOCK_SECONDS)
