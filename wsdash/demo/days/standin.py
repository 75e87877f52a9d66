"""A stand-in for fourteen days of a real stack: seeded readings with a daily rhythm, noise and incidents.

Nothing here is measured. It is what pollers would have read of a service that behaves as the name says.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wsdash.errors import InputError

HOUR = 3600.0
DAY = 86_400.0
API = "workspace-api"
COMPUTE = "workspace-db-compute"
QUIET_ERRORS = 0.004
"""Error lines a minute of a service that is well: one in four hours."""

Hit = Callable[[float], bool]


def between(first: float, last: float) -> Hit:
    """Whether a time (seconds since the migration) lies between two days."""
    return lambda at: first * DAY <= at < last * DAY


def never(at: float) -> bool:
    """No time at all."""
    return False


@dataclass(frozen=True)
class Fortnight:
    """How fourteen days go. Times are days since the migration; what says it for people."""

    name: str
    what: str
    slow: Hit = never
    errors: Hit = never
    restarts: tuple[float, ...] = ()
    disk_fills: tuple[float, float] | None = None
    unwatched: Hit = never
    comfortable: bool = True
    comfort_note: str = "nothing to complain about"


FORTNIGHTS = {
    one.name: one
    for one in (
        Fortnight("good", "nothing happens"),
        Fortnight(
            "slow-api",
            "the API is slow for five hours of the second day",
            slow=between(1.4, 1.61),
            comfortable=False,
            comfort_note="the lists were slow on the second day",
        ),
        Fortnight(
            "error-burst",
            "the API logs errors for 40 minutes of the sixth day",
            errors=between(5.4, 5.428),
        ),
        Fortnight("restarts", "the database restarts thrice on the first day", restarts=(0.42, 0.43, 0.45)),
        Fortnight("disk-fills", "from the ninth day on the disk fills up", disk_fills=(8.0, 12.5)),
        Fortnight(
            "incidents",
            "a slow evening, a restart, an error burst and a disk that fills: something to look at",
            slow=between(1.4, 1.61),
            errors=between(5.4, 5.428),
            restarts=(2.3,),
            disk_fills=(8.0, 12.5),
            comfort_note="slow on the second day, well since",
        ),
        Fortnight("gap", "nobody watched on the fifth and the sixth day", unwatched=between(4.0, 6.0)),
    )
}


def chosen(name: str) -> str:
    """The name, when there is such a fortnight. Raises InputError that lists them."""
    if name not in FORTNIGHTS:
        raise InputError(
            f"there is no fortnight {name!r}",
            where="--fortnight",
            remedy="use one of: " + ", ".join(FORTNIGHTS),
        )
    return name


@dataclass
class StandinStack:
    """The readings of one fortnight. base: seconds the API takes when nothing is wrong.

    before: how often each container was restarted before it; a count goes on from there.
    """

    fortnight: Fortnight
    base: float
    seed: int = 1
    before: Mapping[str, int] = field(default_factory=dict)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.fortnight.name} {self.seed}")

    def watched(self, at: float) -> bool:
        """Whether anybody looks at that time (seconds since the migration)."""
        return not self.fortnight.unwatched(at)

    def load(self, at: float) -> float:
        """The share (0.3..1) of the busiest hour's traffic; busiest in the afternoon, calm at night."""
        return 0.65 + 0.35 * math.sin(2 * math.pi * (at / DAY - 0.25))

    def latency(self, at: float) -> float | None:
        """Seconds of one GET /api/items, None while the service restarts."""
        if any(start * DAY <= at < start * DAY + 45 for start in self.fortnight.restarts):
            return None
        usual = self.base * (0.75 + 0.25 * self.load(at)) * math.exp(self._random.gauss(0, 0.12))
        return usual + self._random.uniform(0.45, 0.95) if self.fortnight.slow(at) else usual

    def errors(self, at: float) -> int:
        """Error lines in the minute before."""
        if self.fortnight.errors(at):
            return self._random.randint(9, 24)
        return int(self._random.random() < QUIET_ERRORS)

    def restarts(self, container: str, at: float) -> int:
        """How often a container was restarted so far."""
        before = self.before.get(container, 0)
        if container != COMPUTE:
            return before
        return before + sum(at >= start * DAY for start in self.fortnight.restarts)

    def started(self, container: str, at: float) -> float:
        """When it was started, seconds since the migration; never before it."""
        if container != COMPUTE:
            return 0.0
        return max((start * DAY for start in self.fortnight.restarts if at >= start * DAY), default=0.0)

    def memory(self, container: str, at: float) -> int:
        """Bytes."""
        usual = {COMPUTE: 420, API: 90}.get(container, 180)
        return int((usual * (0.9 + 0.1 * self.load(at)) + self._random.uniform(-3, 3)) * 2**20)

    def disk(self, at: float) -> float:
        """Per cent of the disk in use."""
        percent = 55.0 + 0.15 * at / DAY + self._random.uniform(-0.02, 0.02)
        if self.fortnight.disk_fills is not None:
            first, last = self.fortnight.disk_fills
            percent += 36.0 * min(1.0, max(0.0, (at / DAY - first) / (last - first)))
        return percent
