"""Events of the run as a whole: its beginning and end, what a screen asks of it, what ends a migration.

A comparison that somebody asked for, a rehearsal and the question about the source's background jobs are
events beside the items: none of them is an item's evidence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from wsdash.model.checklist import Event, ItemChanged, ItemIntended, ItemState, LoadTested, Outcome, StepId


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
    """Somebody has a container stopped, started or restarted by hand; done: it ran, or failed."""

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


COPIES = StepId.MIGRATE_DATA
"""The step that makes a migration: run again, it is another one."""
ROLLED_BACK = "it was rolled back"


def ended_by(event: Event) -> str:
    """Why the migration so far has ended with this event; '' when it has not.

    A rollback ends it with its first undo, not with its last: from there on the old service is brought back.
    """
    match event:
        case ItemIntended(action="undo") | ItemChanged(state=ItemState.UNDONE):
            return ROLLED_BACK
        case ItemIntended(item=item, action="act") if item == COPIES:
            return "the rows were copied again"
        case Restored(side=side, file=file):
            return f"the backup {file} was restored into the {side}"
    return ""


def loads_kept(loads: dict[str, LoadTested], why: str) -> dict[str, LoadTested]:
    """The load tests that still say something after a migration ended: unless it was rolled back, what was
    measured of the old service before it."""
    if why == ROLLED_BACK:
        return {}
    return {name: load for name, load in loads.items() if load.api == "baseline"}


LOAD = "LOAD"
"""What must be typed to put a load on an API that the settings do not confirm."""
OVERWRITE = "OVERWRITE"
"""What must be typed to write over a target with foreign rows."""
ROLLBACK = "ROLLBACK"
"""What must be typed to roll back."""
GIVE_UP = "GIVE UP"
"""What must be typed to roll back without what users wrote to a target that does not answer."""
BEING_MADE = "the world is being made ready"
"""What an engine answers that cannot follow intents yet."""


class Intent(msgspec.Struct, frozen=True):
    """What an operator asks of the engine.

    do: run-item, run-auto, run-tests (options names, or group), pause, resume, retry, confirm, skip,
    rollback, restore, stop, ping, ack-alert, silence-alert, unsilence-alert, decide, confirm-criterion,
    container, rehearse, stop-rehearsal, pause-jobs.
    item: for run-item, retry, confirm, skip, confirm-criterion. who/note: for whatever a person says.
    options: match (what a silence covers) and seconds (how long); alert for ack-alert; day and go for decide,
    with the recommendation that was shown; holds for confirm and confirm-criterion (False: it does not); name
    and action (start, stop, restart) for container; rounds for rehearse; pause for pause-jobs.
    force: migrate over a target with foreign rows, phrase holds the typed confirmation; for container: though
    a running item needs it.
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


PAUSE_JOBS = "pause-jobs"
"""The intent that answers."""


class JobsAsked(Event, frozen=True, tag="jobs-asked"):
    """An item that reads the source waits for a person: may these jobs be paused until it was compared?

    jobs: each in words, with its next start; () takes the question back: none is active any more.
    """

    item: str
    jobs: tuple[str, ...] = ()


class JobsAnswered(Event, frozen=True, tag="jobs-answered"):
    """Somebody said whether the source's background jobs are paused in this migration."""

    pause: bool
    who: str
    note: str = ""


COMPARE = "compare"
"""The intent."""
EQUAL, DIFFERS, MOVING = "equal", "differs", "moving"
"""How a table compares; moving: it is written to too fast for an answer."""


class TableCompared(msgspec.Struct, frozen=True):
    """One table. how: EQUAL, DIFFERS (seen twice) or MOVING.

    written: the sides that were written to meanwhile. differences: those seen twice, at most 20 lines for
    people. moved: how many other differences were gone, or read otherwise, the second time.
    """

    name: str
    how: str
    source_rows: int
    target_rows: int
    written: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    moved: int = 0


class ComparisonBegan(Event, frozen=True, tag="comparison-began"):
    """Somebody has both sides compared now."""

    who: str


class SidesCompared(Event, frozen=True, tag="sides-compared"):
    """The comparison is over. began_at: epoch seconds; nothing in it was read before.

    error: why there is no answer, '' when there is one.
    """

    who: str
    began_at: float
    tables: tuple[TableCompared, ...] = ()
    error: str = ""


REHEARSAL = "rehearsal"
"""The id that a rehearsal has where an item has its own."""

ROUNDS = 2
"""How often a rehearsal does it all unless somebody asks for another number: two of them make a spread."""
MOST_ROUNDS = 10


class RehearsalOutcome(StrEnum):
    """How a rehearsal ended. BLOCKED: an item could not be done. DIFFERED: what was made is not as it should
    be. INTERRUPTED: somebody ended it, or it was killed, and it says nothing about the night."""

    CLEAN = "clean"
    BLOCKED = "blocked"
    DIFFERED = "differed"
    INTERRUPTED = "interrupted"


class RehearsedItem(msgspec.Struct, frozen=True):
    """One item as it went. state: done, failed (in one of the rounds), estimated or not-rehearsed.

    seconds: how long it took, round by round. downtime: it lies between the old service's stop and the new
    one's first write.
    """

    item: str
    state: str
    seconds: tuple[float, ...] = ()
    downtime: bool = False
    text: str = ""


class ExpectedDowntime(msgspec.Struct, frozen=True):
    """Seconds of write downtime to expect. basis: from how many measurements, and what is not in it."""

    low: float
    likely: float
    high: float
    basis: str = ""


class ResourceUse(msgspec.Struct, frozen=True):
    """The most that was used of something, in bytes. limit: None where none is known."""

    name: str
    used: int
    limit: int | None = None

    @property
    def exceeded(self) -> bool:
        """Whether it was more than the limit."""
        return self.limit is not None and self.used > self.limit


class RehearsalProgress(Event, frozen=True, tag="rehearsal-progress"):
    """A rehearsal goes on: doing is an item, or cleaning-up. round counts from 1."""

    id: str
    doing: str
    round: int
    rounds: int


class Rehearsed(Event, frozen=True, tag="rehearsed"):
    """A rehearsal that is over. Times are epoch seconds.

    where: target, or scratch (only the schema's statements, on a scratch server of the target's version).
    world: source and target, as one text: only rehearsals of the same are compared. blocked, differed: what
    prevents it. moved: what changed in the source meanwhile, which is no fault. left: what could not be
    cleaned up; empty when nothing is left.
    """

    id: str
    outcome: RehearsalOutcome
    started_at: float
    finished_at: float
    where: str = "target"
    world: str = ""
    items: tuple[RehearsedItem, ...] = ()
    blocked: tuple[str, ...] = ()
    differed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    downtime: ExpectedDowntime | None = None
    resources: tuple[ResourceUse, ...] = ()
    left: tuple[str, ...] = ()
