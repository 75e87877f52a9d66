"""What a copy tells of its progress is what the server counts: never backwards, never more than all."""

from __future__ import annotations

from wsdash.data.copy.load import EVENTS_PER_TICK, Reporter
from wsdash.model import Progress


def told_by(steps: list[tuple[str, int, int]], activity: str = "indexing") -> list[Progress]:
    """What is told of one subject after each (phase, done, total) that the server shows."""
    events: list[Progress] = []
    reporter = Reporter(events.append, "migrate-data")
    reporter.begin("s.t", activity, None if activity == "indexing" else 100)
    reporter.works(7, "s.t")
    for phase, done, total in steps:
        reporter._seen(7, phase, done, total)
        reporter._tick()
    return events


def test_an_index_builds_phases_are_told_apart_and_none_goes_back() -> None:
    scan, load = "building index: scanning table", "building index: loading tuples in tree"
    events = told_by([(scan, 10, 100), (scan, 90, 100), (scan, 80, 100), (load, 5, 1000), (load, 1000, 1000)])
    assert [(e.activity, e.rows, e.total_rows) for e in events] == [
        ("indexing: scanning table", 10, 100),
        ("indexing: scanning table", 90, 100),
        ("indexing: scanning table", 90, 100),
        ("indexing: loading tuples in tree", 5, 1000),
        ("indexing: loading tuples in tree", 1000, 1000),
    ]


def test_a_phase_that_counts_nothing_has_no_total() -> None:
    (event,) = told_by([("waiting for locks", 0, 0)])
    assert event.total_rows is None


def test_rows_beyond_the_estimate_are_never_more_than_all() -> None:
    events = told_by([("", 50, 0), ("", 150, 0)], "copying")
    assert [(e.rows, e.total_rows) for e in events] == [(50, 100), (150, 150)]


def test_committing_what_was_in_flight_does_not_count_it_twice() -> None:
    events: list[Progress] = []
    reporter = Reporter(events.append, "migrate-data")
    reporter.begin("s.t", "copying", 100)
    reporter.works(7, "s.t")
    reporter._seen(7, "", 40, 0)
    reporter._tick()
    reporter.committed(7, 40)
    reporter._tick()
    reporter.finish("s.t")
    reporter.close()
    assert [e.rows for e in events] == [40, 40, 40]
    assert events[-1].finished
    assert events[-1].total_rows == 40


def test_many_tables_that_move_at_once_take_turns_in_being_told() -> None:
    events: list[Progress] = []
    reporter = Reporter(events.append, "migrate-data")
    names = [f"s.t{number}" for number in range(2 * EVENTS_PER_TICK)]
    for name in names:
        reporter.begin(name, "copying", 100)
    reporter._tick()
    assert [e.subject for e in events] == names[:EVENTS_PER_TICK]
    for name in names:
        reporter.moved(name, 10)
    reporter._tick()
    assert [e.subject for e in events[EVENTS_PER_TICK:]] == names[EVENTS_PER_TICK:]
