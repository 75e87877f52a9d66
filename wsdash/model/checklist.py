"""The words of the checklist (phases, kinds, states, outcomes), and the events of its items."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="kind"):
    """Base of everything the journal holds."""


class Mode(StrEnum):
    """How a run moves the service: it is fixed with the run's first effect."""

    OFFLINE = "offline"
    """The old service is stopped while the rows are copied."""
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
    """The rows are written: run again, it is another migration."""
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


class ItemIntended(Event, frozen=True, tag="item-intended"):
    """Written before anything is done: action is check, act, undo or confirm."""

    item: str
    action: str
    attempt: int


class ItemChanged(Event, frozen=True, tag="item-changed"):
    """An item's new state, with the evidence that was read (or the error, with its remedy)."""

    item: str
    state: ItemState
    evidence: str = ""
    seconds: float = 0.0
    who: str = ""
    note: str = ""
    remedy: str = ""


class Progress(Event, frozen=True, tag="progress"):
    """How far a running item is with one subject, usually a table. Totals are None while unknown."""

    item: str
    subject: str
    activity: str
    """A verb for the screen: dumping, restoring, copying, indexing, checking."""
    rows: int = 0
    total_rows: int | None = None
    bytes: int = 0
    total_bytes: int | None = None
    finished: bool = False


class SchemaObject(msgspec.Struct, frozen=True):
    """One line of the schema panel. fate: same, created, adapted, not-carried or blocks."""

    kind: str
    name: str
    fate: str
    detail: str = ""


class SchemaCompared(Event, frozen=True, tag="schema-compared"):
    """What the source has, and what the target will have: the schema panel."""

    objects: tuple[SchemaObject, ...]


class TableVerified(Event, frozen=True, tag="table-verified"):
    """One table compared by content on one snapshot a side."""

    name: str
    source_rows: int
    target_rows: int
    source_checksum: str
    target_checksum: str
    match: bool
    differences: tuple[str, ...] = ()
    """At most 20 lines for people: key, and both rows where they differ."""


class BackupTaken(Event, frozen=True, tag="backup-taken"):
    """A backup that was read back."""

    path: str
    bytes: int
    sha256: str
    rows: dict[str, int]
    restore_proven: bool


class EndpointTimes(msgspec.Struct, frozen=True):
    """One endpoint in a rung, such as GET /api/items/:id. requests: answered; times in seconds."""

    endpoint: str
    requests: int
    p50: float
    p95: float


class LoadRung(msgspec.Struct, frozen=True):
    """One rung of a load test: so many clients at once. requests: answered; times in seconds."""

    clients: int
    requests: int
    errors: int
    per_second: float
    p50: float
    p95: float
    p99: float
    worst: float
    first_error: str = ""
    endpoints: tuple[EndpointTimes, ...] = ()
    """Each endpoint by itself: what is right in the middle of all may hide a slow one."""


class LoadTested(Event, frozen=True, tag="load-tested"):
    """A load test of one API. api: baseline (the old one, before the migration), old or new. load: read or
    mixed (80 % reads)."""

    api: str
    url: str
    load: str
    rungs: tuple[LoadRung, ...]


class CriterionMeasured(Event, frozen=True, tag="criterion-measured"):
    """A success criterion; holds is None while the data is insufficient."""

    id: str
    holds: bool | None
    measured: str
    threshold: str
