"""What a step is, and the world it is handed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from wsdash.config import DatabaseSettings, Settings
from wsdash.data.pg.connect import Endpoint
from wsdash.data.snapshot.hold import Snapshot
from wsdash.model import AnyEvent, Followed, Mode, Notice
from wsdash.model.facts import Facts
from wsdash.stack.base import OutputSink, Stack


@dataclass(frozen=True)
class Evidence:
    """What a check read. holds: the item holds; text: the facts, in one line a person can verify.

    insufficient: it does not hold because too little was seen for an answer, not because it failed.
    broken_at: since when it does not hold (epoch seconds), where the world tells; None where it does not.
    remedy: what to do where it does not hold, where the check knows better than the plan.
    """

    holds: bool
    text: str
    insufficient: bool = False
    broken_at: float | None = None
    remedy: str = ""


DRY_RUN = "dry-run"
"""The run's name in a dry run."""

Emit = Callable[[AnyEvent], None]
"""Hands an event to the journal without waiting for it."""


class Following(Protocol):
    """What carries changes in the background, from capture until nothing of the online move is left."""

    @property
    def newest(self) -> Followed | None:
        """Its progress; None while it does not run."""
        ...

    async def begin(self) -> None:
        """Carry from now on, over every restart of the engine; safe to call again."""
        ...

    async def end(self) -> None:
        """Carry no more, for good; safe to call again."""
        ...

    async def fold_only(self) -> None:
        """Carry no more, but keep the source's log of changes small; safe to call again."""
        ...

    def held(self) -> AbstractAsyncContextManager[None]:
        """A block in which it carries nothing: what is inside carries itself."""
        ...


@dataclass(frozen=True)
class Trial:
    """What a rehearsal hands its steps. snapshot: the source's rows as they are to be copied and compared."""

    snapshot: Snapshot | None = None


@dataclass(frozen=True)
class StepContext:
    """Everything a step may touch. force and phrase: the operator's explicit override of invariant 2."""

    run: str
    item: str
    settings: Settings
    stack: Stack
    facts: Facts
    emit: Emit
    state: Path
    """The run's state directory."""
    force: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    now: Callable[[], float] = time.time
    """The run's time, epoch seconds: what the history's samples are kept by."""
    trial: Trial | None = None
    """Set in a rehearsal, while the old service goes on writing."""
    mode: str = Mode.OFFLINE
    following: Following | None = None
    """Set where a run of mode online has an engine."""
    durably: Callable[[AnyEvent], Awaitable[None]] | None = None
    """Records an event; the run knows it when this returns. Where it is missing, emit does."""
    alerts: Callable[[], Sequence[str]] = tuple
    """What is critical, raised, and heeded by nobody, in words."""

    async def record(self, event: AnyEvent) -> None:
        """Record an event; durable when this returns, where there is a run."""
        if self.durably is None:
            self.emit(event)
        else:
            await self.durably(event)

    @property
    def dry(self) -> bool:
        """Checks alone are asked for, long before anything is done: they may take their time to look
        closely."""
        return self.run == DRY_RUN

    @property
    def source(self) -> Endpoint:
        """The shared TimescaleDB."""
        return endpoint(self.settings.source)

    @property
    def target(self) -> Endpoint:
        """The new stack's compute."""
        return endpoint(self.settings.target)


class Step(Protocol):
    """An automatic item. check only reads; act makes it hold; both may be called again at any time."""

    id: str

    async def check(self, ctx: StepContext) -> Evidence:
        """Read the world. Never changes it. Raises WsdashError when the world cannot be read."""
        ...

    async def act(self, ctx: StepContext) -> None:
        """Make the item hold; safe to call again after a crash anywhere inside it. Raises WsdashError."""
        ...

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Take it back (rollback), or None where there is nothing to take back."""
        ...


@runtime_checkable
class RecheckedStep(Protocol):
    """A step that later items depend on, and whose item may stop holding while nobody looks: a machine was
    rebooted, somebody started the old service again. Its check is cheap and is read again before they act.

    fence: before each of them, not only before the first one after a rest. until_open: only until the new
    service is open for writes; what the step made has been handed over then, and is its users'.
    """

    fence: bool
    until_open: bool


def endpoint(side: DatabaseSettings) -> Endpoint:
    """The address of one side's database, from its settings."""
    return Endpoint(
        label=side.label,
        host=side.host,
        port=side.port,
        database=side.database,
        user=side.user,
        password_env=side.password_env,
        password_file=side.password_file,
        sslmode=side.sslmode,
    )


def command_output(ctx: StepContext) -> OutputSink:
    """Takes the lines of a command that the step runs, and tells them as the item's own."""

    def sink(text: str) -> None:
        ctx.emit(Notice(level="info", text=text, item=ctx.item))

    return sink
