"""How what never stands still is written, so that a line among many does not change with every second."""

from __future__ import annotations

import pytest

from wsdash.model.written import age, at_least, calm


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (9.4, "9 s"), (10, "10 s"), (19.9, "10 s"), (59, "50 s"), (119, "110 s"), (120, "2 min")],
)
def test_an_age_ticks_for_ten_seconds_and_then_in_steps_of_ten(seconds: float, written: str) -> None:
    assert age(calm(seconds)) == written


def test_an_age_that_was_rounded_down_is_never_too_great() -> None:
    assert all(calm(seconds / 3) <= seconds / 3 for seconds in range(2000))


@pytest.mark.parametrize(
    ("number", "written"), [(0, "0"), (99, "99"), (100, "100+"), (1234, "1,200+"), (10_000, "10,000+")]
)
def test_a_count_that_grows_is_written_in_hundreds(number: int, written: str) -> None:
    assert at_least(number) == written
