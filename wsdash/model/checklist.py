"""The words of the checklist: phases, kinds, states, outcomes, and how fresh a source is."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The guide's three checklists."""

    PRE = "pre"
    MIGRATION = "migration"
    POST = "post"


class ItemKind(StrEnum):
    """How an item becomes done: a step, a person, or a period of time."""

    AUTO = "auto"
    CONFIRM = "confirm"
    WATCH = "watch"


class ItemState(StrEnum):
    """Where an item stands. Only evidence makes it DONE; INSUFFICIENT: too little was seen for an answer."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INSUFFICIENT = "insufficient"
    SKIPPED = "skipped"
    UNDONE = "undone"


class Outcome(StrEnum):
    """How a run stands; the report's `outcome`."""

    MIGRATED = "migrated"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    INCOMPLETE = "incomplete"


class Liveness(StrEnum):
    """How fresh a source of readings is; anything but LIVE is never shown green."""

    LIVE = "live"
    STALE = "stale"
    RECONNECTING = "reconnecting"
    DOWN = "down"
