"""The fold: pure, the same however it is cut, and at ease with events that are missing."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.support import ITEMS, done, halfway, recorded, started
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ContainerReading,
    EngineStopped,
    ItemChanged,
    ItemIntended,
    ItemState,
    LatencyReading,
    Liveness,
    Notice,
    Progress,
    Recorded,
    RowsReading,
    SetupProgress,
    SourceState,
)
from wsdash.tui.state.viewstate import HOLE, NOTICES, SAMPLES, ViewState, fold, fold_all

names = st.sampled_from(["backup", "migrate-data", "verify-data"])
numbers = st.integers(0, 1000)
events: st.SearchStrategy[AnyEvent] = st.one_of(
    st.builds(ItemIntended, names, st.sampled_from(["check", "act", "undo"]), st.integers(1, 3)),
    st.builds(ItemChanged, names, st.sampled_from(ItemState), st.text(max_size=5)),
    st.builds(Progress, names, st.sampled_from(["a", "b"]), st.just("copying"), numbers, st.none() | numbers),
    st.builds(LatencyReading, st.sampled_from(["api-new", "x"]), st.none() | st.floats(0, 2)),
    st.builds(ContainerReading, st.sampled_from(["c", "d"]), st.just("running"), st.just("healthy")),
    st.builds(RowsReading, st.just(ITEMS), st.none() | numbers, st.none() | numbers),
    st.builds(SourceState, st.sampled_from(["rows", "watch"]), st.sampled_from(Liveness)),
    st.builds(AlertChanged, st.sampled_from(["p", "q"]), st.booleans(), st.just("text"), st.just(1.0)),
    st.builds(Notice, st.just("info"), st.text(max_size=5)),
    st.builds(SetupProgress, st.sampled_from(["ports", "items"]), st.integers(0, 3), st.just(3)),
    st.builds(EngineStopped, st.just("asked")),
    st.just(started()),
)
journals = st.lists(st.tuples(events, st.floats(0, 20)), max_size=40).map(
    lambda pairs: [
        Recorded(n + 1, 1000.0 + sum(gap for _, gap in pairs[: n + 1]), event)
        for n, (event, _) in enumerate(pairs)
    ]
)


@given(journals, st.data())
@settings(max_examples=60, deadline=None)
def test_folding_a_prefix_and_then_the_rest_is_folding_all(
    journal: list[Recorded], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    assert fold_all(journal[cut:], fold_all(journal[:cut])) == fold_all(journal)


@given(journals, st.data())
@settings(max_examples=60, deadline=None)
def test_events_that_are_seen_twice_count_once(journal: list[Recorded], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    assert fold_all(journal, fold_all(journal[:cut])) == fold_all(journal)


@given(journals, st.sets(st.integers(0, 40)))
@settings(max_examples=60, deadline=None)
def test_pruned_events_break_nothing(journal: list[Recorded], gone: set[int]) -> None:
    kept = [event for n, event in enumerate(journal) if n not in gone]
    view = fold_all(kept)
    assert view.seq == (kept[-1].seq if kept else 0)


@given(journals)
@settings(max_examples=30, deadline=None)
def test_a_fold_changes_no_earlier_state(journal: list[Recorded]) -> None:
    views = [ViewState()]
    written = [msgspec.json.encode(views[0])]
    for event in journal:
        views.append(fold(views[-1], event))
        written.append(msgspec.json.encode(views[-1]))
    assert [msgspec.json.encode(view) for view in views] == written


def test_a_series_keeps_a_bounded_number_of_probes() -> None:
    journal = recorded(*[LatencyReading("api-new", n / 1000) for n in range(SAMPLES + 30)])
    samples = fold_all(journal).latency["api-new"]
    assert len(samples) == SAMPLES
    assert samples[-1].seconds == (SAMPLES + 29) / 1000


def test_a_time_without_probes_is_a_hole_and_not_a_line() -> None:
    probes = [
        Recorded(n, at, LatencyReading("api-new", 0.01)) for n, at in enumerate((0.0, 1.0, 60.0, 61.0), 1)
    ]
    samples = fold_all(probes).latency["api-new"]
    assert [sample.error for sample in samples] == ["", "", HOLE, "", ""]


def test_a_transfer_tells_its_rate_and_the_time_left() -> None:
    steps = [Progress("migrate-data", ITEMS, "copying", rows, 10_000) for rows in (1000, 2000, 3000)]
    transfer = fold_all(recorded(*steps)).transfers["migrate-data"][ITEMS]
    assert transfer.rows_per_second == 1000
    assert transfer.seconds_left == 7
    assert transfer.fraction == 0.3


def test_another_activity_begins_a_new_measurement() -> None:
    steps = [
        Progress("migrate-data", ITEMS, what, rows, 10_000)
        for what, rows in (("copying", 9000), ("indexing", 9500))
    ]
    assert fold_all(recorded(*steps)).transfers["migrate-data"][ITEMS].rows_per_second is None


def test_a_new_attempt_forgets_the_progress_of_the_last() -> None:
    view = fold_all(
        recorded(Progress("migrate-data", ITEMS, "copying", 5), ItemIntended("migrate-data", "act", 2))
    )
    assert "migrate-data" not in view.transfers


def test_an_ended_alert_is_gone() -> None:
    raised = AlertChanged("disk", True, "disk 81 %", 1.0)
    assert fold_all(recorded(raised)).alerts == {"disk": raised}
    assert fold_all(recorded(raised, AlertChanged("disk", False, "", 1.0))).alerts == {}


def test_notices_are_bounded() -> None:
    view = fold_all(recorded(*[Notice("info", str(n)) for n in range(NOTICES + 5)]))
    assert len(view.notices) == NOTICES


def test_the_running_item_is_known_by_its_last_state() -> None:
    assert fold_all(recorded(*halfway())).running == "migrate-data"
    assert fold_all(recorded(*done("backup"))).running == ""


def test_the_world_is_being_built_until_its_last_stage_is_done() -> None:
    stages = [SetupProgress("ports", 0, 2), SetupProgress("ports", 1, 2), SetupProgress("items", 1, 2)]
    view = fold_all(recorded(*stages))
    assert view.building
    assert [stage.finished(view.setup_now) for stage in view.setup.values()] == [True, False]
    assert not fold_all(recorded(*stages, SetupProgress("items", 2, 2))).building


def test_a_failed_stage_is_not_finished() -> None:
    view = fold_all(
        recorded(SetupProgress("ports", 0, 2), SetupProgress("ports", 0, 2, "taken", failed=True))
    )
    assert not view.setup["ports"].finished(view.setup_now)
    assert view.building
