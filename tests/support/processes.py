"""Real processes from outside: whether one is gone, and waiting for what no event tells of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import psutil


def is_gone(pid: int) -> bool:
    """No such process, or only its zombie."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until(holds: Callable[[], bool | Awaitable[bool]], timeout: float = 15.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = holds()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.03)
