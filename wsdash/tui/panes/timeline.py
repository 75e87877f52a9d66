"""The fourteen days and the board of success criteria as lines; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content

from wsdash.model import CriterionFound, DayFound, TimelineJudged
from wsdash.tui.looks import BAD, DIM, GOOD, TITLE, WARN, Look, age, when, zone
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
NOT_DUE = Look("·", "not due", DIM)
SOON = Look("·", "to come", DIM)
NAME = 30
CHOSEN = "on $primary-muted 60%"


class Ask(NamedTuple):
    """What a person can be asked: to decide a day (criterion ''), or to judge a criterion that only a person
    can. place: the heading it is under, a day or a list of the board."""

    place: str
    criterion: str = ""


AskedLines = list[tuple[Ask | None, Content]]
"""Lines, each with what choosing it asks."""


def asks(view: ViewState) -> list[Ask]:
    """All that can be asked, in the order in which it is shown; nothing before the migration ended."""
    judged = view.timeline
    if judged is None or judged.migrated_at is None:
        return []
    found = []
    for day in judged.days:
        found += [Ask(str(day.day)), *(Ask(str(day.day), c.id) for c in day.criteria if c.person)]
    for name, criteria in judged.board.items():
        found += [Ask(name, c.id) for c in criteria if c.person]
    return found


def day_due(view: ViewState, now: float) -> DayFound | None:
    """The first day that has come and that nobody decided; None when there is none."""
    days = view.timeline.days if view.timeline is not None else ()
    decided = {made.day for _, made in view.run.decisions}
    waiting = (day for day in days if day.at is not None and day.at <= now and day.day not in decided)
    return next(waiting, None)


def draw_timeline(view: ViewState, frame: Frame) -> Lines:
    """The state of the run, each day with its criteria, decisions, and the board."""
    return [line for _, line in timeline_lines(view, frame)]


def timeline_lines(view: ViewState, frame: Frame, chosen: Ask | None = None) -> AskedLines:
    """The same, each line with what it asks; the chosen one is marked."""
    judged = view.timeline
    if judged is None:
        return [(None, Content.styled("timeline: waiting for the engine to judge it", DIM))]
    if judged.migrated_at is None:
        lines: AskedLines = [(None, Content.styled("The days begin when the migration has ended.", DIM))]
    else:
        lines = [(None, _standing(judged, view, frame))]
    for day in judged.days:
        lines += [(None, Content("")), *_day(day, view, frame)]
    lines += [(None, Content("")), (None, Content.styled("Success criteria", TITLE))]
    for name, criteria in judged.board.items():
        lines.append((None, Content.styled(name, DIM)))
        lines += _criteria(name, criteria, frame.width, due=judged.migrated_at is not None)
    if chosen is None:
        return lines
    return [
        (ask, Content.assemble(("❯", TITLE), line[1:]).stylize(CHOSEN) if ask == chosen else line)
        for ask, line in lines
    ]


def day_words(day: DayFound) -> Content:
    """What the evidence says of a day, and each criterion that does not hold or is unknown."""
    advice = ADVICE.get(day.recommendation, SOON)
    lines = [Content.assemble("The evidence says ", (f"{advice.glyph} {advice.word}", advice.style), ".")]
    for found in day.criteria:
        if not found.holds:
            look = HOLDS[found.holds]
            name = found.title or found.id
            lines.append(Content.assemble((f"{look.glyph} {name}", look.style), f": {found.measured}"))
    return Content("\n").join(lines)


def _standing(judged: TimelineJudged, view: ViewState, frame: Frame) -> Content:
    assert judged.migrated_at is not None
    gone = (frame.now - judged.migrated_at) / 86_400
    judged_at = view.seen_at.get("timeline")
    old = f", judged {age(frame.now - judged_at)} ago" if judged_at is not None else ""
    passing = view.run.passing
    standin = f" · fortnight {passing.source}, readings of a stand-in" if passing is not None else ""
    due = day_due(view, frame.now)
    wanted = f"  ▲ Day {due.day} waits for a decision" if due is not None else ""
    return Content.assemble(
        (f"Day {gone:.1f}", TITLE),
        f" since {when(judged.migrated_at)} {zone()}{old}",
        (wanted, WARN),
        standin,
    ).truncate(frame.width, ellipsis=True)


def _day(day: DayFound, view: ViewState, frame: Frame) -> AskedLines:
    reached = day.at is not None and frame.now >= day.at
    failing = any(criterion.holds is False for criterion in day.criteria)
    advice = ADVICE.get(day.recommendation, SOON) if reached or failing else SOON
    due = f"  {when(day.at)}" if day.at is not None else ""
    head = Content.assemble(
        (f" Day {day.day:<3}{day.title:<16}", TITLE), (f"{advice.glyph} {advice.word}", advice.style), due
    )
    lines: AskedLines = [
        (Ask(str(day.day)), head.truncate(frame.width, ellipsis=True)),
        (None, Content.styled(f"  {day.guide}", DIM).truncate(frame.width, ellipsis=True)),
    ]
    for at, made in view.run.decisions:
        if made.day == day.day:
            look = ADVICE["go" if made.go else "no-go"]
            said = f" by {made.who}, {when(at)}: {made.why}"
            line = Content.assemble("  decided ", (look.word, look.style), said)
            lines.append((None, line.truncate(frame.width, ellipsis=True)))
    return lines + _criteria(str(day.day), day.criteria, frame.width, due=reached)


def _holds(found: CriterionFound, due: bool) -> Look:
    return NOT_DUE if found.holds is None and not due else HOLDS[found.holds]


def _criteria(place: str, criteria: Sequence[CriterionFound], width: int, due: bool) -> AskedLines:
    """due: its time has come; before, what is unknown yet is nothing to worry about."""
    lines: AskedLines = []
    for found in criteria:
        name = found.title or found.id
        watched = f"{found.coverage:.0%} watched" if found.coverage is not None else ""
        detail = " · ".join(part for part in (found.measured, watched) if part)
        line = row(Content(" "), status(_holds(found, due), 9), cell(name, NAME), Content.styled(detail, DIM))
        asked = Ask(place, found.id) if found.person else None
        lines.append((asked, line.truncate(width, ellipsis=True)))
    return lines
