"""What a screen shows: one immutable ViewState, and the pure fold of journal events into it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wsdash.engine.journal.store import Heartbeat
from wsdash.model import (
    READINGS,
    REHEARSAL,
    AlertAcknowledged,
    AlertChanged,
    AlertSilenced,
    AlertUnsilenced,
    Branch,
    BranchesReading,
    ContainerReading,
    EngineStopped,
    Followed,
    GoNoGo,
    HostReading,
    ItemChanged,
    ItemIntended,
    ItemState,
    LatencyReading,
    MetricsReading,
    Notice,
    PortReading,
    Progress,
    Recorded,
    RehearsalProgress,
    RowsReading,
    RunStarted,
    SetupProgress,
    SourceState,
    TimelineJudged,
)
from wsdash.model.alert_board import AlertBoard, fold_alert
from wsdash.model.days import run_time as time_of_run
from wsdash.model.fold import RunView
from wsdash.model.fold import fold as fold_run
from wsdash.tui.limits import HOLE_SECONDS
from wsdash.tui.state.past import Past
from wsdash.tui.state.transfers import Transfer, advance, over_all

SAMPLES = 120
"""How many probes of a series are kept."""
NOTICES = 100
HOLE_FACTOR = 4.0
HOLE = "no readings"


class LatencySample(msgspec.Struct, frozen=True):
    """One probe: when, how long it took (None: it failed, or nobody probed), and the error."""

    at: float
    seconds: float | None
    error: str = ""


class SetupStage(msgspec.Struct, frozen=True):
    """One stage of the world's start-up: its newest word, and the count of stages when it began."""

    progress: SetupProgress
    began: int

    def finished(self, now: str) -> bool:
        """Whether it is over; `now` is the stage that was heard of last."""
        p = self.progress
        return not p.failed and (p.stage != now or p.done > self.began or p.done >= p.total)


class ViewState(msgspec.Struct, frozen=True):
    """Everything the panes render. Times are epoch seconds; dictionaries are never changed in place."""

    run: RunView = RunView()
    started: RunStarted | None = None
    doing: dict[str, str] = {}
    """Running item -> check, act, undo or confirm."""
    transfers: dict[str, dict[str, Transfer]] = {}
    """Item -> subject -> how far."""
    overall: dict[str, Transfer] = {}
    """Item -> how far with all subjects together that it works on in one manner."""
    setup: dict[str, SetupStage] = {}
    """Stages of the world's start-up, in the order in which they were first heard of."""
    setup_now: str = ""
    building: bool = False
    """The world is being set up, and no item can run yet."""
    containers: dict[str, ContainerReading] = {}
    rows: dict[str, RowsReading] = {}
    ports: dict[int, PortReading] = {}
    latency: dict[str, tuple[LatencySample, ...]] = {}
    metrics_missing: dict[str, str] = {}
    """Series that a source did not tell of at its newest reading -> why."""
    host: HostReading | None = None
    branches: tuple[Branch, ...] | None = None
    timeline: TimelineJudged | None = None
    """The days and the board as the engine judged them last; None: not yet."""
    """The new database's timelines; None while nobody listed them."""
    sources: dict[str, SourceState] = {}
    reported_at: dict[str, float] = {}
    """When each source's state was reported."""
    seen_at: dict[str, float] = {}
    """When each source of readings last gave one; latency has one entry a series."""
    alerts: dict[str, AlertChanged] = {}
    alerting: AlertBoard = AlertBoard()
    """The state of alerts, with who knows of them, and what is silenced."""
    notices: tuple[Recorded, ...] = ()
    stopped_at: float = 0.0
    last_at: float = 0.0
    """The time of the newest event."""
    heartbeat: Heartbeat | None = None
    """The engine's sign of life; set by the feed, not by events."""
    past: Past | None = None
    """The latencies' history; set by the feed, not by events. None: not read yet."""
    awaited: bool = False
    """This screen has just started an engine that has given no sign of life yet; set by the app."""
    feed: str = "waiting"
    """Where it comes from: waiting (no journal yet), journal, or observing (this process polls by itself)."""
    trouble: str = ""
    """Why nothing (more) comes, '' when all is well."""
    unwritten: str = ""
    """Why an engine that lives writes no journal; '' where it does, or does not live. Set by the feed."""

    @property
    def seq(self) -> int:
        """The newest folded event's place in the journal."""
        return self.run.seq

    @property
    def running(self) -> str:
        """The id of the item that runs now, or ''."""
        for item, look in self.run.items.items():
            if look.state is ItemState.RUNNING:
                return item
        return ""


def fold(view: ViewState, recorded: Recorded) -> ViewState:
    """The view after one more event. An event that was folded already (by its seq) changes nothing.

    Events with seq 0 come from no journal (a monitor's own observations) and are always folded.
    """
    if 0 < recorded.seq <= view.seq:
        return view
    seq = max(view.seq, recorded.seq)
    event = recorded.event
    changes: dict[str, object]
    if isinstance(event, READINGS):
        run = fold_run(view.run, recorded) if isinstance(event, Followed | GoNoGo) else view.run
        changes = _reading(view, recorded) | {"run": msgspec.structs.replace(run, seq=seq)}
    else:
        run = fold_run(view.run, recorded)
        changes = _history(view, recorded) | {"run": msgspec.structs.replace(run, seq=seq)}
    return msgspec.structs.replace(view, last_at=max(view.last_at, recorded.at), **changes)


def fold_all(events: Iterable[Recorded], view: ViewState | None = None) -> ViewState:
    """The view after all these events."""
    state = view or ViewState()
    for recorded in events:
        state = fold(state, recorded)
    return state


def run_time(view: ViewState, machine: float) -> float:
    """The run's time (epoch seconds) when the machine's is `machine`."""
    beat = view.heartbeat
    flowing = not view.stopped_at and beat is not None and not beat.gone(machine)
    return time_of_run(view.run.passing, machine, view.last_at, flowing=flowing)


def in_run_time(view: ViewState, machine: float) -> ViewState:
    """The view with its engine's sign of life, which is given in the machine's time, in the run's."""
    if view.run.passing is None or view.heartbeat is None:
        return view
    age = machine - view.heartbeat.at
    beat = msgspec.structs.replace(view.heartbeat, at=run_time(view, machine) - age)
    return msgspec.structs.replace(view, heartbeat=beat)


def machine_seconds(view: ViewState, seconds: float) -> float:
    """Seconds of the run in the machine's: how long somebody who looks has waited."""
    return (
        seconds / view.run.passing.scale
        if view.run.passing is not None and view.run.passing.scale
        else seconds
    )


def _history(view: ViewState, recorded: Recorded) -> dict[str, object]:
    match recorded.event:
        case RunStarted() as event:
            return {"started": event, "stopped_at": 0.0, "doing": {}, "building": False}
        case EngineStopped():
            return {"stopped_at": recorded.at}
        case SetupProgress() as event:
            return _stage(view, event)
        case ItemIntended(item=item, action=action):
            begun = {name: all_of for name, all_of in view.transfers.items() if name != item}
            overall = {name: one for name, one in view.overall.items() if name != item}
            return {"doing": view.doing | {item: action}, "transfers": begun, "overall": overall}
        case ItemChanged(item=item, state=state) if state is not ItemState.RUNNING:
            return {"doing": {name: action for name, action in view.doing.items() if name != item}}
        case AlertChanged() as event if event.raised:
            name = event.alert or event.rule
            return {"alerts": view.alerts | {name: event}, "alerting": fold_alert(view.alerting, recorded)}
        case AlertChanged() as event:
            ended = event.alert or event.rule
            left = {name: alert for name, alert in view.alerts.items() if name != ended}
            return {"alerts": left, "alerting": fold_alert(view.alerting, recorded)}
        case AlertAcknowledged() | AlertSilenced() | AlertUnsilenced():
            return {"alerting": fold_alert(view.alerting, recorded)}
        case RehearsalProgress():
            others = {name: one for name, one in view.transfers.items() if name != REHEARSAL}
            return {"transfers": others}
        case Notice():
            return {"notices": (*view.notices, recorded)[-NOTICES:]}
    return {}


def _reading(view: ViewState, recorded: Recorded) -> dict[str, object]:
    at = recorded.at
    match recorded.event:
        case ContainerReading() as event:
            return {"containers": view.containers | {event.name: event}} | _seen(view, "containers", at)
        case TimelineJudged() as event:
            return {"timeline": event} | _seen(view, "timeline", at)
        case RowsReading() as event:
            return {"rows": view.rows | {event.table: event}} | _seen(view, "rows", at)
        case PortReading() as event:
            return {"ports": view.ports | {event.port: event}} | _seen(view, "ports", at)
        case HostReading() as event:
            return {"host": event} | _seen(view, "host", at)
        case BranchesReading() as event:
            return {"branches": event.branches} | _seen(view, "branches", at)
        case LatencyReading() as event:
            samples = _append(
                view.latency.get(event.series, ()), LatencySample(at, event.seconds, event.error)
            )
            return {"latency": view.latency | {event.series: samples}} | _seen(
                view, f"latency:{event.series}", at
            )
        case MetricsReading() as event:
            others = {name: why for name, why in view.metrics_missing.items() if name not in event.values}
            return {"metrics_missing": others | event.missing} | _seen(view, event.source, at)
        case SourceState() as event:
            reported = view.reported_at | {event.source: at}
            return {"sources": view.sources | {event.source: event}, "reported_at": reported}
        case Progress() as event:
            subjects = view.transfers.get(event.item, {})
            subjects = subjects | {event.subject: advance(subjects.get(event.subject), event, at)}
            together = over_all(event, subjects.values())
            overall = view.overall
            if together is not None:
                overall = overall | {event.item: advance(overall.get(event.item), together, at)}
            return {"transfers": view.transfers | {event.item: subjects}, "overall": overall}
    return {}


def _stage(view: ViewState, event: SetupProgress) -> dict[str, object]:
    known = view.setup.get(event.stage)
    again = known is None or known.progress.failed or event.done < known.began
    stage = SetupStage(event, event.done if again or known is None else known.began)
    open_ended = event.failed or event.done < event.total
    return {"setup": view.setup | {event.stage: stage}, "setup_now": event.stage, "building": open_ended}


def _seen(view: ViewState, source: str, at: float) -> dict[str, object]:
    return {"seen_at": view.seen_at | {source: at}}


def _append(samples: tuple[LatencySample, ...], new: LatencySample) -> tuple[LatencySample, ...]:
    if len(samples) >= 2:
        usual = max(samples[-1].at - samples[-2].at, 0.0)
        if new.at - samples[-1].at > max(HOLE_SECONDS, HOLE_FACTOR * usual):
            samples = (*samples, LatencySample(new.at, None, HOLE))
    return (*samples, new)[-SAMPLES:]
