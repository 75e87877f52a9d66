"""Real processes from outside: whether one is gone, and waiting for what no event tells of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

FAMILY = "sleep 600 & echo $! >family; echo $$ >>family; echo both >>family; "
"""A shell that writes down its child's pid and its own, then goes on with what follows."""


def is_gone(pid: int) -> bool:
    """No such process, or only its zombie."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until(holds: Callable[[], bool | Awaitable[bool]], timeout: float = 90.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = holds()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.03)


async def family(directory: Path) -> list[int]:
    """The pids that FAMILY wrote down, once all are there."""
    written = directory / "family"
    await until(lambda: written.exists() and "both" in written.read_text())
    return [int(word) for word in written.read_text().split()[:2]]
