"""What all panes share: a border, keys that scroll, and a body redrawn on change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from wsdash.tui.drawn.cells import Frame, as_title
from wsdash.tui.panes.lines import LinesView
from wsdash.tui.state.viewstate import ViewState

MOTIONS: list[BindingType] = [
    Binding("down,j", "scroll_down", "Down", show=False, id="pane.down", tooltip="A line down"),
    Binding("up,k", "scroll_up", "Up", show=False, id="pane.up", tooltip="A line up"),
    Binding("ctrl+d", "half(1)", "Page down", show=False, id="pane.halfdown", tooltip="Half a page down"),
    Binding("ctrl+u", "half(-1)", "Page up", show=False, id="pane.halfup", tooltip="Half a page up"),
    Binding("home,g", "scroll_home", "Top", show=False, id="pane.home", tooltip="To the first line"),
    Binding("end,G", "scroll_end", "Bottom", show=False, id="pane.end", tooltip="To the last line"),
]
"""As in less and vi."""


class Pane(LinesView, can_focus=True):
    """A bordered pane whose body is lines; subclasses draw, and redraw only reaches the screen on change."""

    NAME: ClassVar[str] = ""
    HELP_TITLE: ClassVar[str] = "In the panes of readings"
    BINDINGS: ClassVar[list[BindingType]] = MOTIONS

    def __init__(self, id: str, *, wraps: bool = False) -> None:
        super().__init__(id=id, classes="pane", wraps=wraps)
        self._titled = self.NAME
        self.border_title = self.NAME
        self._made: Sequence[Content] = ()
        self._drawn_for: object = None
        self._view = ViewState()
        self._frame = Frame(0.0, 0)

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render a state. frame.width is ignored: the pane knows its own."""
        self._view, self._frame = view, frame
        self._redraw()

    def fill(self) -> None:
        """Draw for the new width."""
        self._redraw()

    def on_resize(self) -> None:
        """Draw again for the new width."""
        super().on_resize()
        self._redraw()

    def action_half(self, by: int) -> None:
        """Scroll by half of what is seen."""
        self.scroll_relative(y=by * max(1, self.size.height // 2), animate=False)

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The lines of the body."""
        raise NotImplementedError

    def seen(self, view: ViewState, frame: Frame) -> object:
        """What the body shows beside the time of day, to be compared; None: it is drawn for every event.

        A body that tells is drawn when that changes and once a second: log lines come more often.
        """
        return None

    def body(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """What is drawn, or was drawn before where nothing of it changed."""
        seen = self.seen(view, frame)
        drawn_for = (seen, int(frame.now), frame.width, frame.height)
        if seen is None or drawn_for != self._drawn_for:
            self._drawn_for, self._made = drawn_for, self.draw(view, frame)
        return self._made

    def title(self, view: ViewState, frame: Frame) -> str:
        """The border's title."""
        return self.NAME

    def _redraw(self) -> None:
        width, height = self.room
        if width < 4:
            return
        frame = Frame(self._frame.now, width, height, self._frame.operator)
        title = self.title(self._view, frame)
        if self._titled != title:
            self._titled = title
            self.border_title = as_title(title)
        lines = self.body(self._view, frame)
        if lines is not self._given:
            self.show_lines(lines)
