"""The journal's record: one event of any kind with its place and time; and a line of a log."""

from __future__ import annotations

import msgspec

from wsdash.model.checklist import (
    BackupTaken,
    CriterionMeasured,
    Event,
    ItemChanged,
    ItemIntended,
    LoadTested,
    Progress,
    SchemaCompared,
    TableVerified,
)
from wsdash.model.days import CriterionConfirmed, DecisionRecorded, TimelineJudged, TimePassing
from wsdash.model.online import (
    ConflictsFound,
    Followed,
    GoNoGo,
    OldPortClients,
    SwitchedOver,
    TrafficJudged,
    WayBackBlocked,
)
from wsdash.model.readings import (
    AlertAcknowledged,
    AlertChanged,
    AlertSent,
    AlertSilenced,
    AlertUnsilenced,
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
from wsdash.model.run import (
    ComparisonBegan,
    ContainerAsked,
    Downtime,
    EngineStopped,
    JobsAnswered,
    JobsAsked,
    Notice,
    PauseChanged,
    RehearsalProgress,
    Rehearsed,
    Restored,
    RunFinished,
    RunStarted,
    SetupProgress,
    SidesCompared,
)

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
    | WayBackBlocked
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
