"""What the pollers need from the rest of the house, as protocols and callables handed in.

A clock, and what a container is meant to do, as whoever knows the run says; never read off how it ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from wsdash.model import AnyEvent, BranchesReading, ContainerReading, LogLine, RowsReading

Emit = Callable[[AnyEvent], None]
OnLog = Callable[[LogLine], None]
CountRows = Callable[[], Awaitable[list[RowsReading]]]
CountConnections = Callable[[], Awaitable["Connections"]]
"""Asks the target's server."""

ListBranches = Callable[[], Awaitable[BranchesReading]]


class WatchedStack(Protocol):
    """The reading side of a stack of containers."""

    async def readings(self) -> list[ContainerReading]:
        """All containers as they are now. Raises UnreachableError."""
        ...

    async def watch(self, changed: Callable[[], object]) -> None:
        """Call changed when readings are out of date, until cancelled; may return at once."""
        ...

    def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        """Lines of all containers from `since` (seconds since the epoch) on, for ever."""
        ...


@dataclass(frozen=True)
class Connections:
    """The clients' connections to a server: how many, their limit, and how many in each state
    (active, idle, idle in transaction, ...). bound: what has that limit: server, database NAME or role NAME;
    '' where it is not known."""

    used: int
    limit: int
    states: dict[str, int]
    bound: str = ""


class NotStartedError(Exception):
    """The service a probe asks is deliberately not running: down, but no failure."""


class NotAskedError(Exception):
    """It was not this probe's turn to ask: the last report of the service still counts."""


@dataclass(frozen=True)
class Duty:
    """runs: it is meant to run; None where nobody knows. why: where it is not, the reason for people.

    asked_by: who is having it stopped or started anew at this moment, or had it a moment ago; '' for nobody.
    blameless_until: errors that it wrote up to then (epoch seconds) follow from the state of the run, and
    speak against nobody.
    """

    runs: bool | None = None
    why: str = ""
    asked_by: str = ""
    blameless_until: float = 0.0


Duties = Callable[[str], Duty]
"""Container -> its duty now."""


def unknown(name: str) -> Duty:
    """Where there is no run: nothing is claimed of any container."""
    return Duty()
