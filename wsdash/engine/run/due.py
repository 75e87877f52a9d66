"""What of the plan is due: the next item of "run all that is automatic", and why there is none.

Also whether a rehearsal may begin, and what all items come to: the outcome of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wsdash.engine.outlook import IN_DOWNTIME
from wsdash.model import Intent, ItemKind, ItemState, Meaning, Outcome, Phase
from wsdash.model.fold import RunView
from wsdash.model.run import MOST_ROUNDS
from wsdash.plan import Item, Plan


@dataclass
class AutoRun:
    """What "run all that is automatic" means this time. again: done items that are to be proven again."""

    yes: bool = False
    until: str = ""
    from_item: str = ""
    force: bool = False
    phrase: str = ""
    again: set[str] = field(default_factory=set)

    @classmethod
    def asked(cls, intent: Intent) -> AutoRun:
        """As an operator asked for it."""
        options = intent.options
        return cls(
            yes=bool(options.get("yes")),
            until=str(options.get("until") or ""),
            from_item=str(options.get("from") or ""),
            force=intent.force,
            phrase=intent.phrase,
        )


@dataclass(frozen=True)
class Order:
    """One item that an operator asked for by name, with what was typed for it."""

    item: Item
    force: bool = False
    phrase: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Halt:
    """Why nothing is due. finished: all that was asked is done; people: items that wait for a person only."""

    finished: bool
    text: str
    people: tuple[str, ...] = ()


def due(plan: Plan, view: RunView, auto: AutoRun) -> Iterator[Item]:
    """The items that can run now, in the plan's order."""
    for item in _unfinished(plan, view, auto):
        if (item.kind is ItemKind.AUTO or auto.yes) and not _lacks(view, item):
            yield item


def halted(plan: Plan, view: RunView, auto: AutoRun) -> Halt:
    """Why nothing is due, once nothing is."""
    unfinished = _unfinished(plan, view, auto)
    if not unfinished:
        return Halt(True, f"up to {auto.until}, as asked" if auto.until else "")
    people = tuple(one.id for one in unfinished if one.kind is not ItemKind.AUTO and not _lacks(view, one))
    if people:
        reason = f"{', '.join(people)} wait for a person: confirm in `wsdash`, or add --yes"
        return Halt(False, reason, people)
    blocked = unfinished[0]
    lacking = ", ".join(f"{need} ({view.item(need).state})" for need in _lacks(view, blocked))
    return Halt(False, f"{blocked.id} needs {lacking}")


def _unfinished(plan: Plan, view: RunView, auto: AutoRun) -> list[Item]:
    return [
        item
        for item in _window(plan, auto)
        if not view.item(item.id).satisfied or (item.id in auto.again and item.kind is ItemKind.AUTO)
    ]


def _window(plan: Plan, auto: AutoRun) -> list[Item]:
    items = [item for item in plan.items if item.phase is not Phase.POST]
    names = [item.id for item in items]
    first = names.index(auto.from_item) if auto.from_item in names else 0
    last = names.index(auto.until) + 1 if auto.until in names else len(names)
    return items[first:last]


def _lacks(view: RunView, item: Item) -> list[str]:
    return [need for need in item.needs if not view.item(need).satisfied]


def below(plan: Plan, item: Item) -> set[str]:
    """Everything that the item needs, and what that needs: ids."""
    found: set[str] = set()
    waiting = list(item.needs)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += plan.item(name).needs
    return found


def to_undo(plan: Plan, view: RunView) -> list[Item]:
    """What a rollback takes back, in its order: automatic items that were begun, the last one first."""
    begun = (ItemState.DONE, ItemState.FAILED, ItemState.RUNNING)
    return [
        item
        for item in reversed(plan.items)
        if item.kind is ItemKind.AUTO and (view.item(item.id).state in begun or view.item(item.id).touched)
    ]


def done_already(plan: Plan, view: RunView, item: str, first: str, last: str) -> bool:
    """Whether a run from `first` to `last` ('' for all) would not carry out this item."""
    names = [one.id for one in plan.items]
    if item not in names:
        return False
    place = names.index(item)
    after = bool(last) and place > names.index(last)
    before = bool(first) and place < names.index(first)
    return after or before or (not first and view.item(item).satisfied)


def restore_refusal(plan: Plan, view: RunView) -> str:
    """Why a backup named for a rollback would restore nothing, or '' where it will."""
    fence = plan.that(Meaning.STOPS_OLD) or plan.that(Meaning.CLOSES_SOURCE)
    if any(item.id == fence for item in to_undo(plan, view)):
        return ""
    return (
        f"this rollback would restore nothing: {fence} is {view.item(fence).state}, so the old service "
        "is not started by it"
    )


def opened(view: RunView, plan: Plan) -> bool:
    """Users may have written to the new service in this migration: the item that opens it was begun, or a
    person said that it is done or may be passed over, and that was not taken back."""
    look = view.item(plan.that(Meaning.OPENS_TARGET))
    return look.touched or look.satisfied


def outcome(view: RunView, plan: Plan) -> Outcome:
    """The outcome of the run: migrated when every pre and migration item is done or skipped."""
    if view.finished is Outcome.ROLLED_BACK:
        return Outcome.ROLLED_BACK
    counted = [view.item(item.id) for item in plan.items if item.phase is not Phase.POST]
    if any(look.state is ItemState.FAILED for look in counted):
        return Outcome.FAILED
    if all(look.satisfied for look in counted):
        return Outcome.MIGRATED
    return Outcome.INCOMPLETE


REHEARSE = "rehearse"
STOP_REHEARSAL = "stop-rehearsal"
"""The two intents."""
_BEGUN = (ItemState.RUNNING, ItemState.DONE, ItemState.SKIPPED)


def refusal(view: RunView, running: str, undoing: bool, rounds: object) -> str:
    """Why no rehearsal can begin now, or ''."""
    if not isinstance(rounds, int) or not 1 <= rounds <= MOST_ROUNDS:
        return f"a rehearsal has 1 to {MOST_ROUNDS} rounds"
    if running:
        return f"{running} is running; wait for it"
    if undoing:
        return "a rollback is under way; roll back again to finish it first"
    for name in IN_DOWNTIME:
        look = view.item(name)
        if look.state in _BEGUN or look.touched:
            return f"the migration has begun ({name} is {look.state}); a rehearsal is for before it"
    return ""
