"""The panel of the fourteen days, judged by the engine from journal and samples, whoever opens it when.

Its lines show the days and the board of success criteria.
"""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import msgspec
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from wsdash.engine.run.decisions import AGAINST, CONFIRM, DECIDE, objections
from wsdash.errors import WsdashError
from wsdash.model import CriterionFound, DayFound, Intent, TimelineJudged
from wsdash.tui.dialogs.questions import HOLDS_OR_NOT, AnswerDialog, Answered, TypedDialog
from wsdash.tui.drawn.cells import Frame, Lines, cell, row, status
from wsdash.tui.drawn.looks import BAD, DIM, GOOD, TITLE, WARN, Look, age, when, zone
from wsdash.tui.modal import ViewPanel
from wsdash.tui.state.viewstate import ViewState

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
        lines = [(None, _where_it_is(judged, view, frame))]
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


def _where_it_is(judged: TimelineJudged, view: ViewState, frame: Frame) -> Content:
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


FINAL_DAY = 14

Finishing = Callable[[], Sequence[str]]
"""What decommissioning would remove, for people. Raises WsdashError. Blocks for I/O."""


class TimelinePanel(ViewPanel):
    """Days, criteria, decisions and the board."""

    NAME = "Timeline and success criteria"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The panel's lines."""
        return draw_timeline(view, frame)


class OperatorTimelinePanel(TimelinePanel):
    """The same with a cursor and keys that send intents. finishing: None where nothing can be listed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="panel.close", tooltip="Back to the panes"),
        Binding(
            "down,j", "choose(1)", "Down", show=False, id="days.down", tooltip="Choose the next question"
        ),
        Binding("up,k", "choose(-1)", "Up", show=False, id="days.up", tooltip="Choose the question before"),
        Binding(
            "enter", "answer", "Answer", id="days.answer", tooltip="Decide the chosen day, or judge the line"
        ),
        Binding("D", "decide", "Decide", id="days.decide", tooltip="Go or no-go for the day that is due"),
        Binding("E", "finish", "Finish", id="days.finish", tooltip="What decommissioning would remove"),
    ]

    def __init__(
        self,
        view: ViewState,
        frame: Frame,
        send: Callable[[Intent], None],
        finishing: Finishing | None = None,
    ) -> None:
        super().__init__(view, frame)
        self._send, self._finishing = send, finishing
        self._chosen: Ask | None = None
        self._line = 0

    def on_mount(self) -> None:
        """Say which keys there are."""
        super().on_mount()
        panel = self.query_one(".panel")
        panel.border_subtitle = self.with_keys(
            "{days.up}{days.down} choose · {days.answer} answers · {days.decide} decides · "
            "{days.finish} decommissioning · {panel.close} closes"
        )

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The panel's lines, one of them chosen."""
        lines = timeline_lines(view, frame, self._chosen)
        self._line = next((number for number, (ask, _) in enumerate(lines) if ask and ask == self._chosen), 0)
        return [line for _, line in lines]

    def action_choose(self, by: int) -> None:
        """Choose another question, and keep it in sight."""
        questions = asks(self._view)
        if not questions:
            self.notify("There is nothing to decide before the migration has ended.")
            return
        here = questions.index(self._chosen) if self._chosen in questions else -1 if by > 0 else 0
        self._chosen = questions[max(0, min(len(questions) - 1, here + by))]
        self._redraw()
        self.query_one(VerticalScroll).scroll_to(y=max(0, self._line - self.size.height // 3), animate=False)

    def action_answer(self) -> None:
        """Ask what the chosen line asks."""
        chosen, judged = self._chosen, self._view.timeline
        if chosen is None or judged is None or chosen not in asks(self._view):
            self.action_decide()
            return
        lists = {str(day.day): day.criteria for day in judged.days} | judged.board
        if chosen.criterion:
            self._judge(next(found for found in lists[chosen.place] if found.id == chosen.criterion))
        else:
            self._decide(next(day for day in judged.days if str(day.day) == chosen.place))

    def action_decide(self) -> None:
        """Go or no-go for the day that is due."""
        day = day_due(self._view, self._frame.now)
        if day is None:
            self.notify("No day waits for a decision; choose a day to decide it anew.")
        else:
            self._decide(day)

    def action_finish(self) -> None:
        """List what decommissioning would remove."""
        if self._finishing is None:
            self.notify("Not here: `wsdash finish` lists what decommissioning would remove.", markup=False)
        else:
            self.app.push_screen(FinishPanel(self._view, self._frame, self._finishing))

    def _decide(self, day: DayFound) -> None:
        def answered(said: Answered | None) -> None:
            if said is None:
                return
            options = {"day": day.day, "go": said.answer == "go", "recommendation": day.recommendation}
            intent = Intent(DECIDE, who=said.who, note=said.note, options=options)
            judged = self._view.timeline
            decided = {made.day for _, made in self._view.run.decisions}
            against = objections(judged, day, said.answer == "go", decided, self._frame.now) if judged else ()
            if against:
                self._confirm_against(day, said, intent, against)
            else:
                self._send(intent)

        heading = f"Day {day.day}: {day.title}"
        answers = {"go": "Go", "no-go": "No-go"}
        self.app.push_screen(AnswerDialog(heading, day_words(day), answers, reason=True), answered)

    def _confirm_against(self, day: DayFound, said: Answered, intent: Intent, against: Sequence[str]) -> None:
        lines = [
            *(f"{line[:1].upper()}{line[1:]}." for line in against),
            "All of it is recorded, with your name and your reason.",
        ]

        def typed(phrase: str | None) -> None:
            if phrase is not None:
                self._send(msgspec.structs.replace(intent, phrase=phrase))

        heading = f"Day {day.day}: {said.answer}, early or against the evidence"
        self.app.push_screen(TypedDialog(heading, lines, AGAINST, f"Decide {said.answer}"), typed)

    def _judge(self, found: CriterionFound) -> None:
        look = HOLDS[found.holds]
        text = Content.assemble(
            f"{found.title or found.id}\n", (f"{look.glyph} {look.word}", look.style), f": {found.measured}"
        )

        def answered(said: Answered | None) -> None:
            if said is not None:
                options = {"holds": said.answer == "holds"}
                self._send(Intent(CONFIRM, found.id, said.who, said.note, options=options))

        self.app.push_screen(AnswerDialog("Only a person can say", text, HOLDS_OR_NOT), answered)


class FinishPanel(ViewPanel):
    """What decommissioning would remove; read only, and read anew when it is opened."""

    NAME = f"Day {FINAL_DAY}: what decommissioning would remove"

    def __init__(self, view: ViewState, frame: Frame, finishing: Finishing) -> None:
        super().__init__(view, frame)
        self._finishing = finishing
        self._finish_lines: Sequence[str] = ()
        self._trouble = ""

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        self.run_worker(self._read(), group="finish", exit_on_error=False)

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The list, each thing with its command under it where there is no room beside it."""
        if self._trouble:
            return [Content.styled(f"✗ {self._trouble}", BAD)]
        if not self._finish_lines:
            return [Content.styled("reading the run …", DIM)]
        return [Content(part) for line in self._finish_lines for part in _hung(line, frame.width)]

    async def _read(self) -> None:
        try:
            self._finish_lines = await asyncio.to_thread(self._finishing)
        except WsdashError as error:
            self._trouble = str(error)
        self._redraw()


def _hung(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    name, _, how = line.strip().partition("  ")
    return [
        f"  {name}",
        *textwrap.wrap(how.strip(), width - 8, initial_indent=" " * 6, subsequent_indent=" " * 6),
    ]
