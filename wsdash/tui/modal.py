"""What dialogs and panels over the main screen share.

All questions and panels close once, whatever is pressed how fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, ScreenResultType
from textual.widgets import Static

from wsdash.tui.drawn.cells import Frame, with_keys
from wsdash.tui.state.viewstate import ViewState


class Modal(ModalScreen[ScreenResultType]):
    """A screen over another one that gives one answer, or none.

    Keys that come faster than the screen closes find it still there: the second answer counts for nothing.
    """

    _gave_answer = False

    def with_keys(self, text: str) -> str:
        """Text with the keys that its {ids} have now."""
        return with_keys(self.app._keymap, text)

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; one that was closed, or left with the app, before it was mounted has nothing to be
        filled.
        """
        if isinstance(event, events.Mount):
            there = self.is_attached and self in self.app.screen_stack and self.children
            if not there:
                return
        await super().on_event(event)

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close with the result; nothing when it closed already or another screen lies over it."""
        if self._gave_answer or not self.is_current:
            return AwaitComplete()
        self._gave_answer = True
        return super().dismiss(result)


WIDEST = 156
SHARE = 0.94
"""As .panel in looks.tcss: at most so wide, and this part of the screen."""
FRAME = 5
"""Border, padding and scrollbar."""


class ViewPanel(Modal[None]):
    """A scrolling panel that follows the state; Escape, Enter or q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close", id="panel.close", tooltip="Back to the panes"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="panel.down", tooltip="Scroll down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="panel.up", tooltip="Scroll up"),
        Binding(
            "pagedown,ctrl+d",
            "scroll(15)",
            "Page down",
            show=False,
            id="panel.pagedown",
            tooltip="A page down",
        ),
        Binding(
            "pageup,ctrl+u", "scroll(-15)", "Page up", show=False, id="panel.pageup", tooltip="A page up"
        ),
        Binding("home,g", "scroll(-100000)", "Top", show=False, id="panel.home", tooltip="To the first line"),
        Binding("end,G", "scroll(100000)", "Bottom", show=False, id="panel.end", tooltip="To the last line"),
    ]
    NAME: ClassVar[str] = ""

    def __init__(self, view: ViewState, frame: Frame) -> None:
        super().__init__()
        self._view, self._frame = view, frame
        self._body = Static(markup=False, classes="body")
        self._drawn = Content()

    def compose(self) -> ComposeResult:
        """A bordered box, scrolling, with the lines that `draw` makes."""
        with Vertical(classes="panel") as panel:
            panel.border_title = self.NAME
            panel.border_subtitle = self.with_keys("{panel.close} closes")
            with VerticalScroll(can_focus=False):  # the panel's own keys move it, or a cursor in it
                yield self._body

    def on_mount(self) -> None:
        """Draw what there is."""
        self._redraw()

    def on_resize(self) -> None:
        """Draw again for the new width."""
        self._redraw()

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render a newer state."""
        self._view, self._frame = view, frame
        self._redraw()

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The panel's lines."""
        raise NotImplementedError

    def action_scroll(self, by: int) -> None:
        """Scroll by so many lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def _redraw(self) -> None:
        width = max(20, min(WIDEST, int(self.app.size.width * SHARE)) - FRAME)
        frame = replace(self._frame, width=width, height=self.app.size.height)
        content = Content("\n").join(self.draw(self._view, frame))
        if not content.is_same(self._drawn):
            self._drawn = content
            self._body.update(content)
