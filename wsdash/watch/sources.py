"""What the pollers need from the rest of the house, as protocols and callables handed in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from wsdash.model import AnyEvent, BranchesReading, ContainerReading, LogLine, RowsReading

Emit = Callable[[AnyEvent], None]
OnLog = Callable[[LogLine], None]
CountRows = Callable[[], Awaitable[list[RowsReading]]]
CountConnections = Callable[[], Awaitable[tuple[int, int]]]
"""(connections in use, their limit) of the target's database."""

ListBranches = Callable[[], Awaitable[BranchesReading]]


class WatchedStack(Protocol):
    """The reading side of a stack of containers."""

    async def readings(self) -> list[ContainerReading]:
        """All containers as they are now. Raises UnreachableError."""
        ...

    def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        """Lines of all containers from `since` (seconds since the epoch) on, for ever."""
        ...


class NotStartedError(Exception):
    """The service a probe asks is deliberately not running: down, but no failure."""
