"""The logs pane: the log view with its find field, and what its borders say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.widgets import Input

from wsdash.errors import InputError
from wsdash.model import Liveness, LogLine
from wsdash.tui.drawn.cells import Frame, as_title, fresh_title
from wsdash.tui.drawn.looks import zone
from wsdash.tui.panes.logview import LogView
from wsdash.tui.state.freshness import freshness
from wsdash.tui.state.loglines import around, moment, older
from wsdash.tui.state.viewstate import ViewState

ASKING = {
    "find": "find: text or regular expression; Enter keeps, Esc forgets",
    "include": "show only lines with: text or regular expression; empty for all",
    "time": "go to: 10:32, -5m, -2h, 2025-11-30 10:32",
}


class LogsPane(Vertical):
    """The log view and its find field."""

    NAME = "5 Logs"

    def __init__(self) -> None:
        super().__init__(id="logs", classes="pane")
        self.border_title = self.NAME
        self._named = self.NAME
        self._titled = self._badged = ""
        self._now = 0.0
        self._asked = "find"
        self.log_view = LogView()
        self._find = Input(id="find")
        self._find.display = False

    def compose(self) -> ComposeResult:
        """The lines, and the field, hidden until something is asked for."""
        yield self.log_view
        yield self._find

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render how fresh the logs are; the lines come by `extend`."""
        self._now = frame.now
        fresh = freshness(view, "logs", frame.now)
        known = fresh.liveness is not None or not self.log_view.lines.all
        name = f"{self.NAME} · {zone()}"
        title = fresh_title(name, fresh) if known else name
        if fresh.liveness is Liveness.RECONNECTING:
            title += " · reattaching"
        self._named = title
        self._badges()

    def extend(self, lines: Iterable[LogLine], lost: int = 0) -> None:
        """Add new lines."""
        self.log_view.extend(lines, lost)
        self._badges()

    def on_log_view_asked(self, message: LogView.Asked) -> None:
        """Show the field with what was asked before."""
        self._asked = message.what
        self._find.placeholder = ASKING[message.what]
        before = {"find": self.log_view.search.text, "include": self.log_view.included}.get(message.what, "")
        with self._find.prevent(Input.Changed):
            self._find.value = before
        self._find.display = True
        self._find.focus()

    def on_log_view_older_wanted(self, message: LogView.OlderWanted) -> None:
        """Look at older lines than these."""
        self._look_back(lambda state: older(state, message.than), None)

    def on_log_scroll_badges_changed(self) -> None:
        """Redraw the lower border."""
        self._badges()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while typing."""
        event.stop()
        if self._find.display and self._asked == "find":
            self.log_view.find(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the matches marked, show what is included, or go to the time."""
        event.stop()
        self._close()
        if self._asked == "include":
            self.log_view.include(event.value)
        elif self._asked == "time" and event.value.strip():
            self._go_to(event.value)

    def on_key(self, event: Key) -> None:
        """Escape in the field forgets what it asked for."""
        if event.key == "escape" and self._find.has_focus:
            event.stop()
            if self._asked == "find":
                self.log_view.find("")
            elif self._asked == "include" and self.log_view.included:
                self.log_view.include("")
            self._close()

    def _go_to(self, text: str) -> None:
        try:
            at = moment(text, self._now)
        except InputError as error:
            self.notify(f"{error.what}: write {error.remedy}", severity="warning", markup=False)
            return
        lines = self.log_view.lines.all
        if min((line.at for line in lines), default=at + 1) <= at and not self.log_view.in_past:
            self.log_view.go_to_time(at)
        else:
            self._look_back(lambda state: around(state, at), at)

    def _look_back(self, read: Callable[[Path], list[LogLine]], at: float | None) -> None:
        """Read the spool in a thread and show what it holds. at: where to go, None for the last line."""
        state = getattr(self.app, "state", None)
        if state is None:
            self.notify("Nobody keeps these logs: only what came since this screen was opened is there.")
            return
        self.run_worker(self._read(state, read, at), group="spool", exclusive=True, exit_on_error=False)

    async def _read(self, state: Path, read: Callable[[Path], list[LogLine]], at: float | None) -> None:
        lines = await asyncio.to_thread(read, state)
        if lines:
            self.log_view.show_past(lines, at)
            return
        self.notify("The spool holds no older lines.")
        if at is not None:
            self.log_view.go_to_time(at)

    def _close(self) -> None:
        self._find.display = False
        self.log_view.focus()

    def _badges(self) -> None:
        """Below the lines; where there is no border below them, beside the name."""
        if not self.is_attached:
            return
        badges, title = self.log_view.badges(), self._named
        if self.screen.has_class("narrow"):
            title, badges = f"{title} · {badges}", ""
        if title != self._titled:
            self._titled = title
            self.border_title = as_title(title)
        if badges != self._badged:
            self._badged = badges
            self.border_subtitle = as_title(badges)
