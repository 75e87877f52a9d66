"""What an API's headers say about how often it may be asked, and that nobody here asks more often."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.api.allowance import Allowance, Stated, allowance_of, read_headers, retry_after
from wsdash.api.limits import LONGEST_WAIT_SECONDS

FORMS = [
    (  # express-rate-limit 7, standardHeaders (draft 6), as the workspace API sends them
        {
            "RateLimit-Policy": "120;w=60",
            "RateLimit-Limit": "120",
            "RateLimit-Remaining": "119",
            "RateLimit-Reset": "60",
        },
        Stated(120, 119, 60.0, 60.0),
    ),
    (  # draft 7
        {"RateLimit-Policy": "100;w=30", "RateLimit": "limit=100, remaining=50, reset=12"},
        Stated(100, 50, 12.0, 30.0),
    ),
    (  # draft 8
        {"RateLimit-Policy": '"default";q=90;w=60', "RateLimit": '"default";r=7;t=3'},
        Stated(90, 7, 3.0, 60.0),
    ),
    ({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, Stated(60, 0, 9.0)),
    ({}, Stated()),
]


class StandinClock:
    """A monotonic clock that is moved by hand; compared with time.monotonic, which it replaces."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> StandinClock:
    return StandinClock()


@pytest.mark.parametrize(("headers", "stated"), FORMS)
def test_every_form_of_the_headers_is_read(headers: dict[str, str], stated: Stated) -> None:
    assert read_headers(headers) == stated


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after("17") == 17.0
    assert retry_after("999999999") == LONGEST_WAIT_SECONDS
    assert retry_after("soon") is None
    later = retry_after(formatdate(time.time() + 30, usegmt=True))
    assert later is not None
    assert 28 < later <= 30


@given(st.dictionaries(st.sampled_from(["RateLimit", "RateLimit-Policy", "RateLimit-Limit"]), st.text()))
@settings(max_examples=60, deadline=None)
def test_nonsense_in_the_headers_states_nothing_unbounded(headers: dict[str, str]) -> None:
    stated = read_headers(headers)
    assert stated.limit is None or 0 < stated.limit <= 10**9
    assert stated.reset is None or 0 <= stated.reset <= LONGEST_WAIT_SECONDS


def test_without_a_limit_nobody_waits(clock: StandinClock) -> None:
    allowance = Allowance(clock=clock)
    for _ in range(1000):
        assert allowance.wait() == 0
        allowance.count()
    assert allowance.spare() is None
    assert allowance.text == ""


def test_what_the_api_counted_of_others_is_counted_too(clock: StandinClock) -> None:
    allowance = Allowance(clock=clock)
    allowance.count()
    allowance.answered(200, FORMS[0][0] | {"RateLimit-Remaining": "14", "RateLimit-Reset": "20"})
    assert allowance.limit == 120
    assert allowance.spare() == 2  # a tenth, 12, is left to others
    allowance.count()
    allowance.count()
    assert allowance.wait() == 20.0
    clock.now += 20.1
    assert allowance.wait() == 0


def test_a_window_that_is_no_minute_is_used_up_to_its_own_share(clock: StandinClock) -> None:
    allowance = Allowance(clock=clock)
    allowance.count()
    headers = {"RateLimit-Policy": "60;w=2", "RateLimit-Limit": "60", "RateLimit-Remaining": "59"}
    allowance.answered(200, headers | {"RateLimit-Reset": "2"})
    assert (allowance.limit, allowance.spare()) == (1800, 53)


def test_a_refusal_is_obeyed_by_everybody(clock: StandinClock) -> None:
    allowance = Allowance(clock=clock)
    assert allowance.answered(429, {"Retry-After": "33"}) == 33.0
    assert 33 <= allowance.wait() < 34
    assert allowance.refused
    assert not allowance.watch_turn()
    clock.now += 33.1
    assert allowance.wait() == 0
    assert allowance.watch_turn()


def test_what_the_service_before_stated_is_forgotten_with_it(clock: StandinClock) -> None:
    allowance = Allowance(clock=clock)
    allowance.count()
    allowance.answered(
        429,
        {"RateLimit-Limit": "120", "RateLimit-Remaining": "0", "RateLimit-Reset": "42", "Retry-After": "42"},
    )
    assert allowance.wait() >= 42
    allowance.forget()
    assert allowance.wait() == 0
    allowance.count()
    allowance.answered(200, {"RateLimit-Limit": "120", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"})
    assert allowance.wait() == 9


def test_a_configured_rate_is_kept_where_the_api_says_nothing(clock: StandinClock) -> None:
    allowance = Allowance(10, clock)
    sent = 0
    for _ in range(600):  # one minute, asked ten times a second
        while allowance.wait() == 0:
            allowance.count()
            sent += 1
        clock.now += 0.1
    assert 9 <= sent <= 18  # nine at once, and from then on as the minute moves on
    assert allowance.text == "at most 9 of the 10 requests a minute configured"


def test_watching_takes_a_quarter_at_most(clock: StandinClock) -> None:
    allowance = Allowance(120, clock)
    watched = 0
    for _ in range(60):
        watched += allowance.watch_turn()
        clock.now += 1.0
    assert watched == 30


def test_one_address_has_one_allowance() -> None:
    assert allowance_of("http://one.test:1/a") is allowance_of("http://ONE.test:1")
    assert allowance_of("http://one.test:1") is not allowance_of("http://one.test:2")
