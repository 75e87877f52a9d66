"""How a source of readings is doing and why, reported only when it changes."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable

from wsdash.errors import WsdashError
from wsdash.model import Liveness, SourceState
from wsdash.watch.sources import Emit

_ERRNO = re.compile(r"\[Errno (-?\d+)\]")


def reason(error: BaseException) -> str:
    """One short line: 'connection refused', 'no answer in time', or the error's own words."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(reason(inner) for inner in error.exceptions))
    if isinstance(error, WsdashError):
        return error.what
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return _os_reason(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _os_reason(error: OSError) -> str:
    # a host with several addresses fails as one error that quotes the others
    quoted = [int(number) for number in _ERRNO.findall(str(error))]
    inner = getattr(error, "os_error", None)
    numbers = quoted or [number for number in (getattr(inner, "errno", None), error.errno) if number]
    if numbers and numbers[0] > 0:
        return os.strerror(numbers[0]).lower()
    return " ".join(str(error).split()) or type(error).__name__


DOWN_AFTER = 5
"""Failures in a row after which a source is called down; the attempts go on for ever."""


def backoff(attempt: int, first: float, longest: float, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait after the attempt-th failure in a row (1, 2, ...).

    Doubles from `first` up to `longest`, of which a random half is taken off, so that many sources which
    failed together do not come back together.
    """
    whole = min(longest, first * 2.0 ** min(attempt - 1, 30))
    return whole * (0.5 + chance() / 2)


class SourceTeller:
    """Emits SourceState for one source; the same state twice in a row is reported once."""

    def __init__(self, source: str, emit: Emit) -> None:
        self._source = source
        self._emit = emit
        self._reported: SourceState | None = None

    @property
    def liveness(self) -> Liveness | None:
        """What was reported last, None before anything."""
        return self._reported.liveness if self._reported is not None else None

    def live(self) -> None:
        """Readings come."""
        if self.liveness is not Liveness.LIVE:
            self._tell(SourceState(self._source, Liveness.LIVE))

    def stale(self, age: float) -> None:
        """The newest reading is `age` seconds old; reported once until something else is reported."""
        if self.liveness is Liveness.LIVE:
            self._tell(SourceState(self._source, Liveness.STALE, f"no news for {age:.0f} s"))

    def failed(self, why: str, attempt: int, next_try_at: float) -> None:
        """The attempt-th failure in a row; next_try_at in seconds since the epoch."""
        liveness = Liveness.DOWN if attempt >= DOWN_AFTER else Liveness.RECONNECTING
        self._tell(SourceState(self._source, liveness, why, attempt, next_try_at))

    def absent(self, why: str) -> None:
        """It is deliberately not there: down, with nothing to reconnect to."""
        self._tell(SourceState(self._source, Liveness.DOWN, why))

    def _tell(self, state: SourceState) -> None:
        if state != self._reported:
            self._reported = state
            self._emit(state)
