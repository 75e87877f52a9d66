"""The state of a run out of its journal, for a process that did not follow it: what is done, who asked for
what, and how each container was when an engine last saw it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from wsdash.config import Settings
from wsdash.engine.journal.reader import JournalReader, NotBegunError
from wsdash.engine.run.duty import REHEARSES, SHUTDOWN, ManualActions
from wsdash.model import (
    ContainerAsked,
    ContainerReading,
    ItemChanged,
    ItemIntended,
    ItemState,
    Recorded,
    RehearsalProgress,
    Rehearsed,
    RunStarted,
    StepId,
)
from wsdash.model.fold import ItemView, RunView, fold
from wsdash.watch.pollers.containers import LastSeen

AT_WORK = {
    StepId.STOP_OLD: f"item {StepId.STOP_OLD}",
    StepId.START_STACK: f"item {StepId.START_STACK}",
    SHUTDOWN: f"the test {SHUTDOWN}",
}
"""Items that stop or start containers, in words."""


class RunAtRest:
    """The run in `state` while no engine lives: nothing of it is under way, whatever was begun.

    now: the run's time, epoch seconds. `refresh` reads the file and blocks; the rest is memory. Until it was
    called, and where there is no run, view is None.
    """

    def __init__(self, state: Path, now: Callable[[], float]) -> None:
        self.view: RunView | None = None
        self.asked = ManualActions(now)
        self.state = state
        self._reader: JournalReader | None = None
        self._seen = 0

    def refresh(self) -> None:
        """Take in what is new. Raises InputError for a journal that cannot be read."""
        if self._reader is None:
            try:
                self._reader = JournalReader(self.state)
            except NotBegunError:
                return
        if not self._reader.changed():
            return
        view = self.view or RunView()
        for recorded in self._reader.history():
            if recorded.seq > self._seen:
                view = fold(view, recorded)
                self.asked.see(recorded)
                self._seen = recorded.seq
        items = {name: _left(item) for name, item in view.items.items()}
        self.view = msgspec.structs.replace(view, items=items, rehearsing=None, comparing=None)

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _left(item: ItemView) -> ItemView:
    running = item.state is ItemState.RUNNING
    return msgspec.structs.replace(item, state=ItemState.PENDING) if running else item


def last_seen(state: Path, settings: Settings) -> dict[str, LastSeen]:
    """Each container of the settings as an engine last read it, with who had it stopped or started since.

    Raises InputError for a journal that cannot be read. Blocking.
    """
    try:
        reader = JournalReader(state)
    except NotBegunError:
        return {}
    try:
        newest, history = reader.newest("container:"), reader.history()
    finally:
        reader.close()
    stack = settings.stack
    ours = {stack.apps.old_service, *stack.apps.containers, *stack.workspace.containers}
    return {
        recorded.event.name: LastSeen(
            recorded.event, asked_since(history, settings, recorded.event.name, recorded.at)
        )
        for recorded in newest
        if isinstance(recorded.event, ContainerReading) and recorded.event.name in ours
    }


def asked_since(history: Iterable[Recorded], settings: Settings, name: str, since: float) -> str:
    """Who had the container stopped or started at that time (epoch seconds) or later; '' for nobody.

    What an engine had begun when it died counts as well: it may have had its effect.
    """
    under_way: dict[str, str] = {}
    asked = ""
    for recorded in history:
        if isinstance(recorded.event, RunStarted) and recorded.at < since:
            under_way.clear()
        what, who, goes_on = _word(recorded, settings, name)
        if not what:
            continue
        if recorded.at >= since:
            asked = who
        if goes_on:
            under_way[what] = who
        else:
            under_way.pop(what, None)
    return asked or next(iter(under_way.values()), "")


def _word(recorded: Recorded, settings: Settings, name: str) -> tuple[str, str, bool]:
    """What stops or starts the container, in whose name, and whether it goes on; '' for anything else."""
    stack = settings.stack
    workspace = name in stack.workspace.containers
    match recorded.event:
        case ContainerAsked() as event if event.name == name:
            return "by hand", event.who, not event.done
        case ItemIntended(item=item, action="act" | "undo") if _works_on(item, name, settings):
            return item, AT_WORK[item], True
        case ItemChanged(item=item) as event if _works_on(item, name, settings):
            return item, AT_WORK[item], event.state is ItemState.RUNNING
        case RehearsalProgress() if workspace:
            return REHEARSES, REHEARSES, True
        case Rehearsed() if workspace:
            return REHEARSES, REHEARSES, False
    return "", "", False


def _works_on(item: str, name: str, settings: Settings) -> bool:
    stack = settings.stack
    if item == StepId.STOP_OLD:
        return name == stack.apps.old_service
    return item in AT_WORK and name in stack.workspace.containers
