"""Events of the checklist's items, and what they proved."""

from __future__ import annotations

import msgspec

from wsdash.model.base import Event
from wsdash.model.checklist import ItemState


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
