"""What a person must know before running a done item again, and before a rollback. Pure.

A rollback's stages are shown in their order and with their numbers, before the word is typed.
"""

from __future__ import annotations

from wsdash.engine.run.due import below, to_undo
from wsdash.model import ItemKind, ItemState, Mode, Phase, StepId
from wsdash.model.fold import ANSWERED
from wsdash.model.run import COPIES
from wsdash.plan import Item, Plan
from wsdash.tui.drawn.looks import age, count, size
from wsdash.tui.state.viewstate import ViewState

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
    lines.append(f"Where it does not: {_ACTS.get(item.id, 'it runs again')}.")
    return lines


def _read_again(item: Item, view: ViewState) -> bool:
    return item.rechecked and view.run.item(item.id).state is ItemState.DONE


def _may_be_set_back(plan: Plan, item: Item, broken: list[str], view: ViewState) -> bool:
    if item.kind is not ItemKind.AUTO or view.run.item(item.id).state is not ItemState.DONE:
        return False
    return item.id in broken or (item.phase is Phase.MIGRATION and bool(below(plan, item) & set(broken)))


_KEPT: dict[str, str] = {
    StepId.UPDATE_DOCS: "the report that was written stays",
    StepId.BRANCHING: "nothing to take back: its branch is gone already",
    StepId.BENCHMARKS: "what was measured no longer counts",
    StepId.UPDATE_DASHBOARDS: "the files stay",
    StepId.TEST_API: "test items that are left are removed",
    StepId.VERIFY_DATA: "the comparison no longer counts",
    StepId.INIT_NEON: "the schema stays in the new database",
    StepId.START_STACK: "the new stack is stopped; its data stays on the disk",
    StepId.SWITCH: "writers are refused for a moment, the last changes follow, the old database takes writes",
    StepId.CAPTURE: "taken off; after a switch it stays on, so that going forward again needs no new copy",
    StepId.CATCH_UP: "changes are no longer applied",
    StepId.STOP_OLD: "the old service is started, and proven to serve",
    StepId.PORTS_FREE: "nothing to take back",
    StepId.NEON_IMAGE: "the image stays",
}


def rollback_lines(plan: Plan, view: ViewState, now: float) -> list[str]:
    """What will happen, a sentence a line. now: epoch seconds."""
    run = view.run
    lines = [f"This run: {run.run} on {run.world}.", *_written_since(view, now), ""]
    steps = []
    if view.running:
        steps.append(f"{view.running} is interrupted")
    if people := _people(plan, view):
        steps.append(f"what people said no longer counts: {', '.join(people)}")
    steps += [f"{item.id}: {_happens(item, view)}" for item in to_undo(plan, run)]
    if not steps:
        steps.append("nothing: no item has changed anything yet")
    lines.append("In this order:")
    lines += [f"{number:>3}. {step}" for number, step in enumerate(steps, 1)]
    last = "Then the old service serves as before. The source's own rows are not touched."
    if _target_takes_writes(view):
        last = "Then the old service serves with all that users wrote meanwhile, carried row by row by key."
    lines += ["", last]
    return lines


def _target_takes_writes(view: ViewState) -> bool:
    """Whether an online switch was finished, and not taken back since."""
    if view.run.switched is None:
        return view.run.item(StepId.SWITCH).state is ItemState.DONE
    return view.run.switched.opened == "target"


def _happens(item: Item, view: ViewState) -> str:
    if item.id == StepId.SWITCH and not _target_takes_writes(view):
        return "was not finished: the old database takes writes, or takes them again"
    if item.id == "backup":
        return _backup(view)
    if item.id == COPIES and view.run.mode == Mode.ONLINE:
        return "the rows stay in the new database"
    if item.id == COPIES:
        return "rows that the copy did not write are kept in a file beside the backups; nothing is deleted"
    return _KEPT.get(item.id, "is taken back")


def _backup(view: ViewState) -> str:
    backup = view.run.backup
    if backup is None:
        return "what was saved stays"
    rows = f"{count(sum(backup.rows.values()))} rows, {size(backup.bytes)}"
    proven = "restored once to prove it" if backup.restore_proven else "NOT proven by a restore"
    return f"KEPT: {backup.path} ({rows}, {proven})"


def _people(plan: Plan, view: ViewState) -> list[str]:
    """Items of people that the rollback takes back, as engine/run/recorder.py does."""
    found = []
    for item in plan.everything:
        state = view.run.item(item.id).state
        if item.kind is not ItemKind.AUTO and state in ANSWERED:
            found.append(item.id)
        elif state is ItemState.SKIPPED:
            found.append(f"{item.id} (skipped)")
    return found


def _written_since(view: ViewState, now: float) -> list[str]:
    """What becomes of rows that the new service took since the switch, as far as both sides are counted."""
    if view.run.item(COPIES).state is not ItemState.DONE or view.run.mode == Mode.ONLINE:
        return []
    fate = "They are kept in a file; the old service does not get them back by itself."
    compared = {name: table for name, table in view.run.tables.items() if name in view.rows}
    more = {}
    estimated = False
    for name, table in compared.items():
        target = view.rows[name].target
        if target is not None and target != table.target_rows:
            more[name.rpartition(".")[2]] = target - table.target_rows
            estimated = estimated or view.rows[name].estimated
    if not compared:
        return [f"How many rows the new service took since the switch is not known. {fate}"]
    seen = view.seen_at.get("rows")
    old = f", counted {age(now - seen)} ago" if seen is not None else ""
    if not more:
        return [f"Since the comparison the number of rows in the new database has not changed{old}."]
    counts = ", ".join(
        f"{name} {'+' if by > 0 else '−'}{'~' if estimated else ''}{count(abs(by))}"
        for name, by in more.items()
    )
    return [f"Rows since the switch in the new database: {counts}{old}. {fate}"]
