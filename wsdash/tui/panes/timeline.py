"""The fourteen days and the board of success criteria as lines; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from textual.content import Content

from wsdash.model import CriterionFound, DayFound, TimelineJudged
from wsdash.tui.looks import BAD, DIM, GOOD, TITLE, WARN, Look, age
from wsdash.tui.panes.base import Frame, Lines, cell, row, status
from wsdash.tui.viewstate import ViewState

HOLDS = {
    True: Look("✓", "holds", GOOD),
    False: Look("✗", "fails", BAD),
    None: Look("?", "unknown", WARN),
}
ADVICE = {
    "go": Look("✓", "go", GOOD),
    "no-go": Look("✗", "no-go", BAD),
    "insufficient-data": Look("?", "insufficient data", WARN),
}
SOON = Look("·", "to come", DIM)
NAME = 30


def draw_timeline(view: ViewState, frame: Frame) -> Lines:
    """Where the run stands, each day with its criteria, decisions, and the board."""
    judged = view.timeline
    if judged is None:
        return [Content.styled("timeline: waiting for the engine to judge it", DIM)]
    if judged.migrated_at is None:
        lines = [Content.styled("The days begin when the migration has ended.", DIM), Content("")]
    else:
        lines = [_standing(judged, view, frame), Content("")]
    for day in judged.days:
        lines += [*_day(day, view, frame), Content("")]
    lines.append(Content.styled("Success criteria", TITLE))
    for name, criteria in judged.board.items():
        lines.append(Content.styled(name, DIM))
        lines += _criteria(criteria, frame.width)
    return lines


def _standing(judged: TimelineJudged, view: ViewState, frame: Frame) -> Content:
    assert judged.migrated_at is not None
    gone = (frame.now - judged.migrated_at) / 86_400
    told = view.seen_at.get("timeline")
    old = f", judged {age(frame.now - told)} ago" if told is not None else ""
    passing = view.passing
    standin = f" · fortnight {passing.fortnight}, readings of a stand-in" if passing is not None else ""
    return Content.assemble((f"Day {gone:.1f}", TITLE), f" since {_when(judged.migrated_at)}{old}{standin}")


def _day(day: DayFound, view: ViewState, frame: Frame) -> Lines:
    reached = day.at is not None and frame.now >= day.at
    failing = any(criterion.holds is False for criterion in day.criteria)
    advice = ADVICE.get(day.recommendation, SOON) if reached or failing else SOON
    due = f"  {_when(day.at)}" if day.at is not None else ""
    lines = [
        Content.assemble(
            (f"Day {day.day:<3}{day.title:<16}", TITLE), (f"{advice.glyph} {advice.word}", advice.style), due
        ).truncate(frame.width, ellipsis=True),
        Content.styled(f"  {day.guide}", DIM).truncate(frame.width, ellipsis=True),
    ]
    for at, made in view.decisions:
        if made.day == day.day:
            look = ADVICE["go" if made.go else "no-go"]
            said = f" by {made.who}, {_when(at)}: {made.why}"
            line = Content.assemble("  decided ", (look.word, look.style), said)
            lines.append(line.truncate(frame.width, ellipsis=True))
    return lines + _criteria(day.criteria, frame.width)


def _criteria(criteria: Sequence[CriterionFound], width: int) -> Lines:
    lines = []
    for found in criteria:
        name = found.title or found.id
        watched = f"{found.coverage:.0%} watched" if found.coverage is not None else ""
        detail = " · ".join(part for part in (found.measured, watched) if part)
        line = row(Content(" "), status(HOLDS[found.holds], 9), cell(name, NAME), Content.styled(detail, DIM))
        lines.append(line.truncate(width, ellipsis=True))
    return lines


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%b %d %H:%M UTC")
