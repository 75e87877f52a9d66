"""What should run follows from the state of the run: the old service until it is stopped, the new stack from
its start on, and who is restarting something by hand in between. So does which errors are nobody's fault."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from wsdash.config import Settings
from wsdash.engine.limits import GRACE_SECONDS
from wsdash.model import SATISFIED, ContainerAsked, ItemState, Meaning, Recorded, RunStarted
from wsdash.model.fold import RunView
from wsdash.plan import Plan
from wsdash.watch.board import containers_of_series
from wsdash.watch.sources import Duties, Duty

SHUTDOWN = "test-shutdown"
REHEARSES = "the rehearsal"


class ManualActions:
    """Who is having which container stopped or started by hand. now: the run's time, epoch seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by: dict[str, tuple[str, float | None]] = {}

    def begin(self, name: str, who: str) -> None:
        """Somebody's word on a container is taking effect."""
        self._by[name] = (who, None)

    def end(self, name: str) -> None:
        """It took effect, or failed."""
        if name in self._by:
            self._by[name] = (self._by[name][0], self._now())

    def see(self, recorded: Recorded) -> None:
        """Take an earlier word from the journal; what a dead engine had begun is over with the next one."""
        event = recorded.event
        if isinstance(event, ContainerAsked):
            self._by[event.name] = (event.who, recorded.at if event.done else None)
        elif isinstance(event, RunStarted):
            self._by = {name: (who, ended or recorded.at) for name, (who, ended) in self._by.items()}

    def by(self, name: str) -> str:
        """Who asked, while it takes effect and for GRACE_SECONDS after; else ''."""
        who, ended = self._by.get(name, ("", None))
        return who if who and (ended is None or self._now() - ended <= GRACE_SECONDS) else ""


def duties(
    settings: Settings, plan: Plan, view: Callable[[], RunView | None], asked: ManualActions
) -> Duties:
    """The duty of every container of the settings, by the run's state at each call; unknown ones of others.

    view: None where there is no run; then nothing is known of any container.
    """
    old, workspace = settings.stack.apps.old_service, frozenset(settings.stack.workspace.containers)
    # plans of before items said so have it stopped by the item that closes the source
    stops = plan.that(Meaning.STOPS_OLD) or plan.that(Meaning.CLOSES_SOURCE)
    starts = plan.that(Meaning.STARTS_TARGET)
    apps = frozenset(settings.stack.apps.containers) - {old}
    series = containers_of_series(settings)
    # the API's health check asks for tables, and its database writes each refusal down as an error
    want_tables = {series.get("api-new"), series.get("target-db")} & workspace

    switch = plan.that(Meaning.OPENS_TARGET)
    online = bool(switch) and switch == plan.that(Meaning.CLOSES_SOURCE)

    def duty(name: str) -> Duty:
        run = view()
        if run is None:
            return Duty()
        found = plain(name, run)
        if not online:
            return found
        if name == series.get("api-new") and found.runs and run.item(switch).state not in SATISFIED:
            found = replace(found, runs=False, why=f"{name} refuses everybody until item {switch} is done")
        until = 0.0
        if name in want_tables:
            until = _over_at(run, switch)
        elif name in (old, series.get("source-db")) and _begun(run, switch):
            until = _over_at(run, stops)
        return replace(found, blameless_until=max(found.blameless_until, until))

    def plain(name: str, run: RunView) -> Duty:
        who = asked.by(name)
        if name == old:
            if run.item(stops).state is ItemState.SKIPPED:
                return Duty(None, "", who)  # whether it runs is the affair of who passed its stop over
            stopped = _begun(run, stops)
            why = f"{old} is stopped by item {stops}" if stopped else ""
            if run.item(stops).state is ItemState.RUNNING:  # stopped, or brought back by a rollback
                who = who or f"item {stops}"
            return Duty(not stopped, why, who)
        if name in workspace:
            if not who:
                who = _at_work(run, asked, workspace)
            in_vain = _tables_made_at(run, plan) if name in want_tables else 0.0
            if run.item(starts).state is ItemState.RUNNING:
                return Duty(False, f"item {starts} is starting {name}", who, in_vain)
            if not _begun(run, starts) and run.item(starts).state is not ItemState.SKIPPED:
                return Duty(False, f"{name} is started by item {starts}", who, in_vain)
            return Duty(True, "", who, in_vain)
        return Duty(True, "", who) if name in apps else Duty(None, "", who)

    return duty


def _over_at(run: RunView, item: str) -> float:
    """When the item was done, in epoch seconds; infinity before: a closed side writes each refusal down as an
    error."""
    look = run.item(item)
    return look.changed_at if look.state in SATISFIED else math.inf


def _begun(run: RunView, item: str) -> bool:
    """The item ran, perhaps in part, and not taken back since."""
    look = run.item(item)
    return bool(item) and (look.touched or look.state in (ItemState.DONE, ItemState.RUNNING))


def _tables_made_at(run: RunView, plan: Plan) -> float:
    """When the tables of the new database were made, in epoch seconds; infinity before. 0 where this run does
    not make them: on a stack that is only watched every error counts."""
    made = run.item(plan.that(Meaning.MAKES_TABLES))
    if made.state in SATISFIED:
        return made.changed_at
    before = (Meaning.CLOSES_SOURCE, Meaning.STARTS_TARGET)
    under_way = run.rehearsing is not None or any(_begun(run, plan.that(one)) for one in before)
    return math.inf if under_way else 0.0


def _at_work(run: RunView, asked: ManualActions, workspace: frozenset[str]) -> str:
    """What of wsdash's own stops and starts the new stack at this moment, or ''."""
    if run.rehearsing is not None:
        who = REHEARSES
    elif run.item(SHUTDOWN).state is ItemState.RUNNING:
        who = f"the test {SHUTDOWN}"
    else:
        return ""
    for name in workspace:
        asked.begin(name, who)
        asked.end(name)  # its grace counts from the last time that it was seen at work
    return who
