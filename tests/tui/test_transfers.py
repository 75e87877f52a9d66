"""A transfer: measured over its marks, told over all tables, and drawn in the room there is."""

from __future__ import annotations

import pytest

from tests.tui.support import recorded
from wsdash.model import Progress, Recorded
from wsdash.tui.panes.checklist import progress_line
from wsdash.tui.state.transfers import Mark, Transfer
from wsdash.tui.state.viewstate import fold_all


def test_all_tables_together_are_told_with_a_measured_rate_and_the_time_left() -> None:
    events = [
        Recorded(0, at, Progress("migrate-data", table, "copying", rows, 1000, rows * 100))
        for at, table, rows in ((0, "w.a", 0), (0, "w.b", 0), (10, "w.a", 200), (10, "w.b", 300))
    ]
    overall = fold_all(events).overall["migrate-data"]
    assert (overall.progress.rows, overall.progress.total_rows, overall.progress.bytes) == (500, 2000, 50_000)
    assert overall.rows_per_second == 50
    assert overall.bytes_per_second == 5000
    assert overall.seconds_left == 30


def test_one_table_alone_has_no_line_over_all() -> None:
    assert fold_all(recorded(Progress("migrate-data", "w.a", "copying", 5, 10))).overall == {}


def test_builds_of_indexes_are_not_added_up_as_rows() -> None:
    builds = [Progress("migrate-data", name, "indexing: scanning table", 5, 10) for name in "ab"]
    assert fold_all(recorded(*builds)).overall == {}


def test_a_total_that_nobody_knows_leaves_the_whole_unknown() -> None:
    events = [Progress("migrate-data", name, "copying", 5, total) for name, total in (("a", 9), ("b", None))]
    overall = fold_all(recorded(*events)).overall["migrate-data"]
    assert overall.progress.total_rows is None
    assert overall.seconds_left is None


def test_what_is_not_finished_is_never_shown_as_whole() -> None:
    reading = Progress("migrate-data", "w.a", "copying", 10, 10)
    assert fold_all(recorded(reading)).transfers["migrate-data"]["w.a"].fraction == 0.99
    ended = Progress("migrate-data", "w.a", "copying", 10, 10, finished=True)
    assert fold_all(recorded(reading, ended)).transfers["migrate-data"]["w.a"].fraction == 1.0


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (120, "items 500/1,000 rows · 4.8 MiB · 50/s · 488 KiB/s · 0:10 left · copying"),
        (60, "items 500/1,000 rows · 0:10 left"),
        (40, "items 50% · 50/s · 0:10 left"),
        (30, "items 50% · 0:10 left"),
        (24, "items 50%"),
    ],
)
def test_where_room_is_scarce_a_transfer_tells_what_tells_most(width: int, told: str) -> None:
    progress = Progress("migrate-data", "workspace.items", "copying", 500, 1000, 5_000_000)
    line = progress_line(Transfer(progress, (Mark(0, 0, 0), Mark(10, 500, 5_000_000))), width)
    assert line.plain.endswith(told)
