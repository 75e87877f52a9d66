"""A rehearsal of the migration: how far it is, and what it found."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from wsdash.model.base import Event

REHEARSAL = "rehearsal"
"""The id that a rehearsal has where an item has its own."""

ROUNDS = 2
"""How often a rehearsal does it all unless somebody asks for another number: two of them make a spread."""
MOST_ROUNDS = 10


class RehearsalOutcome(StrEnum):
    """How a rehearsal ended. BLOCKED: an item could not be done. DIFFERED: what was made is not as it should
    be. INTERRUPTED: somebody ended it, or it was killed, and it says nothing about the night."""

    CLEAN = "clean"
    BLOCKED = "blocked"
    DIFFERED = "differed"
    INTERRUPTED = "interrupted"


class RehearsedItem(msgspec.Struct, frozen=True):
    """One item as it went. state: done, failed (in one of the rounds), estimated or not-rehearsed.

    seconds: how long it took, round by round. downtime: it lies between the old service's stop and the new
    one's first write.
    """

    item: str
    state: str
    seconds: tuple[float, ...] = ()
    downtime: bool = False
    text: str = ""


class ExpectedDowntime(msgspec.Struct, frozen=True):
    """Seconds of write downtime to expect. basis: from how many measurements, and what is not in it."""

    low: float
    likely: float
    high: float
    basis: str = ""


class ResourceUse(msgspec.Struct, frozen=True):
    """The most that was used of something, in bytes. limit: None where none is known."""

    name: str
    used: int
    limit: int | None = None

    @property
    def exceeded(self) -> bool:
        """Whether it was more than the limit."""
        return self.limit is not None and self.used > self.limit


class RehearsalProgress(Event, frozen=True, tag="rehearsal-progress"):
    """A rehearsal goes on: doing is an item, or cleaning-up. round counts from 1."""

    id: str
    doing: str
    round: int
    rounds: int


class Rehearsed(Event, frozen=True, tag="rehearsed"):
    """A rehearsal that is over. Times are epoch seconds.

    where: target, or scratch (only the schema's statements, on a scratch server of the target's version).
    world: source and target, as one text: only rehearsals of the same are compared. blocked, differed: what
    prevents it. moved: what changed in the source meanwhile, which is no fault. left: what could not be
    cleaned up; empty when nothing is left.
    """

    id: str
    outcome: RehearsalOutcome
    started_at: float
    finished_at: float
    where: str = "target"
    world: str = ""
    items: tuple[RehearsedItem, ...] = ()
    blocked: tuple[str, ...] = ()
    differed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    downtime: ExpectedDowntime | None = None
    resources: tuple[ResourceUse, ...] = ()
    left: tuple[str, ...] = ()
