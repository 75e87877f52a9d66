"""How a source of readings is doing, reported only when it changes."""

from __future__ import annotations

import random
from collections.abc import Callable

from wsdash.model import Liveness, SourceState
from wsdash.watch.sources import Emit

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
