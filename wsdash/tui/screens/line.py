"""All of one log line: when, who, where to, and its text; JSON a field a line."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from textual.content import Content

from wsdash.model import LogLine
from wsdash.outside import read_json
from wsdash.tui.loglines import clean
from wsdash.tui.looks import DIM, when, zone
from wsdash.tui.panes.base import Frame, Lines
from wsdash.tui.screens.views import ViewPanel
from wsdash.tui.viewstate import ViewState


def draw_line(line: LogLine, width: int) -> Lines:
    """The line's parts, nothing of it cut."""
    head = f"{when(line.at)} {zone()} · {line.container} · {line.stream}"
    lines = [Content.styled(head, DIM), Content("")]
    for part in _text(line.text).split("\n"):
        lines += [Content(piece) for piece in textwrap.wrap(part, width, replace_whitespace=False) or [""]]
    return lines


def _text(text: str) -> str:
    if text.startswith("{"):
        try:
            pretty = json.dumps(read_json(text), indent=2, ensure_ascii=False)
        except ValueError:
            return clean(text)
        return "\n".join(clean(part) for part in pretty.split("\n"))
    return clean(text)


class LinePanel(ViewPanel):
    """One line of a log; the text can be selected and copied."""

    NAME = "A line of the logs"

    def __init__(self, line: LogLine) -> None:
        super().__init__(ViewState(), Frame(line.at, 0))
        self._line = line

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """All of it."""
        return draw_line(self._line, frame.width)
