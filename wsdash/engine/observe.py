"""The monitor on its own: with no engine alive it polls the world by itself, read-only, in memory."""

from __future__ import annotations

from collections.abc import Callable

from wsdash.config import Settings
from wsdash.engine.world import open_world_stack, watch_for_ever
from wsdash.model import AnyEvent, LogLine


async def observe(
    settings: Settings,
    emit: Callable[[AnyEvent], None],
    on_log: Callable[[LogLine], None],
    *,
    logs_since: float | None = None,
) -> None:
    """Poll until cancelled. Nothing is written anywhere; database sessions and the stack are read-only.

    logs_since: epoch seconds of the newest log line that the caller has; without it logs begin now.

    Raises InputError or UnreachableError when the containers cannot be read at all.
    """
    known = logs_since

    def newest(line: LogLine) -> None:
        nonlocal known
        known = line.at if known is None else max(known, line.at)
        on_log(line)

    stack = await open_world_stack(settings, read_only=True)
    try:
        await watch_for_ever(settings, stack, emit, newest, newest_log=lambda: known)
    finally:
        await stack.close()
