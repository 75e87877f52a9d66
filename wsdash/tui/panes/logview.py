"""The log view and its keys: every container's lines, followed or held still, filtered and searched."""

from __future__ import annotations

import io
import time
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from wsdash.model import LogLine
from wsdash.tui.drawn.cells import with_keys
from wsdash.tui.drawn.looks import at_least, count, when
from wsdash.tui.panes.logscroll import LogScroll
from wsdash.tui.state.loglines import LEVELS, MOST_LINES, Search, as_text, pattern, severity


def _key(keys: str, action: str, words: str, does: str, tip: str, *, sign: str = "") -> Binding:
    return Binding(keys, action, words, show=False, id=f"logs.{does}", tooltip=tip, key_display=sign or None)


LOG_KEYS: list[BindingType] = [
    _key("slash", "ask('find')", "Find", "find", "Find text or a regular expression", sign="/"),
    _key("n", "next(1)", "Next match", "next", "Go to the next match"),
    _key("N", "next(-1)", "Match before", "before", "Go to the match before"),
    _key("f", "follow", "Follow", "follow", "Follow the newest line, or hold still"),
    _key("o", "container", "Container", "container", "Show one container's lines, or all"),
    _key("l", "level", "Level", "level", "Show all, warnings and errors, or errors"),
    _key("I", "ask('include')", "Include", "include", "Show only lines with a text, and some around them"),
    _key("plus", "around(1)", "More around", "more", "More lines around those that are included", sign="+"),
    _key(
        "minus", "around(-1)", "Less around", "less", "Fewer lines around those that are included", sign="-"
    ),
    _key("L", "wrap", "Wrap", "wrap", "Break long lines, or let them run on"),
    _key("T", "ask('time')", "Time", "time", "Go to a time: 10:32, -5m, or a date; of any age"),
    _key("O", "older", "Older", "older", "Lines before the oldest one, from the spool"),
    _key("full_stop", "error(1)", "Next error", "error", "Go to the next line with an error", sign="."),
    _key("comma", "error(-1)", "Error before", "errorbefore", "Go to the error before", sign=","),
    _key("enter", "detail", "Whole line", "detail", "All of the marked line, or of the lowest one"),
    _key("Y", "copy", "Copy line", "copy", "Copy all of that line"),
    _key("W", "export", "Write", "export", "Write what is shown to a file"),
    _key("i", "probes", "Probes", "probes", "Own probes shown, or not"),
    _key("escape", "clear", "Clear find", "clear", "Forget find and filters"),
    _key("down,j", "scroll_down", "Down", "down", "A line down"),
    _key("up,k", "scroll_up", "Up", "up", "A line up"),
    _key("ctrl+d", "half(1)", "Page down", "halfdown", "Half a page down"),
    _key("ctrl+u", "half(-1)", "Page up", "halfup", "Half a page up"),
    _key("home,g", "top", "Oldest", "top", "Go to the oldest line"),
    _key("end,G", "end", "Newest", "end", "Go to the newest line and follow"),
]
"""As in less and vi where they have one."""


MOST_CONTEXT = 50


class LogView(LogScroll):
    """What keys do to the lines; what needs a field, the spool or a panel is asked of the pane."""

    class Asked(Message):
        """Open the field; what: find, include or time."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    class OlderWanted(Message):
        """Show what the spool holds before that moment (epoch seconds)."""

        def __init__(self, than: float) -> None:
            super().__init__()
            self.than = than

    class DetailWanted(Message):
        """Show all of a line."""

        def __init__(self, line: LogLine) -> None:
            super().__init__()
            self.line = line

    HELP_TITLE: ClassVar[str] = "In the logs"
    BINDINGS: ClassVar[list[BindingType]] = LOG_KEYS

    def action_ask(self, what: str) -> None:
        """Open the field for what is to be found or included, or for a time."""
        self.post_message(LogView.Asked(what))

    def action_older(self) -> None:
        """Look at what the spool holds before the oldest line."""
        oldest = min((line.at for line in self.lines.all), default=float("inf"))
        self.post_message(LogView.OlderWanted(oldest))

    def find(self, text: str) -> None:
        """Mark what matches and go to the newest match at or before the place being read."""
        self.search.begin(text, self.lines)
        self.here = -1
        bottom = self._line_at(self.scroll_offset.y + self.size.height - 1)
        self._go(self.search.until(bottom + self.lines.gone))
        self._changed()

    def include(self, text: str) -> None:
        """Show only lines that match, and those around them; '' for all."""
        self.included = text
        self.lines.include = self.live.include = pattern(text) if text else None
        self._refilter()

    def action_around(self, by: int) -> None:
        """More or fewer lines around those that are included."""
        if self.lines.include is None:
            self.notify(
                with_keys(self.app._keymap, "Nothing is included yet: {logs.include} asks for a text.")
            )
            return
        self.live.context = self.lines.context = max(0, min(MOST_CONTEXT, self.lines.context + by))
        self._refilter()

    def action_wrap(self) -> None:
        """Break long lines at the width, or let them run on."""
        top = self._line_at(self.scroll_offset.y)
        self.wrapped = not self.wrapped
        self._break()
        if self.following:
            self._to_end()
        else:
            self._scroll_alone(top if self._rows is None else self._rows.row(top))
        self.refresh()
        self._changed()

    def action_half(self, by: int) -> None:
        """Scroll by half of what is seen."""
        self.scroll_relative(y=by * max(1, self.size.height // 2), animate=False)

    def action_next(self, by: int) -> None:
        """Go to the next match, or the one before; around the end."""
        self._go(self.search.step(self.here, by))
        self._changed()

    def action_error(self, by: int) -> None:
        """Go to the next line with an error, or the one before; around the end."""
        errors = [n for n, line in enumerate(self.lines.shown) if severity(line) == 2]
        if not errors:
            self.notify("No line shown here has an error.")
            return
        edge = self._line_at(self.scroll_offset.y + (self.size.height if by < 0 else -1))
        start = self.here - self.lines.gone if self.here >= self.lines.gone else edge
        if by > 0:
            wanted = next((n for n in errors if n > start), errors[0])
        else:
            wanted = next((n for n in reversed(errors) if n < start), errors[-1])
        self._go(wanted + self.lines.gone)

    def action_detail(self) -> None:
        """Show all of the marked line, else of the lowest one in sight."""
        line = self._chosen()
        if line is not None:
            self.post_message(LogView.DetailWanted(line))

    def action_copy(self) -> None:
        """Copy that line as it is shown whole."""
        line = self._chosen()
        if line is not None:
            self.app.copy_to_clipboard(as_text(line))

    def _chosen(self) -> LogLine | None:
        shown = self.lines.shown
        if not shown:
            return None
        index = self.here - self.lines.gone
        lowest = min(len(shown) - 1, self._line_at(self.scroll_offset.y + self.size.height - 1))
        return shown[index if 0 <= index < len(shown) else lowest]

    def action_export(self) -> None:
        """Write what is shown to a file: into the downloads, or to the browser that shows this."""
        text = "\n".join(as_text(line, self._name_width) for line in self.lines.shown)
        name = time.strftime("wsdash-logs-%Y%m%d-%H%M%S.txt")
        where = getattr(self.app, "exports", None)
        self.app.deliver_text(io.StringIO(text + "\n"), save_directory=where, save_filename=name)

    def action_probes(self) -> None:
        """Show wsdash's own probes, or hide them."""
        self.lines.probes = self.live.probes = not self.lines.probes
        self._refilter()

    def action_follow(self) -> None:
        """Follow, or hold still; out of the past it is back to the newest line."""
        if self.in_past:
            self.action_end()
            return
        self._follow(not self.following)
        if self.following:
            self._to_end()

    def action_end(self) -> None:
        """Go to the newest line and follow."""
        if self.in_past:
            self._look_at(self.live)
        self._follow(True)
        self._to_end()

    def action_top(self) -> None:
        """Go to the oldest line and hold still."""
        self._follow(False)
        self._scroll_alone(0)

    def action_container(self) -> None:
        """Show the next container's lines only."""
        self.lines.container = self.live.container = self.lines.next_container()
        self._refilter()

    def action_level(self) -> None:
        """Show less, or all again."""
        self.lines.level = self.live.level = (self.lines.level + 1) % len(LEVELS)
        self._refilter()

    def action_clear(self) -> None:
        """Forget find and filters, and come back from the past."""
        self.search = Search()
        self.included = ""
        self.live.container, self.live.level, self.live.include = "", 0, None
        self._look_at(self.live)

    def badges(self) -> str:
        """What the pane's lower border says: following or not, filters, matches, drops."""
        now = f"{{logs.follow}} follows, +{count(self.unseen)} new"
        first = "FOLLOW" if self.following else f"HELD +{count(self.unseen)} new ({{logs.follow}} follows)"
        if self.in_past:
            first = f"PAST since {when(self.lines.all[0].at)} ({now})" if self.lines.all else f"PAST ({now})"
        parts = [with_keys(self.app._keymap, first)]
        if self.lines.container:
            parts.append(f"only {self.lines.container}")
        if self.included:
            context = f" ±{self.lines.context}" if self.lines.context else ""
            parts.append(f"with {self.included}{context}")
        if self.lines.hidden:
            key = with_keys(self.app._keymap, "{logs.probes}")
            parts.append(f"{at_least(self.lines.hidden)} own probes hidden ({key})")
        if self.lines.level:
            parts.append(f"{LEVELS[self.lines.level]} only")
        if self.search.text:
            parts.append(f"/{self.search.text} {self.search.place(self.here)}/{len(self.search.found)}")
        if self.wrapped:
            parts.append("wrapped")
        if self.lines.dropped:
            parts.append(f"newest {count(MOST_LINES)} lines, {count(self.lines.dropped)} older in the spool")
        if self.lost:
            parts.append(f"{count(self.lost)} lost")
        return " · ".join(parts)
