"""The timeline: every day's criteria, its recommendation, and the board, computed from stored evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from wsdash.config import Thresholds
from wsdash.model import CriterionFound, DayFound, TimelineJudged
from wsdash.timeline.evidence import DAY, SampleEvidence, Slice
from wsdash.timeline.measures import find
from wsdash.timeline.spec import CriterionSpec, DaySpec, TimelineSpec
from wsdash.timeline.story import Story
from wsdash.timeline.windows import Window

Judge = Callable[[CriterionSpec, float | None], CriterionFound]

WATCHED = "latency:api-new"
"""Whoever watches, watches this."""
GO, NO_GO, INSUFFICIENT = "go", "no-go", "insufficient-data"


def judge(
    spec: TimelineSpec, story: Story, evidence: SampleEvidence | None, thresholds: Thresholds, now: float
) -> TimelineJudged:
    """The whole timeline at `now` (epoch seconds). evidence: None when no samples were ever recorded."""
    begun = story.migrated_at
    last = spec.days[-1].day
    until = None if begun is None else max(min(now, begun + last * DAY), begun + 60.0)

    def one(criterion: CriterionSpec, end: float | None) -> CriterionFound:
        window = (
            Window(begun, end, spec.coverage, spec.longest_hole, thresholds, now)
            if begun is not None and end is not None
            else None
        )
        return find(criterion, story, evidence, window)

    days = tuple(_day(spec, day, begun, one) for day in spec.days)
    board = {
        name: tuple(one(spec.criterion(criterion), until) for criterion in criteria)
        for name, criteria in spec.board.items()
    }
    return TimelineJudged(begun, days, board)


def recommend(criteria: Iterable[CriterionFound]) -> str:
    """no-go when one does not hold; insufficient-data when one is unknown; else go."""
    answers = [criterion.holds for criterion in criteria]
    if False in answers:
        return NO_GO
    return INSUFFICIENT if None in answers or not answers else GO


def _day(spec: TimelineSpec, day: DaySpec, begun: float | None, one: Judge) -> DayFound:
    due = None if begun is None else begun + day.day * DAY
    criteria = tuple(one(spec.criterion(name), due) for name in spec.criteria_of(day))
    return DayFound(day.day, day.title, day.guide, recommend(criteria), criteria, due)


def calm_day(spec: TimelineSpec, story: Story, evidence: SampleEvidence, now: float) -> str:
    """The evidence for 24 hours, ending now, that were watched and held no alert of weight; '' if not so."""
    begin = now - DAY
    if story.migrated_at is None or begin < story.migrated_at:
        return ""
    loud = [
        span
        for span in story.alerts
        if span.severity != "info" and span.begun < now and (span.ended is None or span.ended > begin)
    ]
    series, window = evidence.matching(WATCHED), Slice(begin, now)
    covered = evidence.coverage(series, window)
    if loud or covered < spec.coverage or evidence.hole(series, window) > spec.longest_hole:
        return ""
    since = datetime.fromtimestamp(begin, UTC).strftime("%Y-%m-%d %H:%M")
    return f"24 hours since {since} UTC without an alert, {covered:.0%} of the minutes watched"
