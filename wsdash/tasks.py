"""Tasks that live and die together, with a failure raised as itself and not as a group of failures; and how
late the event loop is that they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup that raises the first failure of its tasks or its body itself; the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise first_failure(failures) from None


def first_failure(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that came first, whatever the depth of the groups around it."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


async def finished_though_cancelled(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end, also when we are cancelled meanwhile; then raise CancelledError."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        task.exception()
        raise asyncio.CancelledError
    return task.result()


LAG_STEP = 0.1
"""Seconds between two looks at how late the loop is: a screen shows a stall of a tenth of a second."""


class LoopLag:
    """How late the event loop wakes up, seconds; `run` must run beside what is measured.

    worst: ever since it runs.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        self._since_taken = 0.0

    def take(self) -> float:
        """The worst since this was last called."""
        worst, self._since_taken = self._since_taken, 0.0
        return worst

    def note(self, late: float) -> None:
        """Count one wake-up that was so late."""
        self._since_taken = max(self._since_taken, late)
        self.worst = max(self.worst, late)

    async def run(self) -> None:
        """Look for ever. By timers alone: a task that sleeps costs twice as much."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            self.note(loop.time() - timers.pop().when())
            timers.append(loop.call_later(LAG_STEP, look))

        timers = [loop.call_later(LAG_STEP, look)]
        try:
            await loop.create_future()
        finally:
            timers.pop().cancel()
