"""What people decide and confirm of the fourteen days: which of it is refused, and what is recorded.

The rules are here alone: screen, command line and control socket all come through `decide`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from wsdash.config import load_settings
from wsdash.engine.journal.writer import Journal
from wsdash.engine.operator.launch import planned_mode
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    AnyEvent,
    CriterionConfirmed,
    DayFound,
    DecisionRecorded,
    Intent,
    ItemChanged,
    ItemState,
    Meaning,
    Reply,
    TimelineJudged,
)
from wsdash.plan import Plan, load_plan
from wsdash.timeline.evidence import SampleEvidence
from wsdash.timeline.judge import judge
from wsdash.timeline.spec import PERSON, TimelineSpec, load_timeline
from wsdash.timeline.story import fold_story

DECIDE, CONFIRM = "decide", "confirm-criterion"
AGAINST = "AGAINST"
"""What must be typed to decide early, or against the evidence."""
REVIEW_DAY = 7
"""The checklist's review is held when Day 7 is decided."""

Record = Callable[[AnyEvent], Awaitable[None]]


def objections(
    judged: TimelineJudged, day: DayFound, go: bool, decided: Collection[int], now: float
) -> tuple[str, ...]:
    """What speaks against deciding this day so now, for people; () when nothing does. Pure.

    decided: days of the present migration that have a decision. now: the run's time, epoch seconds.
    """
    found = []
    if day.at is None or now < day.at:
        when = "" if day.at is None else f", it is due {_when(day.at)}"
        found.append(f"Day {day.day} has not come yet{when}")
    open_days = [f"Day {one.day}" for one in judged.days if one.day < day.day and one.day not in decided]
    if open_days:
        found.append(f"{', '.join(open_days)} {'is' if len(open_days) == 1 else 'are'} not decided")
    word = "go" if go else "no-go"
    if word != day.recommendation:
        found.append(f"you say {word}, the evidence says {day.recommendation}")
    return tuple(found)


async def decide(
    intent: Intent,
    plan: Plan,
    spec: TimelineSpec,
    judged: TimelineJudged,
    record: Record,
    *,
    decided: Collection[int],
    now: float,
) -> Reply:
    """Record a decision (options day, go; who; note is the why) or a person's tick (item, options holds).

    options recommendation: what the person was shown; a decision is refused when the evidence changed since.
    phrase: AGAINST where something speaks against it. decided, now: as for `objections`.
    """
    who, why = intent.who.strip(), intent.note.strip()
    if not who:
        return Reply(False, "it wants the name of the person who says so")
    if judged.migrated_at is None:
        return Reply(False, "there is no migration now: there is nothing to decide on")
    try:
        if intent.do == CONFIRM:
            return await _confirm(intent, spec, who, why, record)
        day = spec.day(_number(intent.options.get("day")))
    except InputError as error:
        return Reply(False, f"{error.what}; {error.remedy}")
    found = next(found for found in judged.days if found.day == day.day)
    go = intent.options.get("go")
    if not isinstance(go, bool):
        return Reply(False, "a decision is go or no-go: options go wants true or false")
    despite = objections(judged, found, go, decided, now)
    refusal = _refusal(intent, found, why, despite)
    if refusal:
        return Reply(False, refusal)
    return await _decided(
        DecisionRecorded(day.day, go, who, why, found.recommendation, despite), plan, record
    )


def _refusal(intent: Intent, found: DayFound, why: str, despite: tuple[str, ...]) -> str:
    if not why:
        return "a decision wants a reason"
    shown = intent.options.get("recommendation", found.recommendation)
    if shown != found.recommendation:
        return f"the evidence says {found.recommendation} now, not {shown}: look again, then decide"
    if despite and intent.phrase.strip() != AGAINST:
        return f"{'; '.join(despite)}: to decide all the same, the word {AGAINST} must be typed"
    return ""


async def _decided(made: DecisionRecorded, plan: Plan, record: Record) -> Reply:
    await record(made)
    word = "go" if made.go else "no-go"
    text = f"Day {made.day}: {word} by {made.who}: {made.why} (the evidence says {made.recommendation})"
    if made.despite:
        text += f"; decided all the same: {'; '.join(made.despite)}"
    review = plan.that(Meaning.DECIDES_DAY_7)
    if made.day == REVIEW_DAY and review:
        await record(ItemChanged(review, ItemState.DONE, text, who=made.who, note=made.why))
    return Reply(True, text)


async def _confirm(intent: Intent, spec: TimelineSpec, who: str, note: str, record: Record) -> Reply:
    criterion = spec.criterion(intent.item)
    if criterion.measure != PERSON:
        return Reply(False, f"{criterion.id} is measured, nobody needs to say so")
    holds = intent.options.get("holds", True)
    if not isinstance(holds, bool):
        return Reply(False, "a criterion holds or it does not: options holds wants true or false")
    await record(CriterionConfirmed(criterion.id, holds, who, note))
    return Reply(True, f"{criterion.title}: {'yes' if holds else 'no'}, says {who}")


def _number(value: object) -> int:
    """A day's number; -1, which no timeline has, for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def decide_at_rest(state: Path, config: Path | None, intent: Intent) -> Reply:
    """The same with no engine alive; the caller holds the operator's lock. Raises InputError."""
    spec, settings = load_timeline(config), load_settings(config)
    plan = load_plan(config).in_mode(await asyncio.to_thread(planned_mode, state, settings))
    journal = await asyncio.to_thread(Journal.open, state)
    history = HistoryReader(state / FILE)
    try:
        story = fold_story(await journal.history(), plan)
        now = journal.clock.time()
        evidence = SampleEvidence(history, now)
        judged = await asyncio.to_thread(judge, spec, story, evidence, settings.thresholds, now)

        async def record(event: AnyEvent) -> None:
            await journal.record(event)

        return await decide(intent, plan, spec, judged, record, decided=story.decided, now=now)
    finally:
        history.close()
        await journal.close()
