"""The report's form: the contract's JSON object, and what it holds beside. Times are ISO 8601 in UTC."""

from __future__ import annotations

import msgspec

from wsdash.model import LoadRung


class ItemReport(msgspec.Struct):
    """One item: seconds it took in all, its evidence (or its error), and when it reached this state."""

    id: str
    phase: str
    state: str
    seconds: float = 0.0
    evidence: str = ""
    who: str = ""
    note: str = ""
    title: str = ""
    at: str | None = None


class TableReport(msgspec.Struct):
    """One table, compared by content."""

    name: str
    source_rows: int
    target_rows: int
    source_checksum: str
    target_checksum: str
    match: bool


class BackupReport(msgspec.Struct):
    """The backup that was read back."""

    path: str
    bytes: int
    sha256: str
    rows: dict[str, int]
    restore_proven: bool


class CriterionReport(msgspec.Struct):
    """A success criterion; holds is None while the data is insufficient. board: technical, ... or ''."""

    id: str
    holds: bool | None
    measured: str
    threshold: str
    title: str = ""
    board: str = ""


class DayCriterionReport(msgspec.Struct):
    """A criterion of one day. coverage: share (0..1) of the window's minutes that were watched, or None."""

    id: str
    holds: bool | None
    measured: str
    threshold: str
    coverage: float | None
    title: str = ""
    since: str | None = None
    until: str | None = None
    who: str = ""


class DecisionReport(msgspec.Struct):
    """A recorded decision, and what the evidence recommended when it was made."""

    day: int
    decision: str
    who: str
    at: str
    why: str
    recommended: str


class DayReport(msgspec.Struct):
    """A day of the timeline. recommendation: go, no-go or insufficient-data."""

    day: int
    title: str
    guide: str
    due: str | None
    reached: bool
    criteria: list[DayCriterionReport]
    recommendation: str
    decision: DecisionReport | None = None


class AlertReport(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """One alert. worst: in the unit of its series; None: no answer. to: None while raised.

    unit: seconds, percent, share, bytes, per-minute or ''. acknowledged_by: '' when nobody did.
    """

    rule: str
    since: str
    until: str | None
    worst: float | None
    alert: str = ""
    severity: str = ""
    text: str = ""
    unit: str = ""
    acknowledged_by: str = ""
    acknowledged_at: str | None = None
    note: str = ""


class LatencyReport(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """How fast one API answered GET /api/items in one window; seconds, percentiles right to 1 %.

    coverage: share (0..1) of the window's minutes with a sample. lacking: why this is not enough to be
    compared, '' when it is.
    """

    api: str
    window: str
    since: str
    until: str
    samples: int
    failures: int
    coverage: float
    p50: float | None
    p90: float | None
    p99: float | None
    lacking: str = ""
    p95: float | None = None
    """What Day 1 to 14 judge."""


class LatenciesReport(msgspec.Struct):
    """Latencies before and after. ratios: new over old of p50, p90 and p99, None where data is lacking."""

    windows: list[LatencyReport]
    ratios: dict[str, float] | None
    verdict: str


class BranchingReport(msgspec.Struct):
    """What item branching proved; proven None: it was not tried, or has not ended."""

    proven: bool | None
    evidence: str
    at: str | None = None


class TestReport(msgspec.Struct):
    """One line of the testing checklist, and what its newest trial saw."""

    __test__ = False

    id: str
    group: str
    title: str
    state: str
    evidence: str = ""
    who: str = ""
    at: str | None = None


class LoadReport(msgspec.Struct):
    """One load test: api is baseline, old or new; load is read or mixed; times in seconds."""

    api: str
    url: str
    load: str
    rungs: tuple[LoadRung, ...]


class DowntimeReport(msgspec.Struct):
    """Seconds of write downtime that a rehearsal lets one expect, and from how many measurements."""

    low: float
    likely: float
    high: float
    basis: str


class RehearsalReport(msgspec.Struct):
    """One rehearsal that ended. outcome: clean, blocked, differed or interrupted. where: target, or scratch
    (only the schema). downtime: None where an item of it was not measured. left: what was not cleaned up."""

    id: str
    outcome: str
    started_at: str
    finished_at: str
    where: str
    downtime: DowntimeReport | None
    blocked: tuple[str, ...]
    differed: tuple[str, ...]
    moved: tuple[str, ...]
    left: tuple[str, ...]


class VerdictReport(msgspec.Struct):
    """What comes first: the newest day that has come (None: none), its recommendation (go, no-go or
    insufficient-data), and how many of its criteria hold. open_decisions: days that have come, undecided.
    p1_incidents: critical alerts begun since the migration."""

    recommendation: str
    headline: str
    day: int | None
    title: str
    held: int
    failed: int
    insufficient: int
    criteria: int
    decided: str
    decided_by: str
    open_decisions: list[int]
    p1_incidents: int
    write_downtime_seconds: float | None


class WritesReport(msgspec.Struct):
    """The demo's users' writes, held against the side that serves."""

    acknowledged: int
    lost: int
    duplicated: int
    wrong: int
    unknown: int


class OldPortReport(msgspec.Struct):
    """A client that still asked at the old port. requests: since the relay took it."""

    address: str
    requests: int
    last_seen: str


class ReadsReport(msgspec.Struct):
    """Their reads. longest_refusal_seconds: from a read's first refusal to its answer."""

    answered: int
    refused: int
    longest_refusal_seconds: float


class RollbackReport(msgspec.Struct):
    """The way back of an online switch. seconds: until the old service took writes; lost: as WritesReport has
    it, or the changes known to have been given up with a target that was away; None where no user's ledger
    was held against it."""

    seconds: float
    changes_carried: int
    lost: int | None
    conflicts: int


class Report(msgspec.Struct):
    """The contract's JSON object; times are ISO 8601 in UTC."""

    run: str
    mode: str
    outcome: str
    started_at: str
    finished_at: str
    write_downtime_seconds: float | None
    items: list[ItemReport]
    tables: list[TableReport]
    backup: BackupReport | None
    criteria: list[CriterionReport]
    timeline: list[DayReport]
    alerts: list[AlertReport]
    decisions: list[DecisionReport]
    tests: list[TestReport] = []
    load_test: list[LoadReport] = []
    latencies: LatenciesReport | None = None
    write_downtime_stretches: list[float] = []
    """Seconds of each stretch; more than one when the old service ran again in between."""
    branching: BranchingReport | None = None
    rehearsals: list[RehearsalReport] = []
    """Oldest first."""
    hosts: list[str] = []
    """Where engines of this run worked."""
    written_at: str = ""
    """When this was written, in the run's own time."""
    verdict: VerdictReport | None = None
    client_write_gap_seconds: float | None = None
    """In the demo: the longest time about the switch in which no user's write was acknowledged."""
    writes: WritesReport | None = None
    reads: ReadsReport | None = None
    rollback: RollbackReport | None = None
    old_port_clients: list[OldPortReport] = []
    """Who still came to the old port after an online switch, the busiest first."""
    fortnight: str = ""
    """The demo's fortnight whose readings are a stand-in's, '' for a real run."""
