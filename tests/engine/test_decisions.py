"""Decisions and ticks: what is refused, and what is recorded of the evidence that the person saw."""

from __future__ import annotations

from typing import Any

import pytest

from wsdash.engine.decisions import decide
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

PLAN, SPEC = load_plan(), load_timeline()
JUDGED = TimelineJudged(
    1_000.0, tuple(DayFound(day.day, day.title, day.guide, "no-go", ()) for day in SPEC.days), {}
)


async def said(intent: Intent, judged: TimelineJudged = JUDGED) -> tuple[bool, str, list[AnyEvent]]:
    events: list[AnyEvent] = []

    async def record(event: AnyEvent) -> None:
        events.append(event)

    reply = await decide(intent, PLAN, SPEC, judged, record)
    return reply.ok, reply.text, events


def decision(**options: Any) -> Intent:
    return Intent("decide", who="Ana", note="calm", options={"day": 7, "go": True} | options)


@pytest.mark.parametrize("shown", [{}, {"recommendation": "no-go"}])
async def test_a_decision_keeps_what_the_evidence_said(shown: dict[str, str]) -> None:
    ok, _, events = await said(decision(**shown))
    assert ok
    assert events[0] == DecisionRecorded(7, True, "Ana", "calm", "no-go")
    assert isinstance(events[1], ItemChanged)
    assert events[1].item == "go-no-go"


async def test_a_decision_on_evidence_that_changed_meanwhile_is_refused() -> None:
    ok, text, events = await said(decision(recommendation="go"))
    assert (ok, events) == (False, [])
    assert "the evidence says no-go now, not go" in text


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (decision(day=5), "day 5 is not on the timeline"),
        (Intent("decide", note="calm", options={"day": 7}), "wants the name"),
        (Intent("decide", who="Ana", options={"day": 7, "go": True}), "wants a reason"),
        (Intent("confirm-criterion", "disk", "Ana"), "is measured"),
        (Intent("confirm-criterion", "nothing", "Ana"), "no criterion 'nothing'"),
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
