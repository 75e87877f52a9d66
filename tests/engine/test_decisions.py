"""Decisions and ticks: what is refused, and what is recorded of the evidence that the person saw."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from wsdash.engine.run.decisions import AGAINST, decide
from wsdash.model import (
    AnyEvent,
    CriterionConfirmed,
    DayFound,
    DecisionRecorded,
    Intent,
    ItemChanged,
    TimelineJudged,
)
from wsdash.plan import load_plan
from wsdash.timeline.spec import load_timeline

DAY = 86_400.0
BEGAN = 1_000.0
PLAN, SPEC = load_plan(), load_timeline()
BEFORE_7 = (0, 1, 3)


def judged(says: str = "go") -> TimelineJudged:
    days = tuple(
        DayFound(day.day, day.title, day.guide, says, (), BEGAN + day.day * DAY) for day in SPEC.days
    )
    return TimelineJudged(BEGAN, days, {})


async def said(
    intent: Intent, says: str = "go", *, day: float = 7.0, decided: Collection[int] = BEFORE_7
) -> tuple[bool, str, list[AnyEvent]]:
    events: list[AnyEvent] = []

    async def record(event: AnyEvent) -> None:
        events.append(event)

    now = BEGAN + day * DAY
    reply = await decide(intent, PLAN, SPEC, judged(says), record, decided=decided, now=now)
    return reply.ok, reply.text, events


def decision(phrase: str = "", **options: Any) -> Intent:
    return Intent("decide", who="Ana", note="calm", phrase=phrase, options={"day": 7, "go": True} | options)


@pytest.mark.parametrize("shown", [{}, {"recommendation": "go"}])
async def test_a_decision_keeps_what_the_evidence_said(shown: dict[str, str]) -> None:
    ok, _, events = await said(decision(**shown))
    assert ok
    assert events[0] == DecisionRecorded(7, True, "Ana", "calm", "go")
    assert isinstance(events[1], ItemChanged)
    assert events[1].item == "go-no-go"


async def test_a_decision_on_evidence_that_changed_meanwhile_is_refused() -> None:
    ok, text, events = await said(decision(recommendation="go"), "no-go")
    assert (ok, events) == (False, [])
    assert "the evidence says no-go now, not go" in text


@pytest.mark.parametrize(
    ("intent", "says", "day", "decided", "words"),
    [
        (decision(), "go", 6.99, BEFORE_7, "Day 7 has not come yet, it is due 1970-01-08 00:16 UTC"),
        (decision(day=14), "go", 0.01, (), "Day 0, Day 1, Day 3, Day 7 are not decided"),
        (decision(day=14), "go", 14.0, BEFORE_7, "Day 7 is not decided"),
        (decision(), "no-go", 7.0, BEFORE_7, "you say go, the evidence says no-go"),
        (decision(), "insufficient-data", 7.0, BEFORE_7, "the evidence says insufficient-data"),
        (decision(go=False), "go", 7.0, BEFORE_7, "you say no-go, the evidence says go"),
    ],
)
async def test_early_or_against_the_evidence_is_only_decided_by_the_typed_word(
    intent: Intent, says: str, day: float, decided: Collection[int], words: str
) -> None:
    for phrase in ("", "against", "yes", f"{AGAINST}!"):
        typed = decision(phrase, **intent.options)
        ok, text, events = await said(typed, says, day=day, decided=decided)
        assert (ok, events) == (False, [])
        assert words in text
        assert f"the word {AGAINST} must be typed" in text
    ok, text, events = await said(decision(AGAINST, **intent.options), says, day=day, decided=decided)
    assert ok
    made = events[0]
    assert isinstance(made, DecisionRecorded)
    assert words in "; ".join(made.despite)
    assert "decided all the same" in text


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (decision(day=5), "day 5 is not on the timeline"),
        (decision(day="7"), "is not on the timeline"),
        (decision(day=True), "is not on the timeline"),
        (decision(go="false"), "wants true or false"),
        (decision(go=None), "wants true or false"),
        (Intent("decide", note="calm", options={"day": 7}), "wants the name"),
        (Intent("decide", who="Ana", options={"day": 7, "go": True}), "wants a reason"),
        (Intent("confirm-criterion", "disk", "Ana"), "is measured"),
        (Intent("confirm-criterion", "nothing", "Ana"), "no criterion 'nothing'"),
        (Intent("confirm-criterion", "rollback-tested", "Ana", options={"holds": "no"}), "true or false"),
    ],
)
async def test_what_cannot_be_decided_is_refused_in_words(intent: Intent, words: str) -> None:
    ok, text, events = await said(intent)
    assert (ok, events) == (False, [])
    assert words in text


@pytest.mark.parametrize("holds", [True, False])
async def test_a_persons_tick_holds_or_does_not(holds: bool) -> None:
    intent = Intent("confirm-criterion", "rollback-tested", "Ana", "twice", options={"holds": holds})
    _, _, events = await said(intent)
    assert events == [CriterionConfirmed("rollback-tested", holds, "Ana", "twice")]
