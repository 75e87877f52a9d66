"""The judgement: for-duration, hysteresis, worst value, failures, gaps, and restarts of the process."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watch.alert_support import START, changes, judged, rule
from wsdash.watch.alerting.judge import AlertJudge
from wsdash.watch.alerting.rules import forecast, increase, measure, percentile

LOW, HIGH, BETWEEN = 1.0, 20.0, 9.0


def test_bad_for_long_enough_raises_and_well_for_long_enough_ends() -> None:
    assert judged(rule(), [LOW] + [HIGH] * 10 + [LOW] * 10) == [(6, True), (16, False)]


def test_bad_with_a_break_raises_nothing() -> None:
    assert judged(rule(), [LOW, *([HIGH] * 4 + [LOW]) * 5]) == []


def test_between_limit_and_clear_nothing_changes() -> None:
    assert judged(rule(), [LOW] + [HIGH] * 6 + [BETWEEN] * 60) == [(6, True)]
    assert judged(rule(), [LOW] + [BETWEEN] * 60) == []


def test_the_value_at_the_limit_is_not_beyond_it() -> None:
    assert judged(rule(clear=10.0), [10.0] * 20) == []


def test_less_than_is_the_mirror_of_more_than() -> None:
    below = rule(comparison="<", threshold=1.0, clear=1.0)
    assert judged(below, [1.0] + [0.0] * 10 + [1.0] * 10) == [(6, True), (16, False)]


def test_a_failure_counts_only_where_the_rule_says_so() -> None:
    assert judged(rule(), [None] * 20) == []
    assert judged(rule(failures="worst"), [None] * 20) == [(5, True)]
    down = rule(failures="worst", comparison="<", threshold=1.0, clear=1.0)
    assert judged(down, [None] * 20) == [(5, True)]


@pytest.mark.parametrize(
    ("no_data", "expected"),
    [("hold", []), ("clear", [(66, False)]), ("raise", [])],
)
def test_what_a_raised_alert_does_when_nobody_measures(
    no_data: str, expected: list[tuple[int, bool]]
) -> None:
    seen = judged(rule(over=50.0, no_data=no_data), [HIGH] * 12 + ["gap"] * 200)
    assert seen == [(5, True), *expected]


def test_nobody_measuring_can_be_an_alert_of_its_own() -> None:
    assert judged(rule(no_data="raise", over=3.0), [LOW] + ["gap"] * 20) == [(8, True)]


def test_a_gap_does_not_count_towards_the_duration() -> None:
    """Bad before and bad after says nothing about the time between that nobody saw."""
    gap = [HIGH] * 3 + ["gap"] * 10 + [HIGH] * 4
    assert judged(rule(over=2.0), gap) == []


def test_the_worst_value_since_the_beginning_is_told_at_the_end() -> None:
    values = [LOW, 11.0, 15.0, *[12.0] * 8, 40.0, 12.0, *[LOW] * 10]
    seen = changes(AlertJudge([rule()]), values)
    assert [change.worst for _, change in seen] == [15.0, 40.0]
    assert seen[0][1].since == START + 1


def test_growing_worse_is_told_at_most_once_a_minute() -> None:
    seen = changes(AlertJudge([rule()]), [20.0 + second for second in range(200)])
    assert [second for second, _ in seen] == [5, 65, 125, 185]
    assert {change.since for _, change in seen} == {START}
    steady = changes(AlertJudge([rule()]), [20.0] * 200)
    assert [second for second, _ in steady] == [5]


def test_what_is_not_meant_to_run_ends_its_alert_at_once() -> None:
    judge = AlertJudge([rule(series="latency:api-old")])
    changes(judge, [HIGH] * 10, "latency:api-old")
    judge.add("absent:api-old", START + 11, 1.0)
    judge.add("latency:api-old", START + 11, HIGH)
    assert [(c.raised, c.text) for c in judge.step(START + 11)] == [(False, "not meant to run")]
    assert judge.step(START + 12) == []


def test_an_alert_of_an_earlier_process_goes_on_without_being_raised_again() -> None:
    first = changes(AlertJudge([rule()]), [HIGH] * 10)[0][1]
    again = AlertJudge([rule()], [first])
    assert changes(again, [HIGH] * 30, start=START + 20) == []
    ended = changes(again, [LOW] * 10, start=START + 50)
    assert [(second, change.raised, change.worst) for second, change in ended] == [(5, False, HIGH)]


def test_each_series_that_matches_is_an_alert_of_its_own() -> None:
    judge = AlertJudge(
        [rule(series="up:*", id="down", comparison="<", threshold=1.0, clear=1.0, raise_for=0.0)]
    )
    judge.add("up:a", START, 0.0)
    judge.add("up:b", START, 1.0)
    judge.add("latency:a", START, 0.0)
    seen = judge.step(START)
    assert [(change.alert, change.rule, change.raised) for change in seen] == [
        ("down/a", "down", True),
    ]


def test_a_share_is_of_the_other_series_newest_value() -> None:
    judge = AlertJudge([rule(share_of="limit", threshold=0.9, clear=0.8, raise_for=0.0)])
    judge.add("load", START, 95.0)
    assert judge.step(START) == []
    judge.add("limit", START, 100.0)
    assert [change.worst for change in judge.step(START)] == [0.95]


def test_a_disk_that_fills_is_foreseen_and_a_full_one_that_stands_still_is_not() -> None:
    foresight = rule(statistic="forecast", over=3600.0, horizon=7200.0, threshold=95.0, clear=90.0, fewest=30)
    filling = [50.0 + second / 3600 * 20 for second in range(3600)]  # 20 points an hour: 110 in two hours
    assert {raised for _, raised in judged(foresight, filling)} == {True}
    assert [raised for _, raised in judged(foresight, [90.0] * 3600)] == []


def test_a_counter_that_falls_was_started_anew() -> None:
    assert increase([(0, 3), (1, 5), (2, 0), (3, 1)]) == 3
    assert measure("rate", [(0, 0.0), (30, 5.0)], 60.0) == 5.0


def test_growth_since_the_sample_before_the_window_counts() -> None:
    grown = rule(statistic="increase", over=3.0, threshold=0.0, clear=0.0, raise_for=0.0, clear_for=0.0)
    assert judged(grown, [0.0, "gap", "gap", "gap", "gap", 1.0]) == [(5, True)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(values: list[float], q: float) -> None:
    found = percentile(values, q)
    assert found in values
    assert sum(value <= found for value in values) >= q * len(values) - 1e-9


@given(st.floats(-100, 100), st.floats(-0.01, 0.01))
def test_the_forecast_of_a_line_is_the_line(start: float, slope: float) -> None:
    samples = [(START + n * 10, start + slope * n * 10) for n in range(100)]
    found = forecast(samples, 1000, 500)
    assert found is not None
    assert abs(found - (start + slope * 1490)) < 1e-3


def test_a_forecast_wants_a_quarter_of_its_window() -> None:
    assert forecast([(0, 1.0), (100, 2.0)], 1000, 500) is None


@given(st.lists(st.one_of(st.floats(0, 30), st.none(), st.just("gap")), max_size=200))
def test_changes_alternate_and_never_come_faster_than_the_durations(values: list[float | str | None]) -> None:
    seen = judged(rule(failures="worst"), values)
    firm = [raised for _, raised in seen]
    collapsed = [one for one, other in pairwise([*firm, None]) if one != other]
    assert all(one != other for one, other in pairwise(collapsed))
    flips = [second for n, (second, raised) in enumerate(seen) if n and raised != seen[n - 1][1]]
    assert all(later - sooner >= 5 for sooner, later in pairwise(flips))
