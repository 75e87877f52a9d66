"""What the timeline needs of the journal: a pure fold of its history."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wsdash.model import (
    COPIES,
    READINGS,
    ROLLED_BACK,
    AlertChanged,
    BackupTaken,
    ContainerRestarted,
    CriterionConfirmed,
    DecisionRecorded,
    ItemChanged,
    Phase,
    Recorded,
    ended_by,
)
from wsdash.model.alert_board import AlertBoard, AlertSpan, fold_alert
from wsdash.model.fold import ItemView, RunView, fold
from wsdash.plan import Plan

ALL = 1_000_000
Decisions = tuple[tuple[float, DecisionRecorded], ...]


class FormerMigration(msgspec.Struct, frozen=True):
    """A migration that was rolled back, with what people said of it; times are epoch seconds.

    migrated_at: None when it never came to its end.
    """

    migrated_at: float | None
    ended_at: float
    why: str
    ticks: dict[str, CriterionConfirmed] = {}
    decisions: Decisions = ()


class Story(msgspec.Struct, frozen=True):
    """The run as the timeline sees it. migrated_at: when the last item of the migration was done.

    All but the alerts is about the present migration: items, proofs, ticks and decisions of earlier
    ones count for nothing and are kept in `former`, oldest first.
    """

    run: RunView = RunView()
    forgotten: frozenset[str] = frozenset()
    """Items and tests that were about an earlier migration, and did not run again since."""
    started_at: float | None = None
    migrated_at: float | None = None
    last_at: float = 0.0
    backup: BackupTaken | None = None
    """That of this migration."""
    alert_board: AlertBoard = AlertBoard()
    ticks: dict[str, CriterionConfirmed] = {}
    restarts: tuple[tuple[float, ContainerRestarted], ...] = ()
    """Every restart that was seen, with its time."""
    former: tuple[FormerMigration, ...] = ()
    tests: tuple[str, ...] = ()
    """Ids of the testing checklist's lines."""

    def item(self, item: str) -> ItemView:
        """An item as it is in this migration."""
        return ItemView() if item in self.forgotten else self.run.item(item)

    @property
    def decisions(self) -> Decisions:
        """Every decision of this migration, with its time."""
        return self.run.decisions

    @property
    def alerts(self) -> tuple[AlertSpan, ...]:
        """Every alert, ended and raised."""
        return (*self.alert_board.ended, *self.alert_board.raised.values())

    @property
    def decided(self) -> frozenset[int]:
        """The days that have a decision."""
        return frozenset(made.day for _, made in self.decisions)

    def decision(self, day: int) -> tuple[float, DecisionRecorded] | None:
        """The newest decision of that day, with its time."""
        return next(((at, made) for at, made in reversed(self.decisions) if made.day == day), None)


def fold_story(events: Iterable[Recorded], plan: Plan, story: Story | None = None) -> Story:
    """The story after these events, in their order. Readings are ignored."""
    folded = story or Story(tests=tuple(test.id for test in plan.tests))
    for recorded in events:
        why = ended_by(recorded.event)
        if why:
            folded = _ended(folded, plan, why, recorded)
        changes: dict[str, object] = {"last_at": max(folded.last_at, recorded.at)}
        if folded.started_at is None:
            changes["started_at"] = recorded.at
        if not isinstance(recorded.event, READINGS):
            changes["run"] = fold(folded.run, recorded)
        match recorded.event:
            case ItemChanged() as event:
                changes["forgotten"] = folded.forgotten - {event.item}
            case BackupTaken() as event:
                changes["backup"] = event
            case AlertChanged():
                changes["alert_board"] = fold_alert(folded.alert_board, recorded, keep=ALL)
            case ContainerRestarted() as event:
                changes["restarts"] = (*folded.restarts, (recorded.at, event))
            case CriterionConfirmed() as event:
                changes["ticks"] = folded.ticks | {event.id: event}
        folded = msgspec.structs.replace(folded, **changes)
        if isinstance(recorded.event, ItemChanged) and folded.migrated_at is None and _migrated(folded, plan):
            folded = msgspec.structs.replace(folded, migrated_at=recorded.at)
    return folded


def after_copying(plan: Plan) -> tuple[str, ...]:
    """Items and tests that say something of the copied rows: those after the copy, in the plan's order."""
    names = [item.id for item in plan.everything]
    return tuple(names[names.index(COPIES) + 1 :]) if COPIES in names else ()


def _ended(folded: Story, plan: Plan, why: str, recorded: Recorded) -> Story:
    """The story without what was decided and proven of the migration that ended just now."""
    fresh = msgspec.structs.replace(
        folded,
        migrated_at=None,
        forgotten=folded.forgotten | frozenset(after_copying(plan)),
        ticks={},
    )
    if why == ROLLED_BACK:  # the next migration takes a backup of its own
        fresh = msgspec.structs.replace(fresh, backup=None)
    if folded.migrated_at is None and not (folded.ticks or folded.decisions):
        return fresh
    former = FormerMigration(folded.migrated_at, recorded.at, why, folded.ticks, folded.decisions)
    return msgspec.structs.replace(fresh, former=(*folded.former, former))


def _migrated(folded: Story, plan: Plan) -> bool:
    return all(folded.item(item.id).satisfied for item in plan.items if item.phase is not Phase.POST)
