"""The monitor on its own: with no engine alive it polls the world by itself, read-only, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.engine.journal.reader import NotBegunError
from wsdash.engine.journal.writer import JournalReader, clock_of
from wsdash.engine.world import open_world_stack, watch_for_ever
from wsdash.model import AnyEvent, LogLine, run_time


def clock_at_rest(state: Path | None) -> Clock:
    """The clock of the run in `state`, from where the run's time stands on; without a run the machine's."""
    try:
        reader = JournalReader(state) if state is not None else None
    except NotBegunError:
        reader = None
    if reader is None:
        return SystemClock()
    try:
        passing, newest = reader.time()
    finally:
        reader.close()
    return clock_of(passing, run_time(passing, time.time(), newest))


async def observe(
    settings: Settings,
    emit: Callable[[AnyEvent], None],
    on_log: Callable[[LogLine], None],
    *,
    logs_since: float | None = None,
    clock: Clock | None = None,
) -> None:
    """Poll until cancelled. Nothing is written anywhere; database sessions and the stack are read-only.

    logs_since: epoch seconds of the newest log line that the caller has; without it logs begin with the
    last minutes before.
    clock: the run's; None: the machine's.

    Raises InputError or UnreachableError when the containers cannot be read at all.
    """
    known = logs_since

    def newest(line: LogLine) -> None:
        nonlocal known
        known = line.at if known is None else max(known, line.at)
        on_log(line)

    stack = await open_world_stack(settings, read_only=True)
    try:
        await watch_for_ever(settings, stack, emit, newest, newest_log=lambda: known, clock=clock)
    finally:
        await stack.close()
