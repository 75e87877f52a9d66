"""The words of the checklist: phases, kinds, states, outcomes, and how fresh a source is."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How a run moves the service: it is fixed with the run's first effect."""

    OFFLINE = "offline"
    """The old service is stopped while the rows are carried."""
    ONLINE = "online"
    """It serves meanwhile; writers are refused only while the last changes follow."""


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


class StepId(StrEnum):
    """The ids of the items that steps of ours are bound to. Nothing but the steps goes by these: what an item
    means for the run is said on the item itself, in plan.yaml."""

    BACKUP = "backup"
    NEON_IMAGE = "neon-image"
    NOTIFY_TEAM = "notify-team"
    PORTS_FREE = "ports-free"
    STOP_OLD = "stop-old"
    CAPTURE = "capture"
    CATCH_UP = "catch-up"
    SWITCH = "switch"
    START_STACK = "start-stack"
    INIT_NEON = "init-neon"
    MIGRATE_DATA = "migrate-data"
    VERIFY_DATA = "verify-data"
    TEST_API = "test-api"
    UPDATE_DASHBOARDS = "update-dashboards"
    BENCHMARKS = "benchmarks"
    BRANCHING = "branching"
    UPDATE_DOCS = "update-docs"


class Meaning(StrEnum):
    """What an item does to the run, whoever or whatever makes it done; as plan.yaml writes it."""

    CLOSES_SOURCE = "closes: source"
    """The old service takes no writes from here on: the write downtime begins."""
    STOPS_OLD = "stops: old"
    """The old service does not run from here on."""
    STARTS_TARGET = "starts: target"
    """The new stack runs from here on."""
    MAKES_TABLES = "makes: tables"
    """The target has tables from here on; what asks for them before is early, not broken."""
    COPIES_ROWS = "copies: rows"
    """The rows are written: carried out again, it is another migration."""
    PROVES_ROWS = "proves: rows"
    """Both sides were compared by content."""
    OPENS_TARGET = "opens: target"
    """Users write to the new service from here on: the write downtime ends."""
    LOADS_API = "loads: api"
    """Users of the new service feel it: it is never begun unasked."""
    WRITES_REPORT = "writes: report"
    """The report is written for the team."""
    SHOWS_ADR = "shows: adr"
    """A person reads the decision record before confirming."""
    DECIDES_DAY_7 = "decides: day-7"
    """It is done by deciding that day of the timeline, and in no other way."""


class ItemState(StrEnum):
    """The state of an item. Only evidence makes it DONE; INSUFFICIENT: too little was seen for an answer."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INSUFFICIENT = "insufficient"
    SKIPPED = "skipped"
    UNDONE = "undone"


SATISFIED = (ItemState.DONE, ItemState.SKIPPED)
"""States that fulfil a need."""


class Outcome(StrEnum):
    """The state of a run; the report's `outcome`."""

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
