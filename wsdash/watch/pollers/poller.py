"""The one polling loop: a fixed schedule, a timeout for every probe, reconnecting for ever.

Blocking reads of the machine run off the event loop, in a way that a hanging file system cannot exhaust.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from wsdash.clock import Clock, SystemClock
from wsdash.errors import UnreachableError
from wsdash.model import Liveness
from wsdash.watch.limits import STALE_INTERVALS
from wsdash.watch.sources import (
    Emit,
    NotAskedError,
    NotStartedError,
    SilentError,
    SourceTeller,
    backoff,
    reason,
)

T = TypeVar("T")


class Blocking(Generic[T]):
    """Runs one blocking function in a daemon thread, one call at a time.

    A call that never comes back (a dead mount) costs one thread, not one a poll, and does not keep the
    process from ending.
    """

    def __init__(self, name: str, function: Callable[[], T]) -> None:
        self._name = name
        self._function = function
        self._busy = False

    async def __call__(self) -> T:
        """Its result, or its exception. Raises UnreachableError while an earlier call has not come back."""
        if self._busy:
            raise UnreachableError(f"the last reading of {self._name} has not come back yet")
        self._busy = True
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def deliver(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def work() -> None:
            result, failure = None, None
            try:
                result = self._function()
            except Exception as error:
                failure = error
            self._busy = False
            try:
                loop.call_soon_threadsafe(deliver, result, failure)
            except RuntimeError:
                return  # the loop has ended meanwhile

        threading.Thread(target=work, name=f"wsdash-{self._name}", daemon=True).start()
        return await future


SHORTEST_STALE = 3.0


@dataclass(frozen=True)
class Pace:
    """How a source is asked; seconds.

    overlap: how many probes may be under way at once. Where the answer time itself is measured, and a
    question costs the source nothing, it is timeout / interval, so that a slow answer never delays the next
    question (no coordinated omission). Elsewhere 1, and a tick that finds a probe under way is left out; a
    reading of an answer time then stands for the ticks that it kept from being asked.
    """

    interval: float = 1.0
    timeout: float = 5.0
    overlap: int = 1
    longest_pause: float = 5.0
    rest: float = 0.0
    """So many times as long as an answer took the source is left alone after it; 0: the grid alone counts."""
    silent_pause: float = 0.0
    """As longest_pause, after questions that were taken and not answered in time; 0: the same."""

    def ticks(self, seconds: float) -> int:
        """For how many ticks an answer stands that took so long: its own, and those of its rest."""
        return max(1, math.ceil(seconds * (1 + self.rest) / self.interval - 1e-9)) if self.rest else 1


class Poller:
    """Asks `probe` for ever on the grid start + k * interval and tells how the source is doing.

    The probe emits its readings itself, and raises whatever went wrong. After a failure ticks are left out
    for a growing, capped, jittered pause. `run` never raises, except when it is cancelled. `interval` may be
    changed at any time.
    """

    def __init__(
        self,
        source: str,
        probe: Callable[[], Awaitable[None]],
        emit: Emit,
        pace: Pace,
        *,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.interval = pace.interval
        self._probe = probe
        self._pace = pace
        self._clock = clock or SystemClock()
        self._chance = chance
        self._teller = SourceTeller(source, emit)
        self._due = 0.0
        self._not_before = -math.inf
        self._step = 0.0
        """Seconds from the last answered question to the next one."""
        self._under_way = 0
        self._group: asyncio.TaskGroup | None = None
        self._nudged = False
        self._attempt = 0
        self._failed_at = -math.inf
        self._answered_at = -math.inf
        self._newest_answered = -math.inf

    async def run(self) -> None:
        """Poll until cancelled."""
        self._due = self._clock.monotonic()
        async with asyncio.TaskGroup() as self._group:
            while True:
                now = self._clock.monotonic()
                self._look_at_age(now)
                missed = max(0, math.floor((now - self._due) / self.interval))
                self._due += (missed + 1) * self.interval
                if now >= self._not_before:
                    self._begin()
                await self._clock.sleep(self._due - self._clock.monotonic())

    def nudge(self) -> None:
        """Ask at once, between the ticks: something changed. However often it is called meanwhile, a probe
        that is under way is followed by one more."""
        if not self._begin():
            self._nudged = True

    def _begin(self) -> bool:
        if self._group is None or self._under_way >= self._pace.overlap:
            return False
        self._under_way += 1
        self._nudged = False
        self._group.create_task(self._ask(self._clock.monotonic()))
        return True

    async def _ask(self, begun: float) -> None:
        try:
            async with asyncio.timeout(self._pace.timeout) as limit:
                await self._probe()
        except NotAskedError:
            if self._teller.liveness is Liveness.LIVE:
                self._answered_at = self._clock.monotonic()
        except NotStartedError as error:
            self._absent(begun, str(error))
        except TimeoutError as error:
            mine = limit.expired()
            why = f"no answer within {self._pace.timeout:g} s" if mine else reason(error)
            self._failed(begun, why, silent=True)
        except Exception as error:
            self._failed(begun, reason(error), silent=isinstance(error, SilentError))
        else:
            self._answered(begun)
        finally:
            self._under_way -= 1
        if self._nudged:
            self._begin()

    def _answered(self, begun: float) -> None:
        self._newest_answered = max(self._newest_answered, begun)
        now = self._answered_at = self._clock.monotonic()
        self._attempt = 0
        self._step = self._pace.ticks(now - begun) * self.interval
        self._not_before = begun + self._step - self.interval / 2 if self._pace.rest else -math.inf
        self._teller.live()

    def _absent(self, begun: float, why: str) -> None:
        if begun >= self._newest_answered:
            self._attempt = 0
            self._not_before = -math.inf
            self._teller.absent(why)

    def _failed(self, begun: float, why: str, *, silent: bool = False) -> None:
        # a late failure of a probe that newer news has overtaken says nothing new
        if begun < self._newest_answered or begun < self._failed_at:
            return
        now = self._clock.monotonic()
        self._failed_at = now
        self._attempt += 1
        longest = max(self._pace.longest_pause, self._pace.silent_pause if silent else 0.0)
        pause = backoff(self._attempt, self.interval, longest, self._chance)
        ticks = max(0, math.ceil((now + pause - self._due) / self.interval))
        next_try = self._due + ticks * self.interval
        # half a step early, because the grid's sums are not exact
        self._not_before = next_try - self.interval / 2
        self._teller.failed(why, self._attempt, self._clock.time() + max(0.0, next_try - now))

    def _look_at_age(self, now: float) -> None:
        age = now - self._answered_at
        if age > max(SHORTEST_STALE, STALE_INTERVALS * max(self.interval, self._step)):
            self._teller.stale(age)
