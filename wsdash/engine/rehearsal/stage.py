"""What everything in a rehearsal works on, and how a failure is put into words there.

Also what it has found so far, what that comes to, and how much memory and disk the new stack takes
meanwhile.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsdash.config import DatabaseSettings, Settings
from wsdash.data.pg.connect import connection
from wsdash.data.pg.transfer import server_words
from wsdash.data.snapshot.hold import Snapshot
from wsdash.engine.limits import MEASURE_EVERY_SECONDS, MEASURE_TIMEOUT
from wsdash.engine.outlook import IN_DOWNTIME
from wsdash.engine.run.perform import known_cause
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.world import World
from wsdash.errors import WsdashError
from wsdash.model import (
    REHEARSAL,
    AnyEvent,
    Notice,
    Progress,
    RehearsalOutcome,
    RehearsedItem,
    ResourceUse,
    StepId,
    TableVerified,
)
from wsdash.model.facts import Fact, T
from wsdash.stack.base import Stack
from wsdash.steps.base import Step, StepContext, Trial, endpoint


class StoppedError(Exception):
    """An item could not be done: the round ends here, and what was found is noted."""


@dataclass
class MemoryFacts:
    """The facts of one round, gone with it."""

    facts: dict[str, Any] = field(default_factory=dict)

    def get(self, name: Fact[T]) -> T | None:
        """The value, or None."""
        return name.of(self.facts)

    async def put(self, name: Fact[T], value: T | None) -> None:
        """Remember it for the round's length."""
        self.facts[name] = value


@dataclass
class RehearsalFinds:
    """The finds of one rehearsal. seconds: of each item, round by round; texts: its newest evidence or fault.

    moved: by table, what changed in the source meanwhile. scratch: the version of the server on which the
    schema alone was tried. interrupted: why it says nothing, or ''.
    """

    id: str
    started_at: float
    seconds: dict[str, list[float]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    blocked: list[str] = field(default_factory=list)
    differed: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    left: tuple[str, ...] = ()
    resources: tuple[ResourceUse, ...] = ()
    verified: dict[str, TableVerified] = field(default_factory=dict)
    facts: MemoryFacts = field(default_factory=MemoryFacts)
    scratch: int | None = None
    interrupted: str = ""

    def took(self, item: str, seconds: float) -> None:
        """Note how long an item took in this round."""
        self.seconds.setdefault(item, []).append(round(seconds, 3))

    @property
    def outcome(self) -> RehearsalOutcome:
        """What it comes to."""
        if self.blocked or self.left:
            return RehearsalOutcome.BLOCKED
        if self.differed:
            return RehearsalOutcome.DIFFERED
        return RehearsalOutcome.INTERRUPTED if self.interrupted else RehearsalOutcome.CLEAN

    def items(self) -> tuple[RehearsedItem, ...]:
        """Every item within the downtime, as it went."""
        items = []
        for name in IN_DOWNTIME:
            seconds = tuple(self.seconds.get(name, ()))
            state = "estimated" if name == StepId.STOP_OLD and seconds else "done"
            if name in self.failed:
                state = "failed"
            elif not seconds and name not in self.texts:
                state = "not-rehearsed"
            items.append(RehearsedItem(name, state, seconds, True, self.texts.get(name, "")))
        return tuple(items)

    def differences(self) -> list[str]:
        """The tables that do not equal what was in the source when they were copied."""
        lines = []
        for table in self.verified.values():
            if table.match:
                continue
            first = f", first: {table.differences[0]}" if table.differences else ""
            lines.append(
                f"{table.name}: {table.source_rows:,} rows in the source's snapshot, "
                f"{table.target_rows:,} in the target, unequal by content{first}"
            )
        return lines


ScratchServer = Callable[[int | None, str], AbstractAsyncContextManager[tuple[int, DatabaseSettings]]]
"""(major version wanted, schema) -> a PostgreSQL server for a block: its version and its empty database."""


@dataclass(frozen=True)
class RehearsalStage:
    """The run's world, its containers, and the one who writes the journal. state: the run's directory."""

    world: World
    stack: Stack
    recorder: Recorder
    state: Path
    scratch_server: ScratchServer | None = None

    @property
    def settings(self) -> Settings:
        """The world's."""
        return self.world.settings

    def step(self, item: str) -> Step:
        """The night's own step of an item."""
        return self.world.steps[item]

    def output(self, text: str) -> None:
        """Take one line of what the containers' engine prints."""
        self.recorder.journal.emit(Notice("info", text, REHEARSAL))

    async def words(self, error: Exception) -> str:
        """A failure for a person; a defect's traceback goes to the engine's log."""
        cause = known_cause(error)
        if cause is not None:
            return str(cause)
        await self.recorder.trace(error)
        return f"unexpected {type(error).__name__}: {error}; engine.log holds the details"

    def context(
        self, found: RehearsalFinds, snapshot: Snapshot | None = None, settings: Settings | None = None
    ) -> StepContext:
        """What a step is handed. settings: others than the world's."""

        def emit(event: AnyEvent) -> None:
            if isinstance(event, TableVerified):
                found.verified[event.name] = event
            elif isinstance(event, Progress | Notice):  # the rest would be taken for the run's own
                self.recorder.journal.emit(event)

        return StepContext(
            found.id,
            REHEARSAL,
            settings or self.settings,
            self.stack,
            found.facts,
            emit,
            self.state,
            trial=Trial(snapshot),
        )


LOCAL = ("localhost", "127.0.0.1", "::1")


class ResourceMeter:
    """Reads the containers' memory once a second while it runs, and the database's size when it is asked."""

    def __init__(self, settings: Settings, stack: Stack, state: Path) -> None:
        self._settings = settings
        self._stack = stack
        self._state = state
        self._memory = 0
        self._database = 0

    async def run(self) -> None:
        """For ever; a reading that fails is left out."""
        names = self._settings.stack.workspace.containers
        while True:
            with suppress(WsdashError):
                readings = await self._stack.readings()
                used = sum(one.memory_bytes or 0 for one in readings if one.name in names)
                self._memory = max(self._memory, used)
            await asyncio.sleep(MEASURE_EVERY_SECONDS)

    async def weigh_database(self) -> None:
        """Read how large the target's database is with all its rows. Raises UnreachableError, WsdashError."""
        target = endpoint(self._settings.target)
        async with connection(target, read_only=True) as conn:
            with server_words(target, "reading the database's size", "then retry"):
                size = await conn.fetchval(
                    "SELECT pg_database_size(current_database())", timeout=MEASURE_TIMEOUT
                )
        self._database = max(self._database, size)

    async def uses(self) -> tuple[ResourceUse, ...]:
        """What was seen so far; what was not read is left out."""
        uses = []
        if self._memory:
            limit = self._settings.thresholds.stack_memory_bytes
            uses.append(ResourceUse("memory of the new stack", self._memory, limit))
        if self._database:
            free = None
            if self._settings.target.host in LOCAL:
                free = (await asyncio.to_thread(shutil.disk_usage, self._state)).free + self._database
            uses.append(ResourceUse("disk of the new database", self._database, free))
        return tuple(uses)
