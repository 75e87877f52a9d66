"""The fold of history: how a run stands, whatever way it came there."""

from __future__ import annotations

import pytest

from wsdash.engine.run.due import outcome
from wsdash.model import (
    AnyEvent,
    BackupTaken,
    CriterionMeasured,
    Downtime,
    EngineStopped,
    ItemChanged,
    ItemIntended,
    ItemState,
    LatencyReading,
    Outcome,
    PauseChanged,
    Phase,
    Recorded,
    RunFinished,
    RunStarted,
    TableVerified,
)
from wsdash.model.fold import RunView, fold, fold_all
from wsdash.plan import load_plan

STARTED = RunStarted("r1", "offline", "here", 1, resumed=False, world="demo")


def folded(*events: AnyEvent) -> RunView:
    return fold_all(Recorded(number, 100.0 + number, event) for number, event in enumerate(events, 1))


def done(item: str) -> ItemChanged:
    return ItemChanged(item, ItemState.DONE, "seen")


def test_the_run_keeps_its_name_and_its_first_start() -> None:
    view = folded(STARTED, EngineStopped("crash"), RunStarted("r1", "offline", "here", 2, resumed=True))
    assert (view.run, view.mode, view.world, view.started_at, view.stopped) == (
        "r1",
        "offline",
        "demo",
        101.0,
        "",
    )


def test_an_item_is_as_its_last_change_says() -> None:
    view = folded(
        ItemIntended("backup", "check", 1),
        ItemChanged("backup", ItemState.RUNNING),
        ItemIntended("backup", "act", 1),
        ItemChanged("backup", ItemState.FAILED, "no space", seconds=2.5, remedy="make some"),
    )
    item = view.item("backup")
    assert (item.state, item.evidence, item.seconds, item.remedy) == (
        ItemState.FAILED,
        "no space",
        2.5,
        "make some",
    )
    assert (item.attempts, item.touched, item.changed_at) == (1, True, 104.0)


def test_an_unheard_of_item_is_pending() -> None:
    assert folded(STARTED).item("backup").state is ItemState.PENDING


def test_an_item_that_was_only_checked_is_untouched() -> None:
    assert not folded(ItemIntended("backup", "check", 1), done("backup")).item("backup").touched


def test_an_undone_item_is_untouched_again() -> None:
    view = folded(ItemIntended("copy", "act", 1), done("copy"), ItemIntended("copy", "undo", 2))
    assert view.item("copy").touched
    assert not fold(view, Recorded(9, 1.0, ItemChanged("copy", ItemState.UNDONE))).item("copy").touched


def test_downtime_is_measured_when_it_has_ended_and_unknown_before() -> None:
    view = folded(Downtime(True, 50.0))
    assert view.write_downtime_seconds is None
    assert fold(view, Recorded(2, 9.0, Downtime(False, 50.0, 53.5))).write_downtime_seconds == 3.5


def test_downtime_counts_no_time_in_which_the_old_service_ran_again() -> None:
    view = folded(Downtime(True, 50.0), Downtime(False, 50.0, 53.5), Downtime(True, 900.0))
    assert view.write_downtime_seconds is None
    assert view.downtime_stretches(902.0) == (3.5, 2.0)
    ended = fold(view, Recorded(4, 9.0, Downtime(False, 900.0, 906.0)))
    assert ended.write_downtime_seconds == 9.5
    assert ended.downtime_stretches(2000.0) == (3.5, 6.0)


def test_facts_of_the_data_are_collected() -> None:
    table = TableVerified("workspace.workspace_items", 3, 3, "a", "a", True)
    backup = BackupTaken("/b.sql", 10, "f00", {"workspace.workspace_items": 3}, True)
    criterion = CriterionMeasured("get-latency", True, "3 ms", "< 200 ms")
    view = folded(table, backup, criterion, PauseChanged(True), LatencyReading("api-old", 0.1))
    assert view.tables == {table.name: table}
    assert view.backup == backup
    assert view.criteria == {"get-latency": criterion}
    assert view.paused
    assert view.seq == 5


def test_folding_changes_no_earlier_view() -> None:
    before = folded(done("backup"))
    fold(before, Recorded(2, 1.0, ItemChanged("backup", ItemState.FAILED)))
    assert before.item("backup").state is ItemState.DONE


COUNTED = [item.id for item in load_plan().items if item.phase is not Phase.POST]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], Outcome.INCOMPLETE),
        ([done(name) for name in COUNTED], Outcome.MIGRATED),
        ([done(name) for name in COUNTED[:-1]], Outcome.INCOMPLETE),
        ([*(done(n) for n in COUNTED[:-1]), ItemChanged(COUNTED[-1], ItemState.SKIPPED)], Outcome.MIGRATED),
        ([ItemChanged("backup", ItemState.FAILED)], Outcome.FAILED),
        ([done("backup"), RunFinished(Outcome.ROLLED_BACK)], Outcome.ROLLED_BACK),
        (
            [RunFinished(Outcome.ROLLED_BACK), ItemChanged("backup", ItemState.RUNNING), done("backup")],
            Outcome.INCOMPLETE,
        ),
    ],
)
def test_the_outcome_follows_from_the_items(events: list[AnyEvent], expected: Outcome) -> None:
    assert outcome(folded(STARTED, *events), load_plan()) is expected


def attempt(item: str, number: int, *actions: str, seconds: float) -> list[AnyEvent]:
    """An attempt that ends well after these actions."""
    return [
        ItemIntended(item, "check", number),
        ItemChanged(item, ItemState.RUNNING),
        *(ItemIntended(item, action, number) for action in actions),
        ItemChanged(item, ItemState.DONE, "seen", seconds=seconds),
    ]


def test_a_repeated_check_leaves_the_time_that_the_work_took() -> None:
    copied = attempt("migrate-data", 1, "act", "check", seconds=27.8)
    checked = attempt("migrate-data", 2, seconds=1.84)
    assert folded(*copied, *checked).item("migrate-data").seconds == 27.8
    again = attempt("migrate-data", 3, "act", "check", seconds=30.1)
    assert folded(*copied, *checked, *again).item("migrate-data").seconds == 30.1


def test_what_was_only_ever_checked_has_the_time_of_its_newest_check() -> None:
    checks = [*attempt("ports-free", 1, seconds=0.4), *attempt("ports-free", 2, seconds=0.2)]
    assert folded(*checks).item("ports-free").seconds == 0.2


def test_a_rollback_ends_what_the_work_took() -> None:
    events = attempt("start-stack", 1, "act", seconds=20.0)
    events += [
        ItemIntended("start-stack", "undo", 2),
        ItemChanged("start-stack", ItemState.UNDONE, seconds=3.0),
    ]
    view = folded(*events, *attempt("start-stack", 3, seconds=0.5))
    assert view.item("start-stack").seconds == 0.5


def test_each_compared_table_has_its_time_until_the_proof_ends() -> None:
    table = TableVerified("s.t", 1, 1, "a", "a", True)
    assert folded(STARTED, table).verified_at == {"s.t": 102.0}
    assert folded(STARTED, table, ItemIntended("migrate-data", "act", 2)).verified_at == {}
