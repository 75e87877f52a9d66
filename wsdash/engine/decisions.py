"""What people decide and confirm of the fourteen days: which of it is refused, and what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from wsdash.config import load_settings
from wsdash.engine.journal import Journal
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    AnyEvent,
    CriterionConfirmed,
    DecisionRecorded,
    Intent,
    ItemChanged,
    ItemState,
    Reply,
    TimelineJudged,
)
from wsdash.plan import Plan, load_plan
from wsdash.timeline.evidence import Evidence
from wsdash.timeline.judge import judge
from wsdash.timeline.spec import PERSON, TimelineSpec, load_timeline
from wsdash.timeline.story import fold_story

DECIDE, CONFIRM = "decide", "confirm-criterion"
REVIEW_ITEM, REVIEW_DAY = "go-no-go", 7
"""The checklist's review is held when Day 7 is decided."""

Record = Callable[[AnyEvent], Awaitable[None]]


async def decide(
    intent: Intent, plan: Plan, spec: TimelineSpec, judged: TimelineJudged, record: Record
) -> Reply:
    """Record a decision (options day, go; who; note is the why) or a person's tick (item, options holds).

    options recommendation: what the person was shown; a decision is refused when the evidence changed since.
    """
    who, why = intent.who.strip(), intent.note.strip()
    if not who:
        return Reply(False, "it wants the name of the person who says so")
    if judged.migrated_at is None:
        return Reply(False, "the migration has not ended: there is nothing to decide on yet")
    try:
        if intent.do == CONFIRM:
            return await _confirm(intent, spec, who, why, record)
        reply = await _decide(intent, spec, judged, who, why, record)
    except InputError as error:
        return Reply(False, f"{error.what}; {error.remedy}")
    reviewed = reply.ok and intent.options["day"] == REVIEW_DAY
    if reviewed and any(item.id == REVIEW_ITEM for item in plan.items):
        await record(ItemChanged(REVIEW_ITEM, ItemState.DONE, reply.text, who=who, note=why))
    return reply


async def _decide(
    intent: Intent, spec: TimelineSpec, judged: TimelineJudged, who: str, why: str, record: Record
) -> Reply:
    if not why:
        return Reply(False, "a decision wants a reason")
    day = spec.day(int(intent.options.get("day", -1)))
    go = bool(intent.options.get("go"))
    found = next(found for found in judged.days if found.day == day.day)
    shown = intent.options.get("recommendation", found.recommendation)
    if shown != found.recommendation:
        return Reply(
            False, f"the evidence says {found.recommendation} now, not {shown}: look again, then decide"
        )
    await record(DecisionRecorded(day.day, go, who, why, found.recommendation))
    word = "go" if go else "no-go"
    text = f"Day {day.day}: {word} by {who}: {why} (the evidence says {found.recommendation})"
    return Reply(True, text)


async def _confirm(intent: Intent, spec: TimelineSpec, who: str, note: str, record: Record) -> Reply:
    criterion = spec.criterion(intent.item)
    if criterion.measure != PERSON:
        return Reply(False, f"{criterion.id} is measured, nobody needs to say so")
    holds = bool(intent.options.get("holds", True))
    await record(CriterionConfirmed(criterion.id, holds, who, note))
    return Reply(True, f"{criterion.title}: {'yes' if holds else 'no'}, says {who}")


async def decide_at_rest(state: Path, config: Path | None, intent: Intent) -> Reply:
    """The same with no engine alive; the caller holds the operator's lock. Raises InputError."""
    plan, spec, settings = load_plan(config), load_timeline(config), load_settings(config)
    journal = await asyncio.to_thread(Journal.open, state)
    history = HistoryReader(state / FILE)
    try:
        story = fold_story(await journal.history(), plan)
        now = journal.clock.time()
        evidence = Evidence(history, now)
        judged = await asyncio.to_thread(judge, spec, story, evidence, settings.thresholds, now)

        async def record(event: AnyEvent) -> None:
            await journal.record(event)

        return await decide(intent, plan, spec, judged, record)
    finally:
        history.close()
        await journal.close()
