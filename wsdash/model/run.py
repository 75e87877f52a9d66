"""Events of the run as a whole."""

from __future__ import annotations

from wsdash.model.base import Event
from wsdash.model.checklist import Outcome


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
    """One stretch of write downtime: from the old service's stop to the first write that one of the two took.

    A later stretch of the same run, when the old service ran again in between, has another started_at.
    """

    running: bool
    started_at: float
    ended_at: float | None = None


class Restored(Event, frozen=True, tag="restored"):
    """A backup is about to be restored by hand: side is source or target, file the backup's path.

    Recorded before the first row is written, so that a crash in the middle leaves no proof behind.
    """

    side: str
    file: str


class ContainerAsked(Event, frozen=True, tag="container-asked"):
    """Somebody has a container stopped, started or restarted by hand; done: it was carried out, or failed."""

    name: str
    action: str
    """start, stop or restart."""
    who: str
    done: bool = False


class Notice(Event, frozen=True, tag="notice"):
    """One line for the people: level is info, warning or error."""

    level: str
    text: str
    item: str = ""
