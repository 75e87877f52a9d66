"""What running a done item again may lead to: what a person must know before choosing it. Pure."""

from __future__ import annotations

from wsdash.engine.run.due import below
from wsdash.model import ItemKind, ItemState, Phase
from wsdash.model.migration import COPIES
from wsdash.plan import Item, Plan
from wsdash.tui.viewstate import ViewState

_READ_AGAIN = ("stop-old", "start-stack", "init-neon", COPIES)
"""Items whose steps are Standing: read again before a later item acts."""
_ACTS = {
    "backup": "another backup is taken and proven; the file that is there stays",
    "neon-image": "the image is built, which takes a while",
    "ports-free": "it fails: wsdash frees no port",
    "stop-old": "the old service is stopped: nobody can write until the new one serves",
    "start-stack": "the new stack is started",
    "init-neon": "the schema is made in the target",
    COPIES: "the rows are copied again; what was verified, tested and decided since counts for nothing then",
    "verify-data": "both sides are read whole and compared again",
    "test-api": "test items are written through the new API, and removed",
    "update-dashboards": "the monitoring's files are written again",
    "benchmarks": "the new API is put under load again",
    "branching": "a branch is made, written to and removed",
    "update-docs": "the report is written again",
}


def consequences(plan: Plan, view: ViewState, item: Item) -> list[str]:
    """Sentences, in the order in which it would happen, for an automatic item that is done."""
    lines = []
    if item.phase is Phase.MIGRATION:
        needed = below(plan, item)
        stands_on = [one.id for one in plan.items if one.id in needed and _read_again(one, view)]
        if stands_on:
            lines.append(f"First what it stands on is read again: {', '.join(stands_on)}.")
            back = [one.id for one in plan.items if _may_be_set_back(plan, one, stands_on, view)]
            lines.append(
                f"If one of them no longer holds, it is set back with all that stands on it, and done again "
                f"as far as {item.id} needs it. That can set back: {', '.join(back)}."
            )
    lines.append(f"Then {item.id} is read again. Where it still holds, nothing is done.")
    lines.append(f"Where it does not: {_ACTS.get(item.id, 'it is carried out again')}.")
    return lines


def _read_again(item: Item, view: ViewState) -> bool:
    return item.id in _READ_AGAIN and view.run.item(item.id).state is ItemState.DONE


def _may_be_set_back(plan: Plan, item: Item, broken: list[str], view: ViewState) -> bool:
    if item.kind is not ItemKind.AUTO or view.run.item(item.id).state is not ItemState.DONE:
        return False
    return item.id in broken or (item.phase is Phase.MIGRATION and bool(below(plan, item) & set(broken)))
