"""The vocabulary every room shares: items and their states, readings, and the events of the journal.

All types are immutable. Times are seconds since the epoch (float), durations are seconds, sizes are bytes.
Events are what flows from the engine to every screen: each is one tagged JSON object in the journal.
"""

from __future__ import annotations

from wsdash.model.alerts import AlertAcknowledged, AlertChanged, AlertSent, AlertSilenced, AlertUnsilenced
from wsdash.model.base import Event
from wsdash.model.checklist import SATISFIED, ItemKind, ItemState, Liveness, Meaning, Outcome, Phase, StepId
from wsdash.model.comparison import ComparisonBegan, SidesCompared, TableCompared
from wsdash.model.control import LOAD, Intent, Reply
from wsdash.model.days import (
    CriterionConfirmed,
    CriterionFound,
    DayFound,
    DecisionRecorded,
    TimelineJudged,
    TimePassing,
    run_time,
)
from wsdash.model.items import (
    BackupTaken,
    CriterionMeasured,
    EndpointTimes,
    ItemChanged,
    ItemIntended,
    LoadRung,
    LoadTested,
    Progress,
    SchemaCompared,
    SchemaObject,
    TableVerified,
)
from wsdash.model.journal import READINGS, AnyEvent, LogLine, Recorded
from wsdash.model.migration import COPIES, ROLLED_BACK, ended_by, loads_kept
from wsdash.model.readings import (
    Branch,
    BranchesReading,
    ContainerReading,
    ContainerRestarted,
    HostReading,
    LatencyReading,
    MetricsReading,
    PortReading,
    RowsReading,
    SourceState,
)
from wsdash.model.rehearsal import (
    REHEARSAL,
    ExpectedDowntime,
    RehearsalOutcome,
    RehearsalProgress,
    Rehearsed,
    RehearsedItem,
    ResourceUse,
)
from wsdash.model.run import (
    ContainerAsked,
    Downtime,
    EngineStopped,
    Notice,
    PauseChanged,
    Restored,
    RunFinished,
    RunStarted,
    SetupProgress,
)
from wsdash.model.source_jobs import PAUSE_JOBS, JobsAnswered, JobsAsked

__all__ = [
    "COPIES",
    "LOAD",
    "PAUSE_JOBS",
    "READINGS",
    "REHEARSAL",
    "ROLLED_BACK",
    "SATISFIED",
    "AlertAcknowledged",
    "AlertChanged",
    "AlertSent",
    "AlertSilenced",
    "AlertUnsilenced",
    "AnyEvent",
    "BackupTaken",
    "Branch",
    "BranchesReading",
    "ComparisonBegan",
    "ContainerAsked",
    "ContainerReading",
    "ContainerRestarted",
    "CriterionConfirmed",
    "CriterionFound",
    "CriterionMeasured",
    "DayFound",
    "DecisionRecorded",
    "Downtime",
    "EndpointTimes",
    "EngineStopped",
    "Event",
    "ExpectedDowntime",
    "HostReading",
    "Intent",
    "ItemChanged",
    "ItemIntended",
    "ItemKind",
    "ItemState",
    "JobsAnswered",
    "JobsAsked",
    "LatencyReading",
    "Liveness",
    "LoadRung",
    "LoadTested",
    "LogLine",
    "Meaning",
    "MetricsReading",
    "Notice",
    "Outcome",
    "PauseChanged",
    "Phase",
    "PortReading",
    "Progress",
    "Recorded",
    "RehearsalOutcome",
    "RehearsalProgress",
    "Rehearsed",
    "RehearsedItem",
    "Reply",
    "ResourceUse",
    "Restored",
    "RowsReading",
    "RunFinished",
    "RunStarted",
    "SchemaCompared",
    "SchemaObject",
    "SetupProgress",
    "SidesCompared",
    "SourceState",
    "StepId",
    "TableCompared",
    "TableVerified",
    "TimePassing",
    "TimelineJudged",
    "ended_by",
    "loads_kept",
    "run_time",
]
