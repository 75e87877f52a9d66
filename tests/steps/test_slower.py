"""When one API counts as slower than another under the same load: as a whole, and endpoint by endpoint."""

from __future__ import annotations

import pytest

from wsdash.model import EndpointTimes, LoadRung
from wsdash.model.slower import slower

LIST, ONE = "GET /api/items", "GET /api/items/:id"


def rung(p50: float, p95: float | None = None, *endpoints: EndpointTimes, clients: int = 1) -> LoadRung:
    return LoadRung(clients, 100, 0, 50.0, p50, p95 or p50, p95 or p50, 1.0, endpoints=endpoints)


def times(name: str, p50: float, p95: float | None = None, requests: int = 50) -> EndpointTimes:
    return EndpointTimes(name, requests, p50, p95 or p50)


@pytest.mark.parametrize(
    ("now", "then", "found"),
    [
        (0.011, 0.004, False),
        (0.0111, 0.004, True),
        (0.004, 0.0004, True),
        (0.0012, 0.0004, False),
        (0.060, 0.040, False),
        (0.066, 0.040, True),
    ],
)
def test_a_median_is_slower_beyond_the_noise_of_short_rungs(now: float, then: float, found: bool) -> None:
    assert bool(slower([rung(now)], [rung(then)])) is found


def test_an_endpoint_at_ten_times_its_old_latency_does_not_hide_behind_the_others() -> None:
    before = rung(0.010, 0.020, times(LIST, 0.012), times(ONE, 0.002))
    after = rung(0.010, 0.020, times(LIST, 0.012), times(ONE, 0.020))
    assert slower([after], [before]) == [f"p50 of {ONE} with 1 clients is 20.0 ms, it was 2.0 ms"]


def test_an_endpoints_slowest_twentieth_counts_where_enough_was_asked() -> None:
    before = rung(0.010, 0.020, times(ONE, 0.002, 0.004))
    assert slower([rung(0.010, 0.020, times(ONE, 0.002, 0.050))], [before]) == [
        f"p95 of {ONE} with 1 clients is 50.0 ms, it was 4.0 ms"
    ]
    assert slower([rung(0.010, 0.020, times(ONE, 0.002, 0.050, requests=39))], [before]) == []


def test_an_endpoint_that_answers_no_more_is_the_slowest_of_all() -> None:
    before = rung(0.010, 0.020, times(LIST, 0.012), times(ONE, 0.002))
    after = rung(0.010, 0.020, times(LIST, 0.012))
    assert slower([after], [before]) == [f"{ONE} with 1 clients gave no answer, it gave 50"]


@pytest.mark.parametrize(("then", "now"), [(9, 50), (50, 9)])
def test_a_handful_of_answers_says_nothing_of_an_endpoint(then: int, now: int) -> None:
    before = rung(0.010, 0.020, times(ONE, 0.002, requests=then))
    assert slower([rung(0.010, 0.020, times(ONE, 0.2, requests=now))], [before]) == []


def test_what_was_measured_without_endpoints_is_compared_as_a_whole() -> None:
    before = rung(0.010, 0.020, times(ONE, 0.002))
    assert slower([rung(0.010, 0.020)], [before]) == []
    assert slower([rung(0.010, 0.020, times(ONE, 0.2))], [rung(0.010, 0.020)]) == []


def test_only_as_many_clients_are_compared() -> None:
    assert slower([rung(0.5, clients=2)], [rung(0.01, clients=1)]) == []
