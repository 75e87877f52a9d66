"""What everything in a rehearsal works on, and how a failure is put into words there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from wsdash.config import DatabaseSettings, Settings
from wsdash.data.snapshot.hold import Snapshot
from wsdash.engine.rehearsal.found import RehearsalFinds
from wsdash.engine.run.perform import known_cause
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.world import World
from wsdash.model import REHEARSAL, AnyEvent, Notice, Progress, TableVerified
from wsdash.stack.base import Stack
from wsdash.steps.base import Step, StepContext, Trial

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
