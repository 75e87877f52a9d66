"""What should run follows from where the run stands, and who asked for a restart is known."""

from __future__ import annotations

import math

import pytest

from wsdash.config import load_settings
from wsdash.engine.limits import GRACE_SECONDS
from wsdash.engine.run.duty import ManualActions, duties
from wsdash.model import (
    AnyEvent,
    EngineStopped,
    ItemChanged,
    ItemIntended,
    ItemState,
    Recorded,
    RehearsalOutcome,
    RehearsalProgress,
    Rehearsed,
)
from wsdash.model.fold import RunView, fold_all
from wsdash.plan import load_plan
from wsdash.watch.sources import Duty

SETTINGS, PLAN = load_settings(), load_plan()
OLD = SETTINGS.stack.apps.old_service
API = "workspace-api"
DATABASE = next(name for name in SETTINGS.stack.apps.containers if name != OLD)
ACT_STOP, ACT_START = ItemIntended("stop-old", "act", 1), ItemIntended("start-stack", "act", 1)


def state(item: str, at: ItemState) -> ItemChanged:
    return ItemChanged(item, at)


STOPPED: list[AnyEvent] = [ACT_STOP, state("stop-old", ItemState.DONE)]
STARTED: list[AnyEvent] = [*STOPPED, ACT_START, state("start-stack", ItemState.DONE)]
CASES: dict[str, tuple[list[AnyEvent], bool, bool]] = {
    "nothing was done": ([], True, False),
    "the old service is being stopped": ([state("stop-old", ItemState.RUNNING)], False, False),
    "its stop failed half-way": ([ACT_STOP, state("stop-old", ItemState.FAILED)], False, False),
    "it is stopped": (STOPPED, False, False),
    "the stack is starting": ([*STOPPED, ACT_START, state("start-stack", ItemState.RUNNING)], False, False),
    "it was started": (STARTED, False, True),
    "it was found started": ([*STOPPED, state("start-stack", ItemState.DONE)], False, True),
    "it no longer holds": ([*STARTED, state("start-stack", ItemState.PENDING)], False, True),
    "the stack is taken back": ([*STARTED, state("start-stack", ItemState.UNDONE)], False, False),
    "all is taken back": (
        [*STARTED, state("start-stack", ItemState.UNDONE), state("stop-old", ItemState.UNDONE)],
        True,
        False,
    ),
}


def after(events: list[AnyEvent]) -> RunView:
    return fold_all(Recorded(n, float(n), event) for n, event in enumerate(events, 1))


@pytest.mark.parametrize("name", CASES)
def test_what_should_run(name: str) -> None:
    events, old, new = CASES[name]
    view = after(events)
    duty = duties(SETTINGS, PLAN, lambda: view, ManualActions(lambda: 0.0))
    assert (duty(OLD).runs, duty(API).runs, duty(DATABASE).runs) == (old, new, True)
    assert bool(duty(OLD).why) is not old
    assert bool(duty(API).why) is not new
    assert duty("somebody-elses") == Duty(None)


BLAMELESS: dict[str, tuple[list[AnyEvent], float]] = {
    "a stack that is only watched": ([], 0.0),
    "the stack is starting": ([*STOPPED, ACT_START, state("start-stack", ItemState.RUNNING)], math.inf),
    "it runs without tables": (STARTED, math.inf),
    "its tables are being made": ([*STARTED, state("init-neon", ItemState.RUNNING)], math.inf),
    "they could not be made": ([*STARTED, state("init-neon", ItemState.FAILED)], math.inf),
    "they are there": ([*STARTED, state("init-neon", ItemState.DONE)], 5.0),
    "somebody else made them": ([*STARTED, state("init-neon", ItemState.SKIPPED)], 5.0),
    "they are taken back": (
        [*STARTED, state("init-neon", ItemState.DONE), state("init-neon", ItemState.UNDONE)],
        math.inf,
    ),
    "a rehearsal starts the stack": ([RehearsalProgress("r", "start-stack", 1, 2)], math.inf),
}


@pytest.mark.parametrize("name", BLAMELESS)
def test_errors_over_missing_tables_are_nobodys_fault_until_the_run_made_them(name: str) -> None:
    events, until = BLAMELESS[name]
    duty = duties(SETTINGS, PLAN, lambda: after(events), ManualActions(lambda: 0.0))
    asked = {one: duty(one).blameless_until for one in SETTINGS.stack.workspace.containers}
    wants = {API: until, "workspace-db-compute": until}
    assert asked == dict.fromkeys(asked, 0.0) | wants
    assert duty(OLD).blameless_until == duty(DATABASE).blameless_until == 0.0


def test_who_asks_is_known_while_it_is_done_and_a_moment_after() -> None:
    now = 1000.0
    asked = ManualActions(lambda: now)
    duty = duties(SETTINGS, PLAN, lambda: after(STARTED), asked)
    assert duty(API).asked_by == ""
    asked.begin(API, "Ana")
    now += 10 * GRACE_SECONDS
    assert (duty(API).runs, duty(API).asked_by) == (True, "Ana")
    assert duty(DATABASE).asked_by == ""
    asked.end(API)
    now += GRACE_SECONDS
    assert duty(API).asked_by == "Ana"
    now += 1
    assert duty(API).asked_by == ""


def test_the_guides_test_of_a_shutdown_is_somebody_asking() -> None:
    now = 1000.0
    asked = ManualActions(lambda: now)
    events: list[AnyEvent] = [*STARTED, state("test-shutdown", ItemState.RUNNING)]
    duty = duties(SETTINGS, PLAN, lambda: after(events), asked)
    assert duty(API).asked_by == "the test test-shutdown"
    assert duty(OLD).asked_by == ""
    events.append(state("test-shutdown", ItemState.DONE))
    now += GRACE_SECONDS
    assert duty(API).asked_by == "the test test-shutdown"
    now += 1
    assert duty(API).asked_by == ""


@pytest.mark.parametrize("action", ["act", "undo"])
def test_while_the_old_service_is_stopped_or_brought_back_the_item_asks(action: str) -> None:
    events: list[AnyEvent] = [ItemIntended("stop-old", action, 1), state("stop-old", ItemState.RUNNING)]
    assert (
        duties(SETTINGS, PLAN, lambda: after(events), ManualActions(lambda: 0.0))(OLD).asked_by
        == "item stop-old"
    )


def test_a_rehearsal_is_somebody_asking_while_it_goes_on_and_a_moment_after() -> None:
    now = 1000.0
    asked = ManualActions(lambda: now)
    events: list[AnyEvent] = [RehearsalProgress("r", "start-stack", 1, 2)]
    duty = duties(SETTINGS, PLAN, lambda: after(events), asked)
    assert (duty(API).runs, duty(API).asked_by) == (False, "the rehearsal")
    assert duty(OLD) == Duty(True), "the old service goes on serving, and is watched as ever"
    now += 10 * GRACE_SECONDS
    assert duty(API).asked_by == "the rehearsal"
    events.append(Rehearsed("r", RehearsalOutcome.CLEAN, 0.0, 0.0))
    now += GRACE_SECONDS
    assert duty(API).asked_by == "the rehearsal"
    now += 1
    assert duty(API).asked_by == ""


def test_a_rehearsal_whose_engine_died_asks_for_nothing_any_more() -> None:
    events: list[AnyEvent] = [RehearsalProgress("r", "start-stack", 1, 2), EngineStopped("killed")]
    assert duties(SETTINGS, PLAN, lambda: after(events), ManualActions(lambda: 0.0))(API).asked_by == ""


ONLINE = PLAN.in_mode("online")
BEFORE: list[AnyEvent] = [
    ItemIntended("start-stack", "act", 1),
    state("start-stack", ItemState.DONE),
    state("init-neon", ItemState.DONE),
]


def online_duty(name: str, *events: AnyEvent) -> Duty:
    view = after([*BEFORE, *events])
    return duties(SETTINGS, ONLINE, lambda: view, ManualActions(lambda: 0.0))(name)


def test_online_the_old_service_runs_until_it_is_stopped_after_the_switch() -> None:
    assert online_duty(OLD, ItemIntended("switch", "act", 1), state("switch", ItemState.DONE)).runs
    assert not online_duty(OLD, ACT_STOP).runs


def test_online_the_new_api_may_refuse_until_the_switch_and_its_errors_count_only_after_it() -> None:
    before, over = online_duty(API), online_duty(API, state("switch", ItemState.DONE))
    assert (before.runs, over.runs) == (False, True)
    assert "until item switch" in before.why
    assert (before.blameless_until, over.blameless_until) == (math.inf, 4.0)


def test_online_the_closed_sides_refusals_are_nobodys_fault() -> None:
    assert online_duty(DATABASE).blameless_until == 0.0
    assert online_duty(DATABASE, ItemIntended("switch", "act", 1)).blameless_until == math.inf
