"""What the timeline needs of the journal: a pure fold of its history."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wsdash.model import (
    AlertChanged,
    CriterionConfirmed,
    DecisionRecorded,
    ItemChanged,
    ItemState,
    Phase,
    Recorded,
    RunFinished,
    TableVerified,
    TimePassing,
)
from wsdash.plan import Plan

SATISFIED = (ItemState.DONE, ItemState.SKIPPED)


class AlertSpan(msgspec.Struct, frozen=True):
    """One alert from its beginning to its end (None: it goes on). Times: epoch seconds."""

    rule: str
    since: float
    until: float | None
    worst: str
    severity: str = ""


class Story(msgspec.Struct, frozen=True):
    """The run as the timeline sees it. migrated_at: when the last item of the migration was done."""

    started_at: float | None = None
    migrated_at: float | None = None
    last_at: float = 0.0
    items: dict[str, ItemChanged] = {}
    done_at: dict[str, float] = {}
    tables: dict[str, TableVerified] = {}
    alerts: tuple[AlertSpan, ...] = ()
    ticks: dict[str, CriterionConfirmed] = {}
    decisions: tuple[tuple[float, DecisionRecorded], ...] = ()
    passing: TimePassing | None = None

    def state(self, item: str) -> ItemState:
        """Where an item stands."""
        return self.items[item].state if item in self.items else ItemState.PENDING

    def decision(self, day: int) -> tuple[float, DecisionRecorded] | None:
        """The newest decision of that day, with its time."""
        return next(((at, made) for at, made in reversed(self.decisions) if made.day == day), None)


def fold_story(events: Iterable[Recorded], plan: Plan, story: Story | None = None) -> Story:
    """The story after these events, in their order. Readings are ignored."""
    told = story or Story()
    counted = tuple(item.id for item in plan.items if item.phase is not Phase.POST)
    for recorded in events:
        changes: dict[str, object] = {"last_at": max(told.last_at, recorded.at)}
        if told.started_at is None:
            changes["started_at"] = recorded.at
        match recorded.event:
            case ItemChanged() as event:
                changes |= _item(told, event, recorded.at, counted)
            case TableVerified() as event:
                changes["tables"] = told.tables | {event.name: event}
            case AlertChanged() as event:
                changes["alerts"] = _alert(told.alerts, event, recorded.at)
            case CriterionConfirmed() as event:
                changes["ticks"] = told.ticks | {event.id: event}
            case DecisionRecorded() as event:
                changes["decisions"] = (*told.decisions, (recorded.at, event))
            case TimePassing() as event:
                changes["passing"] = event
            case RunFinished() | _:
                pass
        told = msgspec.structs.replace(told, **changes)
    return told


def _item(told: Story, event: ItemChanged, at: float, counted: tuple[str, ...]) -> dict[str, object]:
    items = told.items | {event.item: event}
    changes: dict[str, object] = {"items": items}
    if event.state is ItemState.DONE:
        changes["done_at"] = told.done_at | {event.item: at}
    if event.item not in counted:
        return changes
    if event.state is ItemState.UNDONE:  # rolled back: whatever follows is another migration
        changes |= {"migrated_at": None, "tables": {}}
    elif told.migrated_at is None and all(
        name in items and items[name].state in SATISFIED for name in counted
    ):
        changes["migrated_at"] = at
    return changes


def _alert(spans: tuple[AlertSpan, ...], event: AlertChanged, at: float) -> tuple[AlertSpan, ...]:
    going = next((n for n, span in enumerate(spans) if span.rule == event.rule and span.until is None), None)
    if event.raised:
        severity = str(getattr(event, "severity", ""))
        if going is None:
            return (*spans, AlertSpan(event.rule, event.since, None, event.text, severity))
        worse = msgspec.structs.replace(spans[going], worst=event.text)
        return (*spans[:going], worse, *spans[going + 1 :])
    if going is None:
        return spans
    ended = msgspec.structs.replace(spans[going], until=max(at, spans[going].since))
    return (*spans[:going], ended, *spans[going + 1 :])
