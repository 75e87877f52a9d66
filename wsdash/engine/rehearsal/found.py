"""What a rehearsal has found so far, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wsdash.engine.outlook.words import IN_DOWNTIME
from wsdash.model import RehearsalOutcome, RehearsedItem, ResourceUse, StepId, TableVerified
from wsdash.model.facts import Fact, T


class StoppedError(Exception):
    """An item could not be done: the round ends here, and what was found is noted."""


@dataclass
class MemoryFacts:
    """The facts of one round, gone with it."""

    facts: dict[str, Any] = field(default_factory=dict)

    def get(self, name: Fact[T]) -> T | None:
        """The value, or None."""
        return name.of(self.facts)

    async def put(self, name: Fact[T], value: T | None) -> None:
        """Remember it for the round's length."""
        self.facts[name] = value


@dataclass
class RehearsalFinds:
    """The finds of one rehearsal. seconds: of each item, round by round; texts: its newest evidence or fault.

    moved: by table, what changed in the source meanwhile. scratch: the version of the server on which the
    schema alone was tried. interrupted: why it says nothing, or ''.
    """

    id: str
    started_at: float
    seconds: dict[str, list[float]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    blocked: list[str] = field(default_factory=list)
    differed: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    left: tuple[str, ...] = ()
    resources: tuple[ResourceUse, ...] = ()
    verified: dict[str, TableVerified] = field(default_factory=dict)
    facts: MemoryFacts = field(default_factory=MemoryFacts)
    scratch: int | None = None
    interrupted: str = ""

    def took(self, item: str, seconds: float) -> None:
        """Note how long an item took in this round."""
        self.seconds.setdefault(item, []).append(round(seconds, 3))

    @property
    def outcome(self) -> RehearsalOutcome:
        """What it comes to."""
        if self.blocked or self.left:
            return RehearsalOutcome.BLOCKED
        if self.differed:
            return RehearsalOutcome.DIFFERED
        return RehearsalOutcome.INTERRUPTED if self.interrupted else RehearsalOutcome.CLEAN

    def items(self) -> tuple[RehearsedItem, ...]:
        """Every item within the downtime, as it went."""
        items = []
        for name in IN_DOWNTIME:
            seconds = tuple(self.seconds.get(name, ()))
            state = "estimated" if name == StepId.STOP_OLD and seconds else "done"
            if name in self.failed:
                state = "failed"
            elif not seconds and name not in self.texts:
                state = "not-rehearsed"
            items.append(RehearsedItem(name, state, seconds, True, self.texts.get(name, "")))
        return tuple(items)

    def differences(self) -> list[str]:
        """The tables that do not equal what was in the source when they were copied."""
        lines = []
        for table in self.verified.values():
            if table.match:
                continue
            first = f", first: {table.differences[0]}" if table.differences else ""
            lines.append(
                f"{table.name}: {table.source_rows:,} rows in the source's snapshot, "
                f"{table.target_rows:,} in the target, unequal by content{first}"
            )
        return lines
