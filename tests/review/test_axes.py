"""Axes have round numbers and times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdash.review.report.plots import label, round_scale, round_times
from wsdash.timeline.evidence import DAY

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC


@pytest.mark.parametrize(
    ("largest", "scale"),
    [
        (220.0, [0, 50, 100, 150, 200, 250]),
        (5.5, [0, 2, 4, 6]),
        (88.0, [0, 20, 40, 60, 80, 100]),
        (2252.8, [0, 500, 1000, 1500, 2000, 2500]),
        (0.0, [0, 1]),
    ],
)
def test_a_scale_ends_at_the_first_round_value_that_holds_everything(
    largest: float, scale: list[float]
) -> None:
    assert round_scale(largest) == scale


@given(st.floats(1e-6, 1e15))
def test_a_scale_holds_its_largest_value_in_few_equal_steps(largest: float) -> None:
    scale = round_scale(largest)
    assert scale[-1] >= largest * (1 - 1e-9)
    assert 2 <= len(scale) <= 7
    assert scale[-2] < largest


def test_a_fortnight_is_told_by_dates_and_hours_by_the_clock() -> None:
    days = [told for _, told in round_times(NOON, NOON + 14 * DAY)]
    assert days[:3] == ["17 Nov", "19 Nov", "21 Nov"]
    hours = [told for _, told in round_times(NOON, NOON + 3600)]
    assert hours == ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]
    over_night = [told for _, told in round_times(NOON, NOON + DAY)]
    assert over_night == ["12:00", "15:00", "18:00", "21:00", "16 Nov", "03:00", "06:00", "09:00", "12:00"]


def test_labels_are_short() -> None:
    assert [label(value) for value in (0.0, 2.5, 1000.0)] == ["0", "2.5", "1,000"]
