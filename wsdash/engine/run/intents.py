"""Which intents are refused, and why: the rules of the plan as a person meets them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from wsdash.engine.run.decisions import REVIEW_DAY
from wsdash.engine.run.due import REHEARSE, STOP_REHEARSAL
from wsdash.errors import InputError
from wsdash.model import PAUSE_JOBS, REHEARSAL, Intent, ItemChanged, ItemKind, ItemState, Meaning
from wsdash.model.facts import KeepChoice
from wsdash.model.fold import RunView
from wsdash.model.run import GIVE_UP, OVERWRITE, ROLLBACK
from wsdash.plan import Item, Plan

SIDES = ("source", "target")
"""Whose row may stay, where both changed it."""

_NEED_ITEM = ("run-item", "retry", "confirm", "skip")
_KNOWN = (
    *_NEED_ITEM,
    "run-auto",
    "run-tests",
    "pause",
    "resume",
    "rollback",
    "restore",
    REHEARSE,
    STOP_REHEARSAL,
    PAUSE_JOBS,
    "stop",
    "ping",
)


def refusal(
    intent: Intent,
    plan: Plan,
    view: RunView,
    running: str,
    undoing: bool,
    waiting: frozenset[str] = frozenset(),
) -> str:
    """Why this intent cannot be followed now, or ''. undoing: a rollback is under way or stopped half-way.

    waiting: items that were ordered and have not ended: a key that is pressed twice orders once.
    """
    if intent.do not in _KNOWN:
        return f"there is no intent {intent.do!r}; use one of {', '.join(_KNOWN)}"
    if intent.do == "restore":
        return "a restore is a command of its own: stop the engine, then `wsdash restore FILE`"
    if intent.do == STOP_REHEARSAL and running != REHEARSAL:
        return "no rehearsal is running"
    if intent.do == PAUSE_JOBS:
        return _refuse_answer(intent, view)
    word = GIVE_UP if gives_up(intent) else ROLLBACK
    if intent.do == "rollback" and intent.phrase.strip().upper() != word:
        return f"this rollback wants the word {word} typed"
    if intent.do == "rollback" and undoing and running:
        return "the rollback is under way"
    if intent.do == "rollback" and (no := _refuse_keep(intent)):
        return no
    if intent.force and intent.phrase.strip().upper() != OVERWRITE:
        return f"writing over a target with foreign rows wants the word {OVERWRITE} typed"
    try:
        if intent.do == "run-auto":
            for key in ("until", "from"):
                if intent.options.get(key):
                    plan.item(str(intent.options[key]))
            return "a rollback is under way; roll back again to finish it first" if undoing else ""
        if intent.do == "run-tests":
            no = _refuse_tests(intent.options.get("names"), plan)
            ordered = not no and (tests := tests_of(intent, plan)) and waiting.issuperset(tests)
            return "these tests are about to run" if ordered else no
        if intent.do in _NEED_ITEM:
            no = _refuse_item(intent, plan.item(intent.item), view, running, undoing)
            ordered = not no and intent.do in ("run-item", "retry") and intent.item in waiting
            return f"{intent.item} is about to run" if ordered else no
    except InputError as error:
        return str(error)
    return ""


def tests_of(intent: Intent, plan: Plan) -> Sequence[str]:
    """The tests that run-tests asks for: those it names, or the automatic ones of its group."""
    names: Sequence[str] | None = intent.options.get("names")
    return names if names is not None else plan.automatic_tests(str(intent.options.get("group") or ""))


def gives_up(intent: Intent) -> bool:
    """Whether a rollback's intent gives up writes to the target that cannot be carried back."""
    return intent.options.get("give_up") is True


def kept(intent: Intent, before: KeepChoice | None = None) -> KeepChoice:
    """What a rollback's intent chose of rows that both sides changed.

    before: what an earlier one chose, which stays where this one says nothing: a person sees only so many
    conflicts at a time.
    """
    rows = intent.options.get("keep_rows")
    earlier = (before or {}).get("rows") or {}
    chosen = earlier | (rows if isinstance(rows, dict) else {})
    return KeepChoice(all=intent.options.get("keep") or "", rows=chosen)


def _refuse_keep(intent: Intent) -> str:
    chosen = kept(intent)
    if chosen["all"] not in ("", *SIDES) or not all(side in SIDES for side in chosen["rows"].values()):
        return f"of rows that both sides changed, keep wants {' or '.join(SIDES)}"
    return ""


def _refuse_answer(intent: Intent, view: RunView) -> str:
    if view.jobs_asked is None:
        return "nothing is asked about background jobs now"
    if not intent.who.strip():
        return "the answer wants the name of the person who gives it"
    return "" if isinstance(intent.options.get("pause"), bool) else "options pause wants true or false"


def _refuse_tests(names: object, plan: Plan) -> str:
    """Names of what may be tried again at any time: the automatic tests, and the load test."""
    if names is None:
        return ""
    known = [test.id for test in plan.tests if test.kind is ItemKind.AUTO]
    known += [load] if (load := plan.that(Meaning.LOADS_API)) else []
    if not isinstance(names, list) or not names or any(name not in known for name in names):
        return f"names wants a list of tests; use some of {', '.join(known)}"
    return ""


def _refuse_item(intent: Intent, item: Item, view: RunView, running: str, undoing: bool) -> str:
    state = view.item(item.id).state
    if item.id == running or state is ItemState.RUNNING:
        return f"{item.id} is running"
    lacking = [f"{need} ({view.item(need).state})" for need in item.needs if not _met(view, need)]
    match intent.do:
        case "skip":
            if not intent.who or not intent.note:
                return f"skipping {item.id} wants a name and a reason"
            return f"{item.id} is done" if state is ItemState.DONE and not undoing else ""
        case "confirm":
            if item.kind is ItemKind.AUTO and state is not ItemState.INSUFFICIENT:
                return f"{item.id} is automatic: run it, or skip it with a reason"
            if item.kind is ItemKind.AUTO and not intent.note:
                return f"vouching for {item.id}, of which too little was seen, wants a note that says how"
            if item.kind is ItemKind.WATCH:
                return f"{item.id} is measured over its time: wait for it, or skip it with a reason"
            if item.means(Meaning.DECIDES_DAY_7):
                return f"{item.id} is done by deciding Day {REVIEW_DAY}: press y, or use wsdash decide"
            if not intent.who:
                return f"confirming {item.id} wants a name"
        case _:
            if item.kind is not ItemKind.AUTO:
                return f"{item.id} is confirmed by a person, not run"
            if running:
                return f"{running} is running; wait for it, or pause"
    return f"{item.id} needs {', '.join(lacking)}" if lacking else ""


def _met(view: RunView, need: str) -> bool:
    return view.item(need).satisfied


def ticked(intent: Intent, view: RunView, undoing: bool) -> ItemChanged:
    """What a person's word, confirm or skip, makes of an item."""
    seen = view.item(intent.item)
    if intent.do == "skip" and undoing:
        state, evidence = ItemState.UNDONE, f"not taken back, left as it is by {intent.who}"
    elif intent.do == "skip":
        state, evidence = ItemState.SKIPPED, f"skipped by {intent.who}"
    elif intent.options.get("holds", True):
        state, evidence = ItemState.DONE, f"confirmed by {intent.who}"
        if seen.state is ItemState.INSUFFICIENT:
            note = f"{intent.note} (wsdash saw too little: {seen.evidence})"
            intent = msgspec.structs.replace(intent, note=note)
    else:
        state, evidence = ItemState.FAILED, f"does not hold, says {intent.who}"
    if intent.note:
        evidence += f": {intent.note}"
    return ItemChanged(intent.item, state, evidence, who=intent.who, note=intent.note)
