"""The journal's record: one event of any kind with its place and time; and a line of a log."""

from __future__ import annotations

import msgspec

from wsdash.model.alerts import AlertAcknowledged, AlertChanged, AlertSent, AlertSilenced, AlertUnsilenced
from wsdash.model.base import Event
from wsdash.model.comparison import ComparisonBegan, SidesCompared
from wsdash.model.days import CriterionConfirmed, DecisionRecorded, TimelineJudged, TimePassing
from wsdash.model.items import (
    BackupTaken,
    CriterionMeasured,
    ItemChanged,
    ItemIntended,
    LoadTested,
    Progress,
    SchemaCompared,
    TableVerified,
)
from wsdash.model.online import (
    ConflictsFound,
    Followed,
    GoNoGo,
    OldPortClients,
    SwitchedOver,
    TrafficJudged,
)
from wsdash.model.readings import (
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
from wsdash.model.rehearsal import RehearsalProgress, Rehearsed
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
from wsdash.model.source_jobs import JobsAnswered, JobsAsked

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
    Followed,
    GoNoGo,
)
"""Events that may be pruned; everything else is the run's history and is kept."""


AnyEvent = (
    RunStarted
    | RunFinished
    | EngineStopped
    | SetupProgress
    | PauseChanged
    | Downtime
    | Restored
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
    | ContainerAsked
    | ContainerRestarted
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
    | AlertSent
    | AlertSilenced
    | AlertUnsilenced
    | RehearsalProgress
    | Rehearsed
    | ComparisonBegan
    | SidesCompared
    | JobsAsked
    | JobsAnswered
    | Followed
    | GoNoGo
    | OldPortClients
    | SwitchedOver
    | ConflictsFound
    | TrafficJudged
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
