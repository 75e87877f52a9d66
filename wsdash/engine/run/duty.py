"""What should run follows from where the run stands: the old service until it is stopped, the new stack from
its start on, and who is restarting something by hand in between."""

from __future__ import annotations

from collections.abc import Callable

from wsdash.config import Settings
from wsdash.engine.run.fold import RunView
from wsdash.model import ItemState, Meaning
from wsdash.plan import Plan
from wsdash.watch.duty import Duties, Duty

SHUTDOWN = "test-shutdown"
REHEARSES = "the rehearsal"
GRACE_SECONDS = 60.0
"""A container that was asked to start anew answers again that long after at the latest."""


class Asked:
    """Who is having which container stopped or started by hand. now: the run's time, epoch seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by: dict[str, tuple[str, float | None]] = {}

    def begin(self, name: str, who: str) -> None:
        """Somebody's word on a container is being carried out."""
        self._by[name] = (who, None)

    def end(self, name: str) -> None:
        """It was carried out, or failed."""
        if name in self._by:
            self._by[name] = (self._by[name][0], self._now())

    def by(self, name: str) -> str:
        """Who asked, while it is carried out and for GRACE_SECONDS after; else ''."""
        who, ended = self._by.get(name, ("", None))
        return who if who and (ended is None or self._now() - ended <= GRACE_SECONDS) else ""


def duties(settings: Settings, plan: Plan, view: Callable[[], RunView], asked: Asked) -> Duties:
    """The duty of every container of the settings, as the run stands at each call; unknown ones of others."""
    old, workspace = settings.stack.apps.old_service, frozenset(settings.stack.workspace.containers)
    stops, starts = plan.that(Meaning.CLOSES_SOURCE), plan.that(Meaning.STARTS_TARGET)
    apps = frozenset(settings.stack.apps.containers) - {old}

    def duty(name: str) -> Duty:
        run = view()
        who = asked.by(name)
        if name == old:
            if run.item(stops).state is ItemState.SKIPPED:
                return Duty(None, "", who)  # whether it runs is the affair of who passed its stop over
            stopped = _begun(run, stops)
            why = f"{old} is stopped by item {stops}" if stopped else ""
            return Duty(not stopped, why, who)
        if name in workspace:
            if not who:
                who = _at_work(run, asked, workspace)
            if run.item(starts).state is ItemState.RUNNING:
                return Duty(False, f"item {starts} is starting {name}", who)
            if not _begun(run, starts) and run.item(starts).state is not ItemState.SKIPPED:
                return Duty(False, f"{name} is started by item {starts}", who)
            return Duty(True, "", who)
        return Duty(True, "", who) if name in apps else Duty(None, "", who)

    return duty


def _begun(run: RunView, item: str) -> bool:
    """The item was carried out, perhaps in part, and not taken back since."""
    look = run.item(item)
    return bool(item) and (look.touched or look.state in (ItemState.DONE, ItemState.RUNNING))


def _at_work(run: RunView, asked: Asked, workspace: frozenset[str]) -> str:
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
