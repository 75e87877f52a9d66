"""The monitor on its own: with no engine alive it polls the world by itself, read-only, in memory."""

from __future__ import annotations

from collections.abc import Callable

from wsdash.config import Settings
from wsdash.engine.world import open_world_stack, watch_for_ever
from wsdash.model import AnyEvent, LogLine


async def observe(
    settings: Settings, emit: Callable[[AnyEvent], None], on_log: Callable[[LogLine], None]
) -> None:
    """Poll until cancelled. Nothing is written anywhere; database sessions and the stack are read-only.

    Raises InputError or UnreachableError when the containers cannot be read at all.
    """
    stack = await open_world_stack(settings, read_only=True)
    try:
        await watch_for_ever(settings, stack, emit, on_log)
    finally:
        await stack.close()
