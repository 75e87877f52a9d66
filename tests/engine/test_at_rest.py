"""What the journal tells whoever was not there: what should run, and who asked for a restart in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdash.config import load_settings
from wsdash.engine.at_rest import RunAtRest, asked_since, last_seen
from wsdash.engine.journal.writer import Journal
from wsdash.engine.limits import GRACE_SECONDS
from wsdash.engine.run.duty import ManualActions, duties
from wsdash.model import (
    AnyEvent,
    ContainerAsked,
    ContainerReading,
    ItemChanged,
    ItemIntended,
    ItemState,
    Recorded,
    RehearsalOutcome,
    RehearsalProgress,
    Rehearsed,
    RunStarted,
)
from wsdash.plan import load_plan
from wsdash.watch.sources import Duty

SETTINGS, PLAN = load_settings(), load_plan()
OLD, API = SETTINGS.stack.apps.old_service, "workspace-api"
BEGUN = RunStarted("run", "offline", "h", 1, False)
STOPPED = ItemChanged("stop-old", ItemState.DONE)
STARTED = ItemChanged("start-stack", ItemState.DONE)
SINCE = 100.0
REHEARSED = Rehearsed("r", RehearsalOutcome.CLEAN, 80.0, 95.0)


async def journal_of(directory: Path, *events: AnyEvent) -> None:
    journal = Journal.open(directory)
    for event in events:
        await journal.record(event)
    await journal.close()


def rested(directory: Path) -> RunAtRest:
    run = RunAtRest(directory, lambda: 1e12)
    run.refresh()
    run.close()
    return run


async def test_what_should_run_follows_from_the_journal_with_no_engine_alive(tmp_path: Path) -> None:
    await journal_of(tmp_path, BEGUN, STOPPED, STARTED)
    run = rested(tmp_path)
    duty = duties(SETTINGS, PLAN, lambda: run.view, run.asked)
    assert (duty(OLD).runs, duty(API).runs) == (False, True)


async def test_what_a_dead_engine_was_starting_is_started_by_nobody(tmp_path: Path) -> None:
    await journal_of(
        tmp_path,
        BEGUN,
        STOPPED,
        ItemIntended("start-stack", "act", 1),
        ItemChanged("start-stack", ItemState.RUNNING),
        RehearsalProgress("r", "start-stack", 1, 2),
    )
    run = rested(tmp_path)
    duty = duties(SETTINGS, PLAN, lambda: run.view, run.asked)(API)
    assert (duty.runs, duty.asked_by) == (True, "")


async def test_where_no_run_is_nothing_is_claimed(tmp_path: Path) -> None:
    run = rested(tmp_path)
    assert duties(SETTINGS, PLAN, lambda: run.view, run.asked)(API) == Duty()
    assert last_seen(tmp_path, SETTINGS) == {}


async def test_what_is_written_later_is_taken_in(tmp_path: Path) -> None:
    await journal_of(tmp_path, BEGUN, STOPPED, STARTED)
    run = RunAtRest(tmp_path, lambda: 0.0)
    run.refresh()
    assert run.asked.by(API) == ""
    await journal_of(tmp_path, ContainerAsked(API, "restart", "Ana"))
    run.refresh()
    run.close()
    assert run.asked.by(API) == "Ana"


def test_an_earlier_word_holds_for_its_moment_and_dies_with_its_engine() -> None:
    now = 1000.0
    asked = ManualActions(lambda: now)
    asked.see(Recorded(1, 990.0, ContainerAsked(API, "restart", "Ana")))
    assert asked.by(API) == "Ana"
    asked.see(Recorded(2, 995.0, BEGUN))
    now = 995.0 + GRACE_SECONDS
    assert asked.by(API) == "Ana"
    now += 1
    assert asked.by(API) == ""


async def test_containers_are_remembered_as_they_were_last_read(tmp_path: Path) -> None:
    readings = [ContainerReading(API, "running", "healthy", started_at=at) for at in (1.0, 2.0)]
    foreign = ContainerReading("somebody-elses", "running", "healthy")
    await journal_of(tmp_path, BEGUN, *readings, foreign)
    seen = last_seen(tmp_path, SETTINGS)
    assert {name: (one.reading, one.asked_by) for name, one in seen.items()} == {API: (readings[1], "")}


ASK, DONE = ContainerAsked(API, "restart", "Ana"), ContainerAsked(API, "restart", "Ana", done=True)
TRIES = ItemChanged("test-shutdown", ItemState.RUNNING)
TRIED = ItemChanged("test-shutdown", ItemState.DONE)
CASES: dict[str, tuple[list[tuple[float, AnyEvent]], str]] = {
    "nobody": ([(1.0, BEGUN)], ""),
    "it was over before": ([(90.0, ASK), (95.0, DONE)], ""),
    "it ended after": ([(90.0, ASK), (101.0, DONE)], "Ana"),
    "the engine died over it": ([(90.0, ASK)], "Ana"),
    "another engine died over it, long ago": ([(10.0, ASK), (50.0, BEGUN)], ""),
    "without an engine": ([(200.0, ASK), (210.0, DONE)], "Ana"),
    "of another container": ([(200.0, ContainerAsked(OLD, "start", "Ana"))], ""),
    "the test of a shutdown": ([(90.0, TRIES), (140.0, BEGUN)], "the test test-shutdown"),
    "that test, over before": ([(80.0, TRIES), (90.0, TRIED)], ""),
    "the stack's start": ([(90.0, ItemIntended("start-stack", "act", 1))], "item start-stack"),
    "the old service's stop": ([(101.0, STOPPED)], ""),
    "a rehearsal": ([(90.0, RehearsalProgress("r", "start-stack", 1, 2))], "the rehearsal"),
    "a rehearsal that was over": (
        [(90.0, RehearsalProgress("r", "start-stack", 1, 2)), (95.0, REHEARSED)],
        "",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_who_asked_since_the_last_reading(name: str) -> None:
    told, who = CASES[name]
    history = [Recorded(n, at, event) for n, (at, event) in enumerate(told, 1)]
    assert asked_since(history, SETTINGS, API, SINCE) == who
