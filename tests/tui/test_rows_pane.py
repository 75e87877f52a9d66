"""What the rows' pane and the schema's panel say: both sides, differences, estimates, what is verified."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.drawing import FRAME, NOW, plain, seen
from tests.tui.support import ITEMS, differing, done, halfway
from wsdash.model import ItemChanged, ItemState, Progress, RowsReading, SchemaObject, TableVerified
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.panels.schema import draw_schema
from wsdash.tui.panes.rows import draw_rows


def test_rows_show_both_sides_and_the_difference() -> None:
    text = plain(draw_rows(seen(RowsReading(ITEMS, 10_000, 9_990)), FRAME))
    assert "workspace_items" in text
    for word in ("10,000", "9,990", "-10"):
        assert word in text


def test_an_estimate_is_marked_and_an_unreadable_side_is_not_zero() -> None:
    lines = draw_rows(seen(RowsReading("workspace.audit", 13_000, None, estimated=True)), FRAME)
    line = lines[1].plain
    assert "~13,000" in line
    assert "–" in line
    assert "?" in line


def test_rows_whose_counts_say_nothing_of_each_other_show_no_difference() -> None:
    left_out = RowsReading("workspace.schema_version", 4, 1, note="left out")
    _, line = draw_rows(seen(left_out), FRAME)
    assert line.plain.split() == ["schema_version", "4", "1", "–", "exact", "left", "out"]
    uncounted = RowsReading(ITEMS, None, 5, note="mapped: no count")
    assert "✓ checksum" in plain(
        draw_rows(seen(TableVerified(ITEMS, 5, 5, "c0", "c0", True), uncounted), FRAME)
    )


def test_in_the_schema_panel_a_long_reason_stands_whole_below_its_object() -> None:
    reason = "with mapping.yaml, this comes from the target's own schema file, which has one of its own"
    objects = (SchemaObject("function", "workspace.touch()", "not-carried", reason),)
    lines = [line.plain for line in draw_schema(objects, 66)]
    assert all(len(line) <= 66 for line in lines)
    below = lines[lines.index(next(line for line in lines if "└" in line)) :]
    assert {line[:14] for line in below} == {" " * 14}
    assert " ".join(line.replace("└", "").strip() for line in below) == reason
    assert "with mapping" not in "".join(lines[: -len(below)])


@pytest.mark.parametrize("width", [62, 76, 120])
def test_millions_of_rows_are_not_cut_even_where_there_is_little_room(width: int) -> None:
    view = seen(RowsReading("workspace." + "long" * 10, 12_345_678, 12_345_670, estimated=True))
    _, line = draw_rows(view, replace(FRAME, width=width))
    for number in ("~12,345,678", "~12,345,670", "~-8", "not verif"):
        assert number in line.plain


def test_rows_say_when_they_were_counted_exactly_where_there_is_room() -> None:
    wide = replace(FRAME, width=110)
    for reading, told in (
        (RowsReading(ITEMS, 5, 5, exact_at=NOW), "exact"),
        (RowsReading(ITEMS, 5, 5, estimated=True, exact_at=NOW - 42), "~ 0:40 ago"),
        (RowsReading(ITEMS, 5, 5, estimated=True), "estimate"),
    ):
        heading, line, *_ = draw_rows(seen(reading), wide)
        assert "counted" in heading.plain
        assert told in line.plain
        assert "counted" not in plain(draw_rows(seen(reading), replace(FRAME, width=60)))


def test_equal_counts_alone_are_not_called_verified() -> None:
    text = plain(draw_rows(seen(RowsReading(ITEMS, 5, 5)), FRAME))
    assert "not verified" in text
    assert "✓" not in text


def test_a_verified_table_shows_its_checksum() -> None:
    table = TableVerified(ITEMS, 5, 5, "c0ffee0123", "c0ffee0123", True)
    assert "✓ checksum c0ffee01" in plain(draw_rows(seen(RowsReading(ITEMS, 5, 5), table), FRAME))


def test_rows_that_changed_after_the_verification_are_said_so() -> None:
    table = TableVerified(ITEMS, 5, 5, "c0ffee0123", "c0ffee0123", True)
    assert "since changed" in plain(draw_rows(seen(table, RowsReading(ITEMS, 5, 6)), FRAME))


def test_a_differing_table_says_so() -> None:
    assert "✗ differs" in plain(draw_rows(seen(*differing()), FRAME))


def test_a_moving_table_has_a_bar() -> None:
    text = plain(draw_rows(seen(*halfway()), FRAME))
    assert "50% copying" in text


def test_a_table_that_is_copied_is_told_so_with_all_its_rows_though_the_count_is_an_older_estimate() -> None:
    seen_of = [*halfway(), Progress("migrate-data", ITEMS, "copying", 10_000, 10_000, 1 << 20, finished=True)]
    text = plain(draw_rows(seen(*seen_of), FRAME))
    line = next(line for line in text.splitlines() if "workspace_items" in line)
    assert "✓ copied" in line
    assert line.count("10,000") == 2


def test_a_proof_has_its_age_where_there_is_room() -> None:
    table = TableVerified(ITEMS, 5, 5, "c0ffee0123", "c0ffee0123", True)
    wide = Frame(NOW, 160, 20)
    assert "✓ checksum c0ffee01 1 s ago" in plain(draw_rows(seen(table, RowsReading(ITEMS, 5, 5)), wide))


@pytest.mark.parametrize("state", [ItemState.PENDING, ItemState.UNDONE, ItemState.RUNNING])
def test_a_proof_dies_when_the_comparison_is_set_back_undone_or_begun_anew(state: ItemState) -> None:
    table = TableVerified(ITEMS, 5, 5, "c0ffee0123", "c0ffee0123", True)
    changed = ItemChanged("verify-data", state)
    drawn = plain(draw_rows(seen(*done("verify-data"), table, changed, RowsReading(ITEMS, 5, 5)), FRAME))
    assert "✓" not in drawn
    assert "checksum" not in drawn


def test_a_comparison_made_after_that_counts() -> None:
    table = TableVerified(ITEMS, 5, 5, "c0ffee0123", "c0ffee0123", True)
    events = (ItemChanged("verify-data", ItemState.PENDING), table, RowsReading(ITEMS, 5, 5))
    assert "✓ checksum" in plain(draw_rows(seen(*events), FRAME))
