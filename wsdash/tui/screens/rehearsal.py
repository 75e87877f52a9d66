"""The rehearsal: how far it is, and what the newest one found; an operator begins and ends it from here."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from wsdash.engine.outlook.words import rehearsal_lines, rehearsal_summary
from wsdash.engine.run.rehearsing import REHEARSE, STOP_REHEARSAL
from wsdash.model import REHEARSAL, Intent, RehearsalOutcome
from wsdash.tui.looks import BAD, BUSY, DIM, GOOD, TITLE, WARN
from wsdash.tui.panes.base import Frame, Lines
from wsdash.tui.panes.checklist import progress_line
from wsdash.tui.screens.views import ViewPanel
from wsdash.tui.viewstate import ViewState

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
