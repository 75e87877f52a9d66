"""What the pollers need from the rest of the house, as protocols and callables handed in.

A clock, and what a container is meant to do, as whoever knows the run says; never read off how it ended. And
how a source of readings is doing and why, reported only when it changes.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import (
    AnyEvent,
    BranchesReading,
    ContainerReading,
    Liveness,
    LogLine,
    RowsReading,
    SourceState,
)

Emit = Callable[[AnyEvent], None]
OnLog = Callable[[LogLine], None]
CountRows = Callable[[], Awaitable[list[RowsReading]]]
CountConnections = Callable[[], Awaitable["Connections"]]
"""Asks the target's server."""

ListBranches = Callable[[], Awaitable[BranchesReading]]
_ERRNO = re.compile(r"\[Errno (-?\d+)\]")
DOWN_AFTER = 5
"""Failures in a row after which a source is called down; the attempts go on for ever."""


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


class SilentError(UnreachableError):
    """It took the question and gave no answer in time: it may be at work on it still."""


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


def reason(error: BaseException) -> str:
    """One short line: 'connection refused', 'no answer in time', or the error's own words."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(reason(inner) for inner in error.exceptions))
    if isinstance(error, WsdashError):
        return error.what
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return _os_reason(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _os_reason(error: OSError) -> str:
    # a host with several addresses fails as one error that quotes the others
    quoted = [int(number) for number in _ERRNO.findall(str(error))]
    inner = getattr(error, "os_error", None)
    numbers = quoted or [number for number in (getattr(inner, "errno", None), error.errno) if number]
    if numbers and numbers[0] > 0:
        return os.strerror(numbers[0]).lower()
    return " ".join(str(error).split()) or type(error).__name__


def backoff(attempt: int, first: float, longest: float, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait after the attempt-th failure in a row (1, 2, ...).

    Doubles from `first` up to `longest`, of which a random half is taken off, so that many sources which
    failed together do not come back together.
    """
    whole = min(longest, first * 2.0 ** min(attempt - 1, 30))
    return whole * (0.5 + chance() / 2)


class SourceTeller:
    """Emits SourceState for one source; the same state twice in a row is reported once."""

    def __init__(self, source: str, emit: Emit) -> None:
        self._source = source
        self._emit = emit
        self._reported: SourceState | None = None

    @property
    def liveness(self) -> Liveness | None:
        """What was reported last, None before anything."""
        return self._reported.liveness if self._reported is not None else None

    def live(self) -> None:
        """Readings come."""
        if self.liveness is not Liveness.LIVE:
            self._tell(SourceState(self._source, Liveness.LIVE))

    def stale(self, age: float) -> None:
        """The newest reading is `age` seconds old; reported once until something else is reported."""
        if self.liveness is Liveness.LIVE:
            self._tell(SourceState(self._source, Liveness.STALE, f"no news for {age:.0f} s"))

    def failed(self, why: str, attempt: int, next_try_at: float) -> None:
        """The attempt-th failure in a row; next_try_at in seconds since the epoch."""
        liveness = Liveness.DOWN if attempt >= DOWN_AFTER else Liveness.RECONNECTING
        self._tell(SourceState(self._source, liveness, why, attempt, next_try_at))

    def absent(self, why: str) -> None:
        """It is deliberately not there: down, with nothing to reconnect to."""
        self._tell(SourceState(self._source, Liveness.DOWN, why))

    def _tell(self, state: SourceState) -> None:
        if state != self._reported:
            self._reported = state
            self._emit(state)
