"""What the pollers saw, kept for a bounded time; and the alerts that were raised from it."""

from __future__ import annotations

import msgspec

from wsdash.model.checklist import Event, Liveness


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
    ended_with: int | None = None
    """The exit code of the newest end that an event reported; None: no event reported one."""


class ContainerRestarted(Event, frozen=True, tag="container-restarted"):
    """A container started anew between two readings. asked_by: who had it done, '' when nobody did."""

    name: str
    how: str
    asked_by: str = ""


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
    parts: dict[str, float] = msgspec.field(default_factory=dict)
    """Where it was measured: dns, connect, first-byte and total, in seconds."""
    ticks: int = 1
    """How many questions of the schedule it stands for: a slow service is asked less often, and what was not
    asked then would have been as slow."""


class MetricsReading(Event, frozen=True, tag="metrics"):
    """Numbers read at once from one source: metrics, connections, errors. Keys are the history's series.

    missing: why a number that belongs to the source is not among the values; it is unknown, not 0.
    """

    source: str
    values: dict[str, float]
    missing: dict[str, str] = msgspec.field(default_factory=dict)


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


class AlertSent(Event, frozen=True, tag="alert-sent"):
    """An alert (or its end) arrived at a channel. since: when it began, or ended."""

    alert: str
    raised: bool
    since: float
    channel: str


class AlertAcknowledged(Event, frozen=True, tag="alert-acknowledged"):
    """Somebody knows of a raised alert and looks after it; this ends with the alert."""

    alert: str
    who: str
    note: str = ""


class AlertSilenced(Event, frozen=True, tag="alert-silenced"):
    """Alerts are recorded but not sent until then. match: a rule, an alert, or * for all."""

    match: str
    until: float
    who: str
    note: str = ""


class AlertUnsilenced(Event, frozen=True, tag="alert-unsilenced"):
    """A silence ended before its time."""

    match: str
    who: str
