"""The facts of a run: small durable values beside the journal's history, each named and typed once, here.

A fact that only one room above knows is declared there, by the same type: the engine's settings, what a
rehearsal took, the demo's days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypedDict, TypeVar

import msgspec

from wsdash.model.checklist import LoadRung

T = TypeVar("T")


class Fact(str, Generic[T]):
    """A fact's name, and the type of its value. What is stored is JSON."""

    __slots__ = ("kind",)
    kind: type[T]

    def __new__(cls, name: str, kind: type[T]) -> Fact[T]:
        """name: in the journal. kind: what msgspec makes of the stored value."""
        fact = super().__new__(cls, name)
        fact.kind = kind
        return fact

    def of(self, stored: Mapping[str, Any]) -> T | None:
        """Its value among these; None where there is none, or it is not of its type: what is not known is
        found out again."""
        value = stored.get(self)
        if value is None:
            return None
        try:
            return msgspec.convert(value, self.kind)
        except msgspec.ValidationError:
            return None


class Facts(Protocol):
    """Where the facts of the run are kept."""

    def get(self, name: Fact[T]) -> T | None:
        """The value, or None."""
        ...

    async def put(self, name: Fact[T], value: T | None) -> None:
        """Durable when this returns."""
        ...


class Tried(TypedDict, total=False):
    """What a trial came to: its evidence, and when it ended (epoch seconds)."""

    holds: bool
    text: str
    at: float
    insufficient: bool
    remedy: str


class ComparedSides(TypedDict, total=False):
    """source: each table's checksum there; at: when (epoch seconds); stopped_at: behind which stop of the old
    service it was made; diverged: what was found in the source after the new service was opened."""

    holds: bool
    text: str
    source: dict[str, str]
    at: float
    stopped_at: float | None
    diverged: str


class FenceNote(TypedDict):
    """Behind which stop of the old service the rows were copied."""

    stopped_at: float | None


class RowsOfTests(TypedDict):
    """What the tests made through the API: the marker in it, the ids they were given, when they began."""

    marker: str
    ids: list[str]
    begun: float


FINGERPRINT: Fact[dict[str, Any]] = Fact("run.world", dict)
"""Where the run works: databases, containers, mode."""
ROLLING_BACK: Fact[bool] = Fact("rollback.under-way", bool)
"""A rollback was begun and not finished."""
RESTORE_FIRST: Fact[str] = Fact("rollback.restore", str)
"""The backup that a rollback restores before the old service starts; '' for none."""
PAUSED: Fact[list[int]] = Fact("source.paused-jobs", list[int])
"""The ids of the source's jobs that are, or are about to be, paused. Written before they are paused, so that
what a killed engine paused can be put back by the next one."""
MANIFEST: Fact[str] = Fact("backup.manifest", str)
"""Where the manifest of the proven backup is."""
SENT: Fact[str] = Fact("notify-team.sent", str)
"""How and when the team was notified."""
STOPPED_AT: Fact[float] = Fact("stop-old.at", float)
"""When the old service was stopped last (epoch seconds)."""
ANSWERED: Fact[str] = Fact("stop-old.answered", str)
"""The base URL at which the old API answered before it was stopped."""
STARTED: Fact[bool] = Fact("start-stack.started", bool)
"""The new stack's containers were all started by this run."""
FENCE: Fact[FenceNote] = Fact("migrate-data.fence", FenceNote)
READ: Fact[str] = Fact("migrate-data.read", str)
"""How the rows were read, for the evidence."""
VERIFIED: Fact[ComparedSides] = Fact("verify.result", ComparedSides)
"""The newest comparison by item verify-data."""
API_TESTED: Fact[Tried] = Fact("test-api.result", Tried)
"""The newest tests. Once it is there, the new service has been opened for writes: the tests write first."""
TEST_ROWS: Fact[RowsOfTests] = Fact("api-tests.items", RowsOfTests)
"""What the tests made and did not yet prove removed."""
BASELINE: Fact[list[LoadRung]] = Fact("benchmarks.baseline", list[LoadRung])
"""How fast the old API was before the migration."""
BENCHMARKED: Fact[Tried] = Fact("benchmarks.result", Tried)
BRANCHED: Fact[Tried] = Fact("branching.result", Tried)


class KeepChoice(TypedDict, total=False):
    """Of rows that both sides changed, whose stays: for all ('': nobody chose), and by conflict's id."""

    all: str
    rows: dict[str, str]


class CarriedBack(TypedDict):
    """What was carried back before the switch back: log lines, and conflicts that were decided."""

    lines: int
    conflicts: int


class KeptChanges(TypedDict):
    """How many changes the target's log held for the way back, and when they were counted (epoch seconds)."""

    changes: int
    at: float


FOLLOWS: Fact[bool] = Fact("online.follows", bool)
"""Changes are to be applied in the background, over every restart of the engine."""
FOLDS: Fact[bool] = Fact("online.folds", bool)
"""Nothing is applied after a rollback, but the source's log of changes is to be kept small."""
WAY_BACK: Fact[KeptChanges] = Fact("online.way-back", KeptChanges)
CATALOG: Fact[list[str]] = Fact("online.catalog", list[str])
"""A line for each object of the source before anything of ours was there."""
GIVE_UP: Fact[bool] = Fact("rollback.give-up", bool)
"""On the way back, what users wrote to the target is given up where it cannot be carried (it does not
answer, or the mapping cannot be taken back), as a person said."""
KEEP: Fact[KeepChoice] = Fact("rollback.keep", KeepChoice)
CARRIED_BACK: Fact[CarriedBack] = Fact("rollback.carried", CarriedBack)


def result_of(test: str) -> Fact[Tried]:
    """What the newest trial of a line of the testing checklist saw."""
    return Fact(f"{test}.result", Tried)
