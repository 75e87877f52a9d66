"""How many requests an API takes from this address, learnt from its answers or configured.

Read are the RateLimit-* headers of the IETF's drafts 6 to 8 (express-rate-limit sends draft 6 by default),
X-RateLimit-* and Retry-After (RFC 9110, section 10.2.3).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from wsdash.api.limits import LONGEST_WAIT_SECONDS, TURN_POLL_SECONDS, UNKNOWN_PAUSE_SECONDS

SHARE = 0.9
"""Of the limit, what wsdash uses at most; the rest is for others behind the same address."""
WATCH_SHARE = 0.25
"""Of the limit, what watching uses at most, so that the tests have room beside it."""
WINDOW = 60.0
"""Seconds that a limit counts for where the API does not say."""
MOST = 10**9


@dataclass(frozen=True)
class Stated:
    """What one answer's headers state; None where they do not. reset, window: seconds."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    window: float | None = None


class Allowance:
    """The allowance of one address. Times are those of time.monotonic.

    configured: requests a minute that must never be exceeded, 0 for none.
    """

    def __init__(self, configured: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.configured = configured
        self._clock = clock
        self._limit: int | None = None
        self._window = WINDOW
        self._remaining: int | None = None
        self._reset_at = 0.0
        self._not_before = 0.0
        self._under_way = 0
        self._sent: deque[float] = deque()
        self._watched_at = -1e9

    @property
    def limit(self) -> int | None:
        """Requests a minute that the API (or the configuration) allows, None where neither says."""
        stated = None if self._limit is None else max(1, round(self._limit * 60 / self._window))
        known = [one for one in (stated, self.configured or None) if one is not None]
        return min(known) if known else None

    @property
    def text(self) -> str:
        """For people: 'at most 108 of the 120 requests a minute that it allows', or ''."""
        limit = self.limit
        if limit is None or limit >= 10_000:  # nobody here asks as often
            return ""
        whose = "configured" if limit == self.configured else "that it allows one address"
        return f"at most {self._most(limit, SHARE)} of the {limit} requests a minute {whose}"

    def spare(self) -> int | None:
        """How many requests may be sent at once without waiting; None: no limit is known."""
        limit, now = self.limit, self._clock()
        if limit is None:
            return None
        if now < self._not_before:
            return 0
        if self._remaining is not None and now < self._reset_at and not self.configured:
            stated = self._limit or limit  # of the API's own window, however long that is
            reserve = stated - self._most(stated, SHARE)
            return max(0, self._remaining - self._under_way - reserve)
        return max(0, self._most(limit, SHARE) - self._sent_within(now))

    def wait(self) -> float:
        """Seconds until the next request may be sent; 0 for now."""
        now = self._clock()
        if now < self._not_before:
            return self._not_before - now
        if self.spare() != 0:
            return 0.0
        if self._remaining is not None and now < self._reset_at and not self.configured:
            return self._reset_at - now
        return max(TURN_POLL_SECONDS, self._sent[0] + 60.0 - now) if self._sent else TURN_POLL_SECONDS

    async def turn(self, waiting: Callable[[float], None] | None = None) -> None:
        """Wait until a request may be sent, and count it. waiting: called once with the seconds, when it is
        long.
        """
        announced = False
        while (seconds := self.wait()) > 0:
            if not announced and waiting is not None and seconds > 2:
                announced = True
                waiting(seconds)
            await asyncio.sleep(min(seconds, 1.0))
        self.count()

    def watch_turn(self) -> bool:
        """Whether a watcher may ask now; counts it when it may. Never waits."""
        limit, now = self.limit, self._clock()
        if now < self._not_before:
            return False
        if limit is not None:
            few = now - self._watched_at < 60.0 / max(1, self._most(limit, WATCH_SHARE)) - 0.05
            if few or self.spare() == 0:
                return False
        self._watched_at = now
        self.count()
        return True

    def answered(self, status: int, headers: Mapping[str, str]) -> float:
        """Take in an answer's status and headers. Seconds to wait where it refuses (429), else 0."""
        now = self._clock()
        self._under_way = max(0, self._under_way - 1)
        stated = read_headers(headers)
        if stated.limit is not None:
            self._limit = stated.limit
            self._window = stated.window or WINDOW
        if stated.remaining is not None:
            self._remaining = stated.remaining
            self._reset_at = now + (stated.reset if stated.reset is not None else self._window)
        if status != 429:
            return 0.0
        pause = retry_after(headers.get("Retry-After", ""))
        if pause is None:
            pause = stated.reset if stated.reset is not None else UNKNOWN_PAUSE_SECONDS
        self._not_before = max(self._not_before, now + pause + 0.05)
        return pause

    def forget(self) -> None:
        """Another service answers there from now on: what the one before stated says nothing of it."""
        self._limit = self._remaining = None
        self._window = WINDOW
        self._reset_at = self._not_before = 0.0

    @property
    def refused(self) -> bool:
        """The API answered 429, and the time that it asked for is not over."""
        return self._clock() < self._not_before

    def unanswered(self) -> None:
        """A request that was counted got no answer."""
        self._under_way = max(0, self._under_way - 1)

    def count(self) -> None:
        """Count a request that is sent now."""
        now = self._clock()
        self._under_way += 1
        self._sent.append(now)
        while len(self._sent) > 20_000 or (self._sent and now - self._sent[0] > 60.0):
            self._sent.popleft()

    def _sent_within(self, now: float) -> int:
        return sum(1 for at in self._sent if now - at <= 60.0)

    @staticmethod
    def _most(limit: int, share: float) -> int:
        return max(1, int(limit * share))


_known: dict[str, Allowance] = {}


def allowance_of(base: str, configured: int = 0) -> Allowance:
    """The allowance of an API's address (scheme, host, port); the same one for everybody in this process."""
    parts = urlsplit(base)
    key = f"{parts.scheme}://{parts.netloc}".lower()
    found = _known.setdefault(key, Allowance())
    if configured:
        found.configured = configured
    return found


def read_headers(headers: Mapping[str, str]) -> Stated:
    """What the RateLimit headers of an answer state, in any of their forms; nonsense states nothing."""
    policy, whole = headers.get("RateLimit-Policy", ""), headers.get("RateLimit", "")
    limit = _number(headers.get("RateLimit-Limit", "") or headers.get("X-RateLimit-Limit", ""))
    remaining = _number(headers.get("RateLimit-Remaining", "") or headers.get("X-RateLimit-Remaining", ""))
    reset = _number(headers.get("RateLimit-Reset", ""))
    if reset is None and (stamp := _number(headers.get("X-RateLimit-Reset", ""))) is not None:
        reset = max(0, stamp - int(time.time())) if stamp > 10**8 else stamp
    if limit is None:
        limit = _first(_parameter(whole, "limit"), _parameter(policy, "q"), _number(policy))
    remaining = _first(remaining, _parameter(whole, "remaining"), _parameter(whole, "r"))
    reset = _first(reset, _parameter(whole, "reset"), _parameter(whole, "t"))
    window = _parameter(policy, "w")
    return Stated(
        limit or None,
        remaining,
        None if reset is None else min(float(reset), LONGEST_WAIT_SECONDS),
        min(float(window), LONGEST_WAIT_SECONDS) if window else None,
    )


def retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header (a number, or a date); None where it is neither."""
    if (seconds := _number(value)) is not None:
        return min(float(seconds), LONGEST_WAIT_SECONDS)
    try:
        at = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, at - time.time()), LONGEST_WAIT_SECONDS)


def _number(text: str) -> int | None:
    found = re.match(r"\s*(\d{1,12})(?:\.\d+)?\s*(?:[,;]|$)", text)
    return min(int(found.group(1)), MOST) if found else None


def _parameter(text: str, name: str) -> int | None:
    found = re.search(rf"(?:^|[;,\s]){name}\s*=\s*\"?(\d{{1,12}})", text[:500])
    return min(int(found.group(1)), MOST) if found else None


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
