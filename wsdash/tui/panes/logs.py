"""The logs pane: the log view with its find field, and what its borders say."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.widgets import Input

from wsdash.model import Liveness, LogLine
from wsdash.tui.freshness import freshness
from wsdash.tui.looks import zone
from wsdash.tui.panes.base import Frame, as_title, fresh_title
from wsdash.tui.panes.logview import LogView
from wsdash.tui.viewstate import ViewState


class LogsPane(Vertical):
    """The log view and its find field."""

    NAME = "5 Logs"

    def __init__(self) -> None:
        super().__init__(id="logs", classes="pane")
        self.border_title = self.NAME
        self._titled = self._badged = ""
        self.log_view = LogView()
        self._find = Input(
            placeholder="find: text or regular expression; Enter keeps, Esc forgets", id="find"
        )
        self._find.display = False

    def compose(self) -> ComposeResult:
        """The lines, and the search, hidden until it is asked for."""
        yield self.log_view
        yield self._find

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render how fresh the logs are; the lines come by `extend`."""
        fresh = freshness(view, "logs", frame.now)
        known = fresh.liveness is not None or not self.log_view.lines.all
        name = f"{self.NAME} · {zone()}"
        title = fresh_title(name, fresh) if known else name
        if fresh.liveness is Liveness.RECONNECTING:
            title += " · reattaching"
        if title != self._titled:
            self._titled = title
            self.border_title = as_title(title)
        self._badges()

    def extend(self, lines: Iterable[LogLine], lost: int = 0) -> None:
        """Add new lines."""
        self.log_view.extend(lines, lost)
        self._badges()

    def on_log_view_find_wanted(self) -> None:
        """Show the find field with the last search."""
        self._find.display = True
        self._find.focus()

    def on_log_view_detail_wanted(self, message: LogView.DetailWanted) -> None:
        """Open all of a line."""
        from wsdash.tui.screens.line import LinePanel

        self.app.push_screen(LinePanel(message.line))

    def on_log_view_badges_changed(self) -> None:
        """Redraw the lower border."""
        self._badges()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while typing."""
        event.stop()
        if self._find.display:
            self.log_view.find(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the matches marked; n and N go on from here."""
        event.stop()
        self._close()

    def on_key(self, event: Key) -> None:
        """Escape in the field forgets the search."""
        if event.key == "escape" and self._find.has_focus:
            event.stop()
            self._find.value = ""
            self.log_view.find("")
            self._close()

    def _close(self) -> None:
        self._find.display = False
        self.log_view.focus()

    def _badges(self) -> None:
        badges = self.log_view.badges()
        if badges != self._badged:
            self._badged = badges
            self.border_subtitle = as_title(badges)
