"""The vocabulary every room shares: items and their states, readings, and the events of the journal.

All types are immutable. Times are seconds since the epoch (float), durations are seconds, sizes are bytes.
Events are what flows from the engine to every screen: each is one tagged JSON object in the journal.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


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
    """Where an item stands. Only evidence makes it DONE."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
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


class Event(msgspec.Struct, frozen=True, tag_field="kind"):
    """Base of everything the journal holds."""


# --- the run -----------------------------------------------------------------------------------------


class RunStarted(Event, frozen=True, tag="run-started"):
    """An engine took up the run: at its first start and again at every resume."""

    run: str
    mode: str
    host: str
    pid: int
    resumed: bool
    world: str = ""
    """Where the run works, for the header: 'demo' or the stack's name."""


class RunFinished(Event, frozen=True, tag="run-finished"):
    """The engine has nothing more to do for now, or leaves."""

    outcome: Outcome
    detail: str = ""


class EngineStopped(Event, frozen=True, tag="engine-stopped"):
    """The engine's process is about to end, with the state saved."""

    reason: str


class SetupProgress(Event, frozen=True, tag="setup-progress"):
    """The (demo) world's own start-up, before the first item: stage k of n."""

    stage: str
    done: int
    total: int
    detail: str = ""
    failed: bool = False


class PauseChanged(Event, frozen=True, tag="pause-changed"):
    """paused: the runner stops after the current item."""

    paused: bool
    by: str = ""


class Downtime(Event, frozen=True, tag="downtime"):
    """The write downtime clock: from the old service's stop to the first write the new one accepted."""

    running: bool
    started_at: float
    ended_at: float | None = None


class Notice(Event, frozen=True, tag="notice"):
    """One line for the people: level is info, warning or error."""

    level: str
    text: str
    item: str = ""


# --- items -------------------------------------------------------------------------------------------


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


# --- readings (what the pollers saw; kept for a bounded time) -----------------------------------------


class ContainerReading(Event, frozen=True, tag="container"):
    """A container (or supervised local process) as it was just seen."""

    name: str
    state: str
    """created, running, restarting, paused, exited, missing."""
    health: str
    """healthy, unhealthy, starting, none (no health check), unknown."""
    group: str = ""
    """apps or workspace."""
    image: str = ""
    ports: tuple[int, ...] = ()
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    restarts: int = 0
    exit_code: int | None = None
    oom_killed: bool = False
    started_at: float | None = None
    detail: str = ""
    """The last health check's output, one line."""
    instance: str = ""
    """The engine's id of the container: another one after a re-creation."""
    received_bytes: int | None = None
    sent_bytes: int | None = None
    """Network bytes since the container started, all its networks together."""


class PortReading(Event, frozen=True, tag="port"):
    """Who holds a port: holder is '' when free."""

    port: int
    holder: str
    ours: bool


class RowsReading(Event, frozen=True, tag="rows"):
    """Row counts of one table on both sides; None where a side could not be read. estimated: not exact.

    exact_at: when both were last counted exactly, in seconds since the epoch; None: never.
    note: why the two counts cannot be compared; '' where they can.
    """

    table: str
    source: int | None
    target: int | None
    estimated: bool = False
    exact_at: float | None = None
    note: str = ""


class LatencyReading(Event, frozen=True, tag="latency"):
    """One probe: seconds, or None with the error. series names: api-old, api-new, pageserver, safekeeper,
    source-db, target-db."""

    series: str
    seconds: float | None
    error: str = ""
    parts: dict[str, float] = {}
    """Where it was measured: dns, connect, first-byte and total, in seconds."""


class MetricsReading(Event, frozen=True, tag="metrics"):
    """Numbers read at once from one source: metrics, connections, errors. Keys are the history's series.

    missing: why a number that belongs to the source is not among the values; it is unknown, not nought.
    """

    source: str
    values: dict[str, float]
    missing: dict[str, str] = {}


class Branch(msgspec.Struct, frozen=True):
    """A timeline on the pageserver. parent: '' for the main one. bytes: its logical size. made_at: None where
    it is not known."""

    timeline: str
    parent: str
    lsn: str
    bytes: int
    state: str
    made_at: float | None = None


class BranchesReading(Event, frozen=True, tag="branches"):
    """All timelines of the new database, as the pageserver lists them."""

    branches: tuple[Branch, ...]


class HostReading(Event, frozen=True, tag="host"):
    """The machine and wsdash itself. Percentages 0..100, lag in seconds."""

    disk_percent: float
    disk_free_bytes: int
    self_cpu_percent: float
    self_memory_bytes: int
    loop_lag_seconds: float


class SourceState(Event, frozen=True, tag="source-state"):
    """How a source of readings itself is doing: containers, rows, latency:<series>, logs, host, ports."""

    source: str
    liveness: Liveness
    detail: str = ""
    attempt: int = 0
    next_try_at: float | None = None


class AlertChanged(Event, frozen=True, tag="alert"):
    """An alert began (raised), got worse (raised again, since unchanged) or ended (since is then its end).

    rule: the rule's id. alert: the rule's id, with /SUBJECT where one rule watches several series. worst: in
    the unit of the series since the alert began; None when there was no value (nothing answered).
    """

    rule: str
    raised: bool
    text: str
    since: float
    alert: str = ""
    series: str = ""
    severity: str = "warning"
    """info, warning or critical."""
    worst: float | None = None


class AlertAcknowledged(Event, frozen=True, tag="alert-acknowledged"):
    """Somebody knows of a raised alert and looks after it; this ends with the alert."""

    alert: str
    who: str
    note: str = ""


class AlertSilenced(Event, frozen=True, tag="alert-silenced"):
    """Alerts are recorded but not told until then. match: a rule, an alert, or * for all."""

    match: str
    until: float
    who: str
    note: str = ""


class AlertUnsilenced(Event, frozen=True, tag="alert-unsilenced"):
    """A silence ended before its time."""

    match: str
    who: str


# --- the fourteen days after --------------------------------------------------------------------------


class CriterionConfirmed(Event, frozen=True, tag="criterion-confirmed"):
    """A person says that a criterion holds which nothing but a person can judge (or that it does not)."""

    id: str
    holds: bool
    who: str
    note: str = ""


class DecisionRecorded(Event, frozen=True, tag="decision"):
    """The go or no-go of one day (0, 1, 3, 7, 14): who, why, and what the evidence recommended then."""

    day: int
    go: bool
    who: str
    why: str
    recommendation: str = ""


class CriterionFound(msgspec.Struct, frozen=True):
    """One criterion as the stored evidence has it. holds None: not enough was seen. Times: epoch seconds.

    coverage: the share (0..1) of the window's minutes that were watched; None where that means nothing.
    """

    id: str
    holds: bool | None
    measured: str
    threshold: str
    title: str = ""
    coverage: float | None = None
    since: float | None = None
    until: float | None = None
    who: str = ""


class DayFound(msgspec.Struct, frozen=True):
    """One day of the timeline. recommendation: go, no-go or insufficient-data. at: when the day is due."""

    day: int
    title: str
    guide: str
    recommendation: str
    criteria: tuple[CriterionFound, ...]
    at: float | None = None


class TimelineJudged(Event, frozen=True, tag="timeline"):
    """The days and the board of success criteria as they stand; board: list (technical, ...) -> criteria."""

    migrated_at: float | None
    days: tuple[DayFound, ...]
    board: dict[str, tuple[CriterionFound, ...]]


class TimePassing(Event, frozen=True, tag="time-passing"):
    """From here on the run's time is not the machine's: `at` began at the machine's `machine_at` and passes
    `scale` times as fast (0: as fast as it can). Only the demo's fortnight does this."""

    scale: float
    at: float
    machine_at: float
    fortnight: str


READINGS: tuple[type[Event], ...] = (
    ContainerReading,
    PortReading,
    RowsReading,
    LatencyReading,
    MetricsReading,
    HostReading,
    BranchesReading,
    SourceState,
    Progress,
    TimelineJudged,
)
"""Events that may be pruned; everything else is the run's history and is kept."""

AnyEvent = (
    RunStarted
    | RunFinished
    | EngineStopped
    | SetupProgress
    | PauseChanged
    | Downtime
    | Notice
    | ItemIntended
    | ItemChanged
    | Progress
    | SchemaCompared
    | TableVerified
    | BackupTaken
    | LoadTested
    | CriterionMeasured
    | ContainerReading
    | PortReading
    | RowsReading
    | LatencyReading
    | MetricsReading
    | HostReading
    | BranchesReading
    | SourceState
    | AlertChanged
    | CriterionConfirmed
    | DecisionRecorded
    | TimelineJudged
    | TimePassing
    | AlertAcknowledged
    | AlertSilenced
    | AlertUnsilenced
)


class Recorded(msgspec.Struct, frozen=True):
    """An event with its place (seq, growing by one stream) and time in the journal."""

    seq: int
    at: float
    event: AnyEvent


class LogLine(msgspec.Struct, frozen=True):
    """One line a container wrote. stream is stdout, stderr or wsdash (an inline marker of ours)."""

    container: str
    at: float
    stream: str
    text: str


# --- intents (screen -> engine, over the control socket) ----------------------------------------------


LOAD = "LOAD"
"""What must be typed to put a load on an API that the settings do not confirm."""


class Intent(msgspec.Struct, frozen=True):
    """What an operator asks of the engine.

    do: run-item, run-auto, pause, resume, retry, confirm, skip, rollback, restore, stop, ping, ack-alert,
    silence-alert, unsilence-alert.
    item: for run-item, retry, confirm, skip. who/note: for confirm and skip.
    options: match (what a silence covers) and seconds (how long); alert for ack-alert.
    force: migrate over a target with foreign rows; phrase holds the typed confirmation.
    """

    do: str
    item: str = ""
    who: str = ""
    note: str = ""
    phrase: str = ""
    force: bool = False
    options: dict[str, Any] = {}


class Reply(msgspec.Struct, frozen=True):
    """The engine's answer: accepted or not, and why."""

    ok: bool
    text: str = ""
