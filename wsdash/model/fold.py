"""The one fold of the journal into the state of the run, for engine, report, exporter and screens."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wsdash.model.checklist import (
    SATISFIED,
    BackupTaken,
    CriterionMeasured,
    ItemChanged,
    ItemIntended,
    ItemState,
    LoadTested,
    Outcome,
    SchemaCompared,
    TableVerified,
)
from wsdash.model.days import DecisionRecorded, TimePassing
from wsdash.model.journal import AnyEvent, Recorded
from wsdash.model.online import (
    ConflictsFound,
    Followed,
    GoNoGo,
    OldPortClients,
    SwitchedOver,
    TrafficJudged,
    WayBackBlocked,
)
from wsdash.model.run import (
    ROLLED_BACK,
    ComparisonBegan,
    Downtime,
    EngineStopped,
    JobsAnswered,
    JobsAsked,
    PauseChanged,
    RehearsalProgress,
    Rehearsed,
    RunFinished,
    RunStarted,
    SidesCompared,
    ended_by,
    loads_kept,
)

ANSWERED = (*SATISFIED, ItemState.FAILED, ItemState.INSUFFICIENT)
"""States in which a step or a person has said how it is."""
REHEARSALS = 20
"""How many rehearsals are remembered."""


class ItemView(msgspec.Struct, frozen=True):
    """The state of one item. changed_at: epoch seconds.

    seconds: how long its last attempt took; a later check that finds it done already leaves the figure of the
    attempt that made it so.
    """

    state: ItemState = ItemState.PENDING
    evidence: str = ""
    seconds: float = 0.0
    who: str = ""
    note: str = ""
    remedy: str = ""
    attempts: int = 0
    touched: bool = False
    """An act or undo was begun since the item was last undone: the world may be changed."""
    acting: bool = False
    """The present attempt did more than check."""
    worked: float = 0.0
    """Seconds of the newest ended attempt that did more than check."""
    changed_at: float = 0.0

    @property
    def satisfied(self) -> bool:
        """Done, or passed over by a person: what needs it may go on."""
        return self.state in SATISFIED


class WentBack(msgspec.Struct, frozen=True):
    """An online switch that was rolled back: seconds from the rollback's beginning to the old service taking
    writes, changes carried there, conflicts that a person decided, changes known to have been given up."""

    seconds: float
    carried: int
    conflicts: int
    given_up: int | None = None


class RunView(msgspec.Struct, frozen=True):
    """The state of the run after the events folded so far. Times are epoch seconds."""

    run: str = ""
    mode: str = ""
    world: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    finished: Outcome | None = None
    """The last word of an engine on the run; None again as soon as an item runs after it."""
    detail: str = ""
    stopped: str = ""
    """Why the last engine ended, '' while one is (or should be) alive."""
    paused: bool = False
    items: dict[str, ItemView] = {}
    downtime: Downtime | None = None
    """The newest stretch of write downtime."""
    downtime_before: tuple[float, ...] = ()
    """Seconds of each earlier stretch: the old service ran again after it."""
    tables: dict[str, TableVerified] = {}
    verified_at: dict[str, float] = {}
    """When each of `tables` was compared."""
    backup: BackupTaken | None = None
    schema: SchemaCompared | None = None
    criteria: dict[str, CriterionMeasured] = {}
    loads: dict[str, LoadTested] = {}
    """The newest load test of each API and kind of load."""
    rehearsals: tuple[Rehearsed, ...] = ()
    """Those that are over, the newest last."""
    rehearsing: RehearsalProgress | None = None
    """How far the one is that runs now."""
    comparing: ComparisonBegan | None = None
    """Somebody has both sides compared just now."""
    compared: SidesCompared | None = None
    """How they were when somebody last had them compared in this migration."""
    jobs_asked: JobsAsked | None = None
    """A question that waits for a person: whether the source's background jobs are paused."""
    jobs_answer: JobsAnswered | None = None
    """What was answered in this migration."""
    decisions: tuple[tuple[float, DecisionRecorded], ...] = ()
    """Those of this migration, with their times."""
    passing: TimePassing | None = None
    """Set where the run's time is not the machine's."""
    followed: Followed | None = None
    """How applying changes goes, in mode online."""
    followed_at: float | None = None
    panel: GoNoGo | None = None
    old_port: OldPortClients | None = None
    """What spoke against the switch when it was last looked."""
    switched: SwitchedOver | None = None
    """The newest switch, and when it was."""
    switched_at: float | None = None
    went_back: WentBack | None = None
    """The way back of the newest switch, once it is over."""
    back_since: float | None = None
    conflicts: ConflictsFound | None = None
    """Rows of which a person must choose before the way back goes on."""
    blocked: str = ""
    """Why the way back is closed now: the target does not answer, and what that would lose."""
    traffic: TrafficJudged | None = None
    seq: int = 0

    @property
    def switch_window(self) -> tuple[float, float] | None:
        """From when to when (epoch seconds) the newest switch refused writers; None without one."""
        down = self.downtime
        return None if down is None or down.ended_at is None else (down.started_at, down.ended_at)

    def item(self, item_id: str) -> ItemView:
        """The item, pending when nothing was heard of it."""
        return self.items.get(item_id, ItemView())

    @property
    def begun(self) -> bool:
        """Whether the run changed something, or proved something by itself."""
        items = self.items.values()
        return any(item.touched or (item.state is ItemState.DONE and not item.who) for item in items)

    @property
    def rehearsal(self) -> Rehearsed | None:
        """The newest rehearsal, None when there was none yet."""
        return self.rehearsals[-1] if self.rehearsals else None

    @property
    def write_downtime_seconds(self) -> float | None:
        """Length of the write downtime, all stretches; None when there was none or it has not ended."""
        if self.downtime is None or self.downtime.ended_at is None:
            return None
        return sum(self.downtime_stretches(self.downtime.ended_at))

    def downtime_stretches(self, now: float) -> tuple[float, ...]:
        """Seconds of each stretch of write downtime; the newest up to now (epoch seconds) if it goes on."""
        if self.downtime is None:
            return ()
        end = self.downtime.ended_at if self.downtime.ended_at is not None else now
        return (*self.downtime_before, max(0.0, end - self.downtime.started_at))


_NEWEST: dict[type, str] = {
    BackupTaken: "backup",
    SchemaCompared: "schema",
    RehearsalProgress: "rehearsing",
    ComparisonBegan: "comparing",
    TimePassing: "passing",
    GoNoGo: "panel",
    OldPortClients: "old_port",
    ConflictsFound: "conflicts",
    TrafficJudged: "traffic",
}
"""Events of which the view keeps the newest as it is."""


def fold(view: RunView, recorded: Recorded) -> RunView:
    """The view after one more event."""
    event = recorded.event
    changes: dict[str, object] = {"seq": recorded.seq, **_ended(view, event)}
    if name := _NEWEST.get(type(event)):
        changes[name] = event
    else:
        changes |= _changed(view, event, recorded.at)
    return msgspec.structs.replace(view, **changes)


def _ended(view: RunView, event: AnyEvent) -> dict[str, object]:
    """What counts for nothing any more where the event ends the migration."""
    why = ended_by(event)
    if not why:
        return {}
    gone: dict[str, object] = {
        "tables": {},
        "verified_at": {},
        "criteria": {},
        "compared": None,
        "decisions": (),
    }
    gone["loads"] = loads_kept(view.loads, why)
    return gone | {"jobs_answer": None} if why == ROLLED_BACK else gone


def _changed(view: RunView, event: AnyEvent, at: float) -> dict[str, object]:
    """What an event changes that is not kept as it is."""
    match event:
        case RunStarted():
            begun = {"run": event.run, "mode": event.mode, "world": event.world or view.world}
            ended = {
                "paused": False,
                "stopped": "",
                "rehearsing": None,
                "comparing": None,
                "jobs_asked": None,
            }
            return {**begun, **ended, "started_at": view.started_at or at}
        case RunFinished():
            return {"finished": event.outcome, "finished_at": at, "detail": event.detail}
        case EngineStopped():
            return {"stopped": event.reason, "rehearsing": None, "comparing": None}
        case PauseChanged():
            return {"paused": event.paused}
        case ItemIntended(action="undo") if view.back_since is None:
            return {**_fold_item(view, event, at), "back_since": at}
        case ItemIntended() | ItemChanged():
            return _fold_item(view, event, at)
        case Downtime():
            return {"downtime": event, "downtime_before": _earlier_stretches(view, event)}
        case TableVerified(name=name):
            compared = view.verified_at | {name: at}
            return {"tables": view.tables | {name: event}, "verified_at": compared}
        case LoadTested():
            return {"loads": view.loads | {f"{event.api} {event.load}": event}}
        case Rehearsed():
            return {"rehearsals": (*view.rehearsals, event)[-REHEARSALS:], "rehearsing": None}
        case SidesCompared():
            return {"comparing": None, "compared": event}
        case JobsAsked():
            return {"jobs_asked": event if event.jobs else None}
        case JobsAnswered():
            return {"jobs_asked": None, "jobs_answer": event}
        case DecisionRecorded():
            return {"decisions": (*view.decisions, (at, event))}
        case Followed():
            answers = {"blocked": ""} if event.open else {}  # what the way back was blocked by
            return {"followed": event, "followed_at": at, **answers}
        case WayBackBlocked():
            return {"blocked": event.text}
        case SwitchedOver():
            return _switched(view, event, at)
        case CriterionMeasured():
            return {"criteria": view.criteria | {event.id: event}}
    return {}


def _switched(view: RunView, event: SwitchedOver, at: float) -> dict[str, object]:
    changes: dict[str, object] = {"switched": event, "switched_at": at, "panel": None, "conflicts": None}
    changes |= {"blocked": ""}
    if event.opened == "target":
        return changes | {"went_back": None, "back_since": None}
    back = WentBack(at - (view.back_since or at), event.carried, event.conflicts, event.given_up)
    return changes | {"went_back": back, "back_since": None}


def _earlier_stretches(view: RunView, event: Downtime) -> tuple[float, ...]:
    last = view.downtime
    if last is None or last.ended_at is None or last.started_at == event.started_at:
        return view.downtime_before
    return (*view.downtime_before, last.ended_at - last.started_at)


def _fold_item(view: RunView, event: ItemIntended | ItemChanged, at: float) -> dict[str, object]:
    before = view.item(event.item)
    changes: dict[str, object] = {}
    if isinstance(event, ItemIntended):
        acts = event.action in ("act", "undo")
        after = msgspec.structs.replace(
            before,
            attempts=event.attempt,
            touched=before.touched or acts,
            acting=acts or (before.acting and event.attempt == before.attempts),
        )
    else:
        ended = event.state is not ItemState.RUNNING
        worked = event.seconds if ended and before.acting else before.worked
        only_checked = event.state is ItemState.DONE and not before.acting and worked > 0
        after = ItemView(
            state=event.state,
            evidence=event.evidence,
            seconds=worked if only_checked else event.seconds,
            acting=before.acting and not ended,
            worked=0.0 if event.state is ItemState.UNDONE else worked,
            who=event.who,
            note=event.note,
            remedy=event.remedy,
            attempts=before.attempts,
            touched=before.touched and event.state is not ItemState.UNDONE,
            changed_at=at,
        )
        if event.state is ItemState.RUNNING:
            changes = {"finished": None, "finished_at": None, "detail": ""}
    return changes | {"items": view.items | {event.item: after}}


def fold_all(events: Iterable[Recorded], view: RunView | None = None) -> RunView:
    """The view after all these events."""
    view = view or RunView()
    for recorded in events:
        view = fold(view, recorded)
    return view
