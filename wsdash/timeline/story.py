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
    TableVerified,
    TimePassing,
)
from wsdash.model.standing import AlertBoard, AlertSpan, fold_alert
from wsdash.plan import Plan

ALL = 1_000_000
SATISFIED = (ItemState.DONE, ItemState.SKIPPED)


class Story(msgspec.Struct, frozen=True):
    """The run as the timeline sees it. migrated_at: when the last item of the migration was done."""

    started_at: float | None = None
    migrated_at: float | None = None
    last_at: float = 0.0
    items: dict[str, ItemChanged] = {}
    done_at: dict[str, float] = {}
    tables: dict[str, TableVerified] = {}
    alert_board: AlertBoard = AlertBoard()
    ticks: dict[str, CriterionConfirmed] = {}
    decisions: tuple[tuple[float, DecisionRecorded], ...] = ()
    passing: TimePassing | None = None

    def state(self, item: str) -> ItemState:
        """Where an item stands."""
        return self.items[item].state if item in self.items else ItemState.PENDING

    @property
    def alerts(self) -> tuple[AlertSpan, ...]:
        """Every alert, ended and raised."""
        return (*self.alert_board.ended, *self.alert_board.raised.values())

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
            case AlertChanged():
                changes["alert_board"] = fold_alert(told.alert_board, recorded, keep=ALL)
            case CriterionConfirmed() as event:
                changes["ticks"] = told.ticks | {event.id: event}
            case DecisionRecorded() as event:
                changes["decisions"] = (*told.decisions, (recorded.at, event))
            case TimePassing() as event:
                changes["passing"] = event
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
