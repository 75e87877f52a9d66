"""The outcome of the run: what its items come to."""

from __future__ import annotations

from wsdash.model import ItemState, Meaning, Outcome, Phase
from wsdash.model.fold import RunView
from wsdash.plan import Plan


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
