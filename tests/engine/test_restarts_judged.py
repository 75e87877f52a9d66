"""Restarts seen by a real engine: those that somebody asked for are told as theirs and turn no day to no-go;
those that nobody asked for do, also when no engine lived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
import pytest

from tests.engine.session import Session, history
from tests.engine.small_world import MakeFiles, NoContainers, Small
from tests.review.migrated import options
from tests.support.servers import free_port
from tests.watch.support import answer, http_server
from wsdash.config import Settings, Thresholds
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.run.asked import CONTAINER, act_at_rest
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    AlertChanged,
    ContainerReading,
    ContainerRestarted,
    CriterionFound,
    Intent,
    ItemState,
    LatencyReading,
)
from wsdash.plan import load_plan
from wsdash.stack.base import OutputSink, Stack
from wsdash.steps.base import StepContext
from wsdash.timeline.evidence import SampleEvidence as Samples
from wsdash.timeline.judge import judge
from wsdash.timeline.spec import load_timeline
from wsdash.timeline.story import fold_story

API = "workspace-api"
NEW = (API, "workspace-db-compute", "workspace-db-pageserver", "workspace-db-safekeeper")
BEGUN_AT = 1_000_000.0


class Living(NoContainers):
    """Containers that tell when they were started."""

    def __init__(self) -> None:
        self.now = {
            name: ContainerReading(name, "running", "healthy", "workspace", started_at=BEGUN_AT)
            for name in NEW
        }
        self._changed: Callable[[], object] = lambda: None

    async def readings(self) -> list[ContainerReading]:
        return list(self.now.values())

    async def watch(self, changed: Callable[[], object]) -> None:
        self._changed = changed

    async def close(self) -> None:
        self._changed = lambda: None

    def change(self, name: str, **changes: object) -> None:
        self.now[name] = msgspec.structs.replace(self.now[name], **changes)
        self._changed()

    def started_anew(self, name: str) -> None:
        self.change(
            name, state="running", exit_code=None, started_at=(self.now[name].started_at or 0.0) + 100.0
        )

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        for name in names:
            self.started_anew(name)

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        for name in names:
            self.change(name, state="exited", exit_code=143)
        await asyncio.sleep(0.1)  # the engine sees that they are gone

    async def restart(self, name: str, output: OutputSink) -> None:
        self.started_anew(name)


class Shutdown(MakeFiles):
    """test-shutdown: the whole new stack stopped and started again, as the guide has it."""

    async def act(self, ctx: StepContext) -> None:
        """As graceful_shutdown does."""
        await ctx.stack.stop(list(NEW), lambda line: None)
        await ctx.stack.start(list(NEW), lambda line: None)
        await super().act(ctx)


def restarts(small: Small) -> list[ContainerRestarted]:
    return [event for event in history(small) if isinstance(event, ContainerRestarted)]


async def seen(small: Small, count: int) -> list[ContainerRestarted]:
    async with asyncio.timeout(60):
        while len(restarts(small)) < count:  # noqa: ASYNC110 - the journal is what is tested
            await asyncio.sleep(0.02)
    return restarts(small)


def told(small: Small) -> CriterionFound:
    """No container restarts, on Day 1, by the run's own journal and samples."""
    reader, samples = JournalReader(small.state), HistoryReader(small.state / FILE)
    story = fold_story(reader.history(), load_plan(small.config))
    reader.close()
    now = time.time()
    judged = judge(load_timeline(small.config), story, Samples(samples, now), Thresholds(), now)
    samples.close()
    return next(one for one in judged.days[1].criteria if one.id == "no-restarts")


def alerts(small: Small) -> set[str]:
    raised = [event for event in history(small) if isinstance(event, AlertChanged) and event.raised]
    return {event.alert or event.rule for event in raised}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Living:
    living = Living()

    async def open_stack(settings: Settings, *, read_only: bool = False) -> Stack:
        return living

    monkeypatch.setattr("wsdash.engine.run.asked.open_world_stack", open_stack)
    return living


@pytest.fixture
def migrated(tmp_path: Path, stack: Living, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session that migrates and watches, on a stack that runs."""
    small, made = options(tmp_path)
    steps = dict(made.steps or {})
    steps["test-shutdown"] = Shutdown("test-shutdown", small.work)
    for key in ("SOURCE__PORT", "TARGET__PORT"):
        monkeypatch.setenv(f"WSDASH__{key}", str(free_port()))
    session = Session(small)
    session.changes = {"stack": stack, "steps": steps, "watch": True, "yes": True, "auto": True}
    return session


async def test_restarts_are_told_with_who_asked_and_count_where_nobody_did(
    migrated: Session, stack: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = migrated.small
    port = free_port()
    for key in ("OLD", "NEW"):
        monkeypatch.setenv(f"WSDASH__API__{key}", f"http://127.0.0.1:{port}")
    async with http_server(port, {"/health": answer(), "/api/items": answer()}):
        async with migrated:
            await migrated.until("update-dashboards", ItemState.DONE)
            await _watched(small)
            await migrated.ask(CONTAINER, who="Ana", options={"action": "restart", "name": API})
            assert await seen(small, 1) == [ContainerRestarted(API, "started anew", "Ana")]
            await migrated.ask("run-item", "test-shutdown")
            await migrated.until("test-shutdown", ItemState.DONE)
            found = (await seen(small, 5))[1:]
            assert {one.name for one in found} == set(NEW)
            assert {one.asked_by for one in found} == {"the test test-shutdown"}
            assert "container-restarts" not in {name.partition("/")[0] for name in alerts(small)}
        asked = told(small)
        assert asked.holds is not False
        assert asked.measured.startswith("0 seen, 5 asked for; ")

        word = Intent(CONTAINER, who="Bruno", options={"action": "restart", "name": API})
        assert (await act_at_rest(small.state, small.config, word)).ok
        async with migrated:
            dark = ContainerRestarted(API, "started anew, while nobody watched", "Bruno")
            assert (await seen(small, 6))[5:] == [dark]
        assert told(small).measured.startswith("0 seen, 6 asked for; ")

        stack.started_anew(NEW[1])  # by itself, and no engine lives
        async with migrated:
            dark = ContainerRestarted(NEW[1], "started anew, while nobody watched")
            assert (await seen(small, 7))[6:] == [dark]
        assert (told(small).holds, told(small).measured) == (False, f"{NEW[1]}: 1, 6 asked for")


async def _watched(small: Small) -> None:
    """Until all containers were read, and the API."""

    def done() -> bool:
        reader = JournalReader(small.state)
        events = [recorded.event for recorded in reader.events(0, 1_000_000)]
        reader.close()
        names = {event.name for event in events if isinstance(event, ContainerReading)}
        probed = any(isinstance(e, LatencyReading) and e.series == "api-new" for e in events)
        return probed and set(NEW) <= names

    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - the journal is what is tested
            await asyncio.sleep(0.05)
