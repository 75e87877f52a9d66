"""Panels of what is tried: the guide's testing checklist, and the rehearsal.

Groups, states and evidence; how far a rehearsal is, and what the newest one found. The operator's panels
also begin and end them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from wsdash.engine.outlook import rehearsal_lines, rehearsal_summary
from wsdash.engine.run.due import REHEARSE, STOP_REHEARSAL
from wsdash.model import REHEARSAL, Intent, ItemKind, ItemState, RehearsalOutcome
from wsdash.plan import Plan, Test
from wsdash.tui.drawn.cells import Frame, Lines, cell, row
from wsdash.tui.drawn.looks import BAD, BUSY, DIM, GOOD, ITEM, KIND, TITLE, WARN, age, plain_title
from wsdash.tui.modal import ViewPanel
from wsdash.tui.panes.checklist import progress_line
from wsdash.tui.state.viewstate import ViewState

GROUP = {
    "functional": "Functional Tests",
    "performance": "Performance Tests",
    "neon": "Neon-Specific Tests",
}
LINES_BEFORE = 2


def draw_tests(plan: Plan, view: ViewState, frame: Frame, selected: str) -> Lines:
    """Every line of the list by group, with the evidence of the selected one under it."""
    done = sum(view.run.item(test.id).satisfied for test in plan.tests)
    hint = (
        frame.with_keys("  {tests.try} tries or confirms one, {tests.all} tries all")
        if frame.operator
        else ""
    )
    lines: Lines = [Content.styled(f"{done} of {len(plan.tests)} hold{hint}", DIM)]
    group = ""
    for test in plan.tests:
        if test.group != group:
            group = test.group
            lines += [Content(""), Content.styled(GROUP.get(group, group), TITLE)]
        lines += _test(test, view, frame, test.id == selected)
    return lines


def _test(test: Test, view: ViewState, frame: Frame, selected: bool) -> Lines:
    look = view.run.item(test.id)
    mark = ITEM[look.state]
    side = f"{mark.word:>12} {KIND[test.kind].glyph}"
    line = row(
        Content.styled("❯" if selected else " ", TITLE),
        Content.styled(mark.glyph, mark.style),
        cell(plain_title(test.title), max(10, frame.width - len(side) - 6)),
        Content.styled(side, mark.style),
    )
    if not selected:
        return [line]
    words = [look.evidence] if look.evidence else []
    if look.changed_at:
        words.append(f"({look.who}, {age(frame.now - look.changed_at)} ago)".replace("(, ", "("))
    if test.alone and look.state is ItemState.PENDING:
        words.append("interrupts the service: tried only when asked for by name")
    if not words:
        words.append("not confirmed yet" if test.kind is ItemKind.CONFIRM else "not tried yet")
    style = {ItemState.FAILED: BAD, ItemState.INSUFFICIENT: WARN}.get(look.state, DIM)
    detail = [Content.styled(f"    {' '.join(words)}", style)]
    if look.remedy:
        detail.append(Content.assemble("    ", ("→ ", BUSY), look.remedy))
    return [line.stylize("on $primary-muted 60%"), *detail]


class TestsPanel(ViewPanel):
    """Looks only; the cursor shows a line's evidence."""

    __test__ = False

    NAME = "Testing Checklist"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="panel.close", tooltip="Back to the panes"),
        Binding("down,j", "move(1)", "Down", show=False, id="tests.down", tooltip="Select the line below"),
        Binding("up,k", "move(-1)", "Up", show=False, id="tests.up", tooltip="Select the line above"),
    ]

    def __init__(self, view: ViewState, frame: Frame, plan: Plan) -> None:
        super().__init__(view, frame)
        self.plan = plan
        self.selected = 0

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """Every test with its last result, the selected one marked; none listed is said."""
        if not self.plan.tests:
            return [Content.styled("testing.yaml lists no test.", DIM)]
        return draw_tests(self.plan, view, frame, self.plan.tests[self.selected].id)

    def action_move(self, by: int) -> None:
        """Move the cursor, and keep it in sight."""
        self.selected = max(0, min(len(self.plan.tests) - 1, self.selected + by))
        self._redraw()
        groups = len({test.group for test in self.plan.tests[: self.selected + 1]})
        line = self.selected + 2 * groups
        self.query_one(VerticalScroll).scroll_to(y=max(0, line - self.size.height // 2), animate=False)


class OperatorTestsPanel(TestsPanel):
    """The same, and what the operator may ask. send takes intents; confirm asks for a name first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *TestsPanel.BINDINGS,
        Binding("enter", "try", "Try", id="tests.try", tooltip="Try the selected test, or confirm it"),
        Binding("a", "try_all", "Try all", id="tests.all", tooltip="Try all that do not interrupt anybody"),
    ]

    def __init__(
        self,
        view: ViewState,
        frame: Frame,
        plan: Plan,
        send: Callable[[Intent], None],
        confirm: Callable[[Test], None],
    ) -> None:
        super().__init__(view, frame, plan)
        self._send, self._confirm = send, confirm

    def action_try(self) -> None:
        """Try the selected line, or have it confirmed by name."""
        test = self.plan.tests[self.selected]
        if test.kind is ItemKind.AUTO and not test.alone:
            self._send(Intent("run-item", item=test.id))
        else:
            self._confirm(test)

    def action_try_all(self) -> None:
        """Try every automatic line that does not interrupt the service."""
        self._send(Intent("run-tests"))


_STYLES = {
    RehearsalOutcome.CLEAN: GOOD,
    RehearsalOutcome.BLOCKED: BAD,
    RehearsalOutcome.DIFFERED: BAD,
    RehearsalOutcome.INTERRUPTED: WARN,
}


def draw_rehearsal(view: ViewState, frame: Frame) -> Lines:
    """What runs now, then the newest rehearsal's report."""
    lines: Lines = []
    if view.run.rehearsing is not None:
        lines.append(Content.styled(doing_words(view), BUSY))
        moving = view.transfers.get(REHEARSAL, {})
        lines += [progress_line(transfer, frame.width) for transfer in moving.values()]
        lines.append(Content(""))
    newest = view.run.rehearsal
    style = _STYLES[newest.outcome] if newest is not None else WARN
    lines += _wrapped(rehearsal_summary(newest, frame.now), frame.width, style)
    if newest is not None:
        lines.append(Content(""))
        head, *rest = rehearsal_lines(newest)
        lines += _wrapped(head, frame.width, TITLE)
        for line in rest:
            lines += _wrapped(line, frame.width, "")
    if frame.operator:
        keys = "X ends it; it cleans up first" if view.run.rehearsing is not None else "H begins a rehearsal"
        lines += [Content(""), Content.styled(keys, DIM)]
    return lines


def doing_words(view: ViewState) -> str:
    """What a rehearsal that runs does now, or ''."""
    now = view.run.rehearsing
    return "" if now is None else f"rehearsing: {now.doing}, round {now.round} of {now.rounds}"


def _wrapped(text: str, width: int, style: str) -> Lines:
    return [
        Content.styled(part, style) for part in textwrap.wrap(text, width, subsequent_indent="    ") or [""]
    ]


class RehearsalPanel(ViewPanel):
    """The rehearsal, for whoever looks."""

    NAME = "Rehearsal: the whole migration, while the old service serves"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """How far, and what was found."""
        return draw_rehearsal(view, frame)


class OperatorRehearsalPanel(RehearsalPanel):
    """The same, with keys that ask the engine."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("H", "begin", "Begin", id="rehearsal.begin", tooltip="Rehearse the migration now"),
        Binding("X", "end", "End", id="rehearsal.end", tooltip="End the rehearsal; it cleans up first"),
    ]

    def __init__(self, view: ViewState, frame: Frame, send: Callable[[Intent], None]) -> None:
        super().__init__(view, frame)
        self._send = send

    def action_begin(self) -> None:
        """Ask the engine for a rehearsal."""
        self._send(Intent(REHEARSE))

    def action_end(self) -> None:
        """Ask the engine to end it."""
        self._send(Intent(STOP_REHEARSAL))
