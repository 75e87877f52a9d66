"""The monitor on its own: with no engine alive it polls the world by itself, read-only, in memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.engine.at_rest import RunAtRest, last_seen
from wsdash.engine.journal.reader import NotBegunError
from wsdash.engine.journal.writer import JournalReader, clock_of
from wsdash.engine.limits import REFRESH_SECONDS
from wsdash.engine.run.duty import duties
from wsdash.engine.world import open_world_stack, watch_for_ever
from wsdash.errors import InputError
from wsdash.model import AnyEvent, LogLine, run_time
from wsdash.plan import load_plan


def clock_at_rest(state: Path | None) -> Clock:
    """The clock of the run in `state`, from the run's time on; without a run the machine's."""
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
    state: Path | None = None,
) -> None:
    """Poll until cancelled. Nothing is written anywhere; database sessions and the stack are read-only.

    logs_since: epoch seconds of the newest log line that the caller has; without it logs begin with the
    last minutes before.
    clock: the run's; None: the machine's. state: the run's directory: what should run follows from where its
    the journal's state, never from how a container ended.

    Raises InputError or UnreachableError when the containers cannot be read at all.
    """
    known = logs_since

    def newest(line: LogLine) -> None:
        nonlocal known
        known = line.at if known is None else max(known, line.at)
        on_log(line)

    clock = clock or SystemClock()
    run = RunAtRest(state, clock.time) if state is not None else None
    stack = await open_world_stack(settings, read_only=True)
    try:
        if run is None:
            await watch_for_ever(settings, stack, emit, newest, newest_log=lambda: known, clock=clock)
            return
        await _refresh(run)
        plan = await asyncio.to_thread(load_plan, Path(settings.directory))
        duty = duties(settings, plan, lambda: run.view, run.asked)
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep_fresh(run))
            group.create_task(
                watch_for_ever(
                    settings,
                    stack,
                    emit,
                    newest,
                    newest_log=lambda: known,
                    clock=clock,
                    duties=duty,
                    seen=lambda: last_seen(run.state, settings),
                )
            )
    finally:
        if run is not None:
            run.close()
        await stack.close()


async def _keep_fresh(run: RunAtRest) -> None:
    """For ever: a person's word takes effect without an engine, too."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await _refresh(run)


async def _refresh(run: RunAtRest) -> None:
    with contextlib.suppress(InputError):  # who shows the journal says that it cannot be read
        await asyncio.to_thread(run.refresh)
