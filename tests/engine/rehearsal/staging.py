"""A stage for rehearsals on real servers: only containers and the API's tests are stand-ins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.engine.small_world import NoContainers
from tests.support.servers import PASSWORD_ENV
from wsdash.config import DatabaseSettings, load_settings
from wsdash.data.pg.connect import Endpoint
from wsdash.engine.journal.writer import Journal
from wsdash.engine.rehearsal.conduct import Rehearsal
from wsdash.engine.rehearsal.stage import RehearsalStage, ScratchServer
from wsdash.engine.run.recorder import Recorder
from wsdash.engine.world import World
from wsdash.errors import UnreachableError
from wsdash.model import ContainerReading, Rehearsed
from wsdash.model.fold import fold_all
from wsdash.plan import load_plan
from wsdash.stack.base import OutputSink
from wsdash.steps.base import Evidence, Step, StepContext
from wsdash.steps.database.migrate import MigrateData
from wsdash.steps.registry import all_steps

Beside = Callable[[], Awaitable[None]]


@dataclass
class StandinContainers(NoContainers):
    """Names that are running or not. Compared with the supervisor's stack (wsdash.stack.local.stack):
    starting a running one, or stopping a stopped one, is no error. broken: why nothing can be started.
    """

    names: tuple[str, ...]
    up: set[str] = field(default_factory=set)
    broken: str = ""

    async def readings(self) -> list[ContainerReading]:
        return [
            ContainerReading(
                name, "running" if name in self.up else "exited", "healthy", memory_bytes=1 << 20
            )
            for name in self.names
        ]

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        if self.broken:
            raise UnreachableError(self.broken)
        self.up |= set(names)

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        self.up -= set(names)

    async def images(self) -> dict[str, bool]:
        return {"neondatabase/compute-node-v16:1": True}


class StandinApiTests:
    """Instead of the API's tests (steps/trials/api.py), which need an API: done when it was asked once."""

    id = "test-api"

    def __init__(self) -> None:
        self.asked = 0

    async def check(self, ctx: StepContext) -> Evidence:
        return Evidence(bool(self.asked), "tested")

    async def act(self, ctx: StepContext) -> None:
        self.asked += 1

    async def undo(self, ctx: StepContext) -> Evidence | None:
        return None


class CopiedThen(MigrateData):
    """The real step; something happens beside it as soon as the rows are copied."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside

    async def act(self, ctx: StepContext) -> None:
        await super().act(ctx)
        await self._beside()


@dataclass
class Theatre:
    """A rehearsal that can be run, and where to look afterwards."""

    containers: StandinContainers
    rehearsal: Rehearsal
    recorder: Recorder
    steps: dict[str, Step]

    async def play(self, rounds: int = 1) -> Rehearsed:
        """Rehearse; what was found."""
        await self.rehearsal.run(rounds)
        found = self.recorder.view.rehearsal
        assert found is not None
        return found

    def after_the_copy(self, beside: Beside) -> None:
        """Do this once the rows are copied."""
        self.steps["migrate-data"] = CopiedThen(beside)


def side(endpoint: Endpoint, schema: str) -> DatabaseSettings:
    """Settings of one side that lead to a test's database."""
    return DatabaseSettings(
        endpoint.label,
        endpoint.host,
        endpoint.port,
        endpoint.database,
        endpoint.user,
        schema,
        password_env=PASSWORD_ENV,
    )


@asynccontextmanager
async def theatre(
    state: Path,
    source: Endpoint,
    target: Endpoint,
    schema: str = "s",
    scratch_server: ScratchServer | None = None,
) -> AsyncIterator[Theatre]:
    """A stage on two real databases, with a journal in `state`."""
    settings = load_settings()
    stack = settings.stack
    # no container of an API: nothing waits until one answers
    only = msgspec.structs.replace(stack.workspace, containers=("workspace-db-compute",))
    settings = msgspec.structs.replace(
        settings,
        stack=msgspec.structs.replace(stack, workspace=only),
        source=side(source, schema),
        target=side(target, schema),
    )
    steps = all_steps()
    steps["test-api"] = StandinApiTests()
    containers = StandinContainers(settings.stack.workspace.containers)
    journal = Journal.open(state)
    try:
        recorder = Recorder(journal, fold_all(await journal.history()), lambda _: None, state / "engine.log")
        world = World(settings, load_plan(None), steps)
        rehearsal = Rehearsal(RehearsalStage(world, containers, recorder, state, scratch_server))
        yield Theatre(containers, rehearsal, recorder, steps)
    finally:
        await journal.close()
