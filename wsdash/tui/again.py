"""What running a done item again may lead to: what a person must know before choosing it. Pure."""

from __future__ import annotations

from wsdash.engine.run.due import below
from wsdash.model import ItemKind, ItemState, Phase, StepId
from wsdash.model.migration import COPIES
from wsdash.plan import Item, Plan
from wsdash.tui.viewstate import ViewState

_ACTS: dict[str, str] = {
    StepId.BACKUP: "another backup is taken and proven; the file that is there stays",
    StepId.NEON_IMAGE: "the image is built, which takes a while",
    StepId.PORTS_FREE: "it fails: wsdash frees no port",
    StepId.STOP_OLD: "the old service is stopped: nobody can write until the new one serves",
    StepId.START_STACK: "the new stack is started",
    StepId.INIT_NEON: "the schema is made in the target",
    COPIES: "the rows are copied again; what was verified, tested and decided since counts for nothing then",
    StepId.VERIFY_DATA: "both sides are read whole and compared again",
    StepId.TEST_API: "test items are written through the new API, and removed",
    StepId.UPDATE_DASHBOARDS: "the monitoring's files are written again",
    StepId.BENCHMARKS: "the new API is put under load again",
    StepId.BRANCHING: "a branch is made, written to and removed",
    StepId.UPDATE_DOCS: "the report is written again",
}


def consequences(plan: Plan, view: ViewState, item: Item) -> list[str]:
    """Sentences, in the order in which it would happen, for an automatic item that is done."""
    lines = []
    if item.phase is Phase.MIGRATION:
        needed = below(plan, item)
        stands_on = [one.id for one in plan.items if one.id in needed and _read_again(one, view)]
        if stands_on:
            lines.append(f"First what it depends on is read again: {', '.join(stands_on)}.")
            back = [one.id for one in plan.items if _may_be_set_back(plan, one, stands_on, view)]
            lines.append(
                f"If one of them no longer holds, it is set back with all that depends on it, and done again "
                f"as far as {item.id} needs it. That can set back: {', '.join(back)}."
            )
    lines.append(f"Then {item.id} is read again. Where it still holds, nothing is done.")
    lines.append(f"Where it does not: {_ACTS.get(item.id, 'it is carried out again')}.")
    return lines


def _read_again(item: Item, view: ViewState) -> bool:
    return item.rechecked and view.run.item(item.id).state is ItemState.DONE


def _may_be_set_back(plan: Plan, item: Item, broken: list[str], view: ViewState) -> bool:
    if item.kind is not ItemKind.AUTO or view.run.item(item.id).state is not ItemState.DONE:
        return False
    return item.id in broken or (item.phase is Phase.MIGRATION and bool(below(plan, item) & set(broken)))
