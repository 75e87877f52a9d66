"""The log view: every container's lines, following or held still, filtered, searched and selectable."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from wsdash.model import LogLine
from wsdash.tui.loglines import LEVELS, MOST_LINES, LogLines, as_text, pattern, severity
from wsdash.tui.looks import count

LONGEST_NAME = 24


class LogView(ScrollView, can_focus=True):
    """Lines drawn one by one straight from the deque; nothing is laid out, so a flood costs little."""

    class FindWanted(Message):
        """Open the find field."""

    class BadgesChanged(Message):
        """What the lower border says changed."""

    class DetailWanted(Message):
        """Show all of a line."""

        def __init__(self, line: LogLine) -> None:
            super().__init__()
            self.line = line

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log--time",
        "log--name",
        "log--error",
        "log--warning",
        "log--stderr",
        "log--own",
        "log--match",
        "log--here",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash",
            "find",
            "Find",
            id="logs.find",
            key_display="/",
            tooltip="Find text or a regular expression",
        ),
        Binding("n", "next(1)", "Next match", show=False, id="logs.next", tooltip="Go to the next match"),
        Binding(
            "N", "next(-1)", "Match before", show=False, id="logs.before", tooltip="Go to the match before"
        ),
        Binding("f", "follow", "Follow", id="logs.follow", tooltip="Follow the newest line, or hold still"),
        Binding(
            "o", "container", "Container", id="logs.container", tooltip="Show one container's lines, or all"
        ),
        Binding("l", "level", "Level", id="logs.level", tooltip="Show all, warnings and errors, or errors"),
        Binding(
            "escape", "clear", "Clear find", show=False, id="logs.clear", tooltip="Forget find and filters"
        ),
        Binding(
            "full_stop",
            "error(1)",
            "Next error",
            show=False,
            id="logs.error",
            key_display=".",
            tooltip="Go to the next line with an error",
        ),
        Binding(
            "comma",
            "error(-1)",
            "Error before",
            show=False,
            id="logs.errorbefore",
            key_display=",",
            tooltip="Go to the line with an error before",
        ),
        Binding("enter", "detail", "Whole line", show=False, id="logs.detail", tooltip="All of a line"),
        Binding("W", "export", "Write", show=False, id="logs.export", tooltip="Write what is shown"),
        Binding("i", "probes", "Probes", show=False, id="logs.probes", tooltip="Own probes shown, or not"),
        Binding("home,g", "top", "Oldest", show=False, id="logs.top", tooltip="Go to the oldest line"),
        Binding(
            "end,G", "end", "Newest", show=False, id="logs.end", tooltip="Go to the newest line and follow"
        ),
    ]

    def __init__(self) -> None:
        super().__init__(id="logview")
        self.lines = LogLines()
        self.following = True
        self.unseen = 0
        self.found: list[int] = []
        self.here = -1
        self.wanted: re.Pattern[str] | None = None
        self.sought = ""
        self.lost = 0
        self._name_width = 8
        self._widest = 0
        self._ours = False

    @property
    def allow_select(self) -> bool:
        """Lines can be selected with the mouse and copied."""
        return True

    def extend(self, lines: Iterable[LogLine], lost: int = 0) -> None:
        """Add new lines; the reader's place does not move unless following."""
        lines = tuple(lines)
        self.lost += lost
        if not lines:
            return
        added, pruned = self.lines.extend(lines)
        self._name_width = min(LONGEST_NAME, max(self._name_width, *(len(line.container) for line in lines)))
        self._widest = max(self._widest, *(len(line.text) for line in lines))
        if not added and not pruned:
            return
        if self.wanted is not None:
            self._search(keep=pruned)
        self._resized()
        if self.following:
            self._to_end()
        else:
            self.unseen += added
            if pruned:
                self._scroll_alone(max(0, self.scroll_offset.y - pruned))
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Somebody scrolled: away from the end means hold still, back to it means follow."""
        super().watch_scroll_y(old_value, new_value)
        if self._ours or old_value == new_value:
            return
        at_end = new_value >= self.max_scroll_y
        if at_end != self.following:
            self._follow(at_end)

    def on_resize(self) -> None:
        """Stay at the end when following."""
        if self.following:
            self._to_end()

    def render_line(self, y: int) -> Strip:
        """One line of the visible part."""
        index = self.scroll_offset.y + y
        width = self.size.width
        base = self.rich_style
        if index >= len(self.lines.shown):
            return Strip.blank(width, base)
        line = self.lines.shown[index]
        strip = Strip(self._segments(line, index, base))
        strip = strip.crop_extend(self.scroll_offset.x, self.scroll_offset.x + width, base)
        return strip.apply_offsets(self.scroll_offset.x, index)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text."""
        text = "\n".join(as_text(line, self._name_width) for line in self.lines.shown)
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()

    def action_find(self) -> None:
        """Open the find field."""
        self.post_message(LogView.FindWanted())

    def find(self, text: str) -> None:
        """Mark what matches and go to the newest match at or before the place being read."""
        self.sought = text
        self.wanted = pattern(text) if text else None
        self.here = -1
        self._search()
        if self.found:
            bottom = self.scroll_offset.y + self.size.height
            before = [index for index in self.found if index < bottom]
            self._go(before[-1] if before else self.found[0])
        self._changed()

    def action_next(self, by: int) -> None:
        """Go to the next match, or the one before; around the end."""
        if self.found:
            place = self.found.index(self.here) if self.here in self.found else -1 if by > 0 else 0
            self._go(self.found[(place + by) % len(self.found)])
            self._changed()

    def action_error(self, by: int) -> None:
        """Go to the next line with an error, or the one before; around the end."""
        errors = [n for n, line in enumerate(self.lines.shown) if severity(line) == 2]
        if not errors:
            self.notify("No line shown here has an error.")
            return
        start = self.here if self.here >= 0 else self.scroll_offset.y + (self.size.height if by < 0 else -1)
        if by > 0:
            wanted = next((n for n in errors if n > start), errors[0])
        else:
            wanted = next((n for n in reversed(errors) if n < start), errors[-1])
        self._go(wanted)

    def action_detail(self) -> None:
        """Show all of the marked line, else of the lowest one in sight."""
        shown = self.lines.shown
        if shown:
            lowest = min(len(shown), self.scroll_offset.y + self.size.height) - 1
            index = self.here if 0 <= self.here < len(shown) else lowest
            self.post_message(LogView.DetailWanted(shown[index]))

    def action_export(self) -> None:
        """Write what is shown to a file: into the downloads, or to the browser that shows this."""
        text = "\n".join(as_text(line, self._name_width) for line in self.lines.shown)
        name = time.strftime("wsdash-logs-%Y%m%d-%H%M%S.txt")
        where = getattr(self.app, "exports", None)
        self.app.deliver_text(io.StringIO(text + "\n"), save_directory=where, save_filename=name)

    def action_probes(self) -> None:
        """Show wsdash's own probes, or hide them."""
        self.lines.probes = not self.lines.probes
        self._refilter()

    def action_follow(self) -> None:
        """Follow, or hold still."""
        self._follow(not self.following)
        if self.following:
            self._to_end()

    def action_end(self) -> None:
        """Go to the newest line and follow."""
        self._follow(True)
        self._to_end()

    def action_top(self) -> None:
        """Go to the oldest line and hold still."""
        self._follow(False)
        self._scroll_alone(0)

    def action_container(self) -> None:
        """Show the next container's lines only."""
        self.lines.container = self.lines.next_container()
        self._refilter()

    def action_level(self) -> None:
        """Show less, or all again."""
        self.lines.level = (self.lines.level + 1) % len(LEVELS)
        self._refilter()

    def action_clear(self) -> None:
        """Forget find and filters."""
        self.wanted, self.found, self.here = None, [], -1
        self.lines.container, self.lines.level = "", 0
        self._refilter()

    def badges(self) -> str:
        """What the pane's lower border says: following or not, filters, matches, drops."""
        parts = ["FOLLOW" if self.following else f"HELD +{count(self.unseen)} new (f follows)"]
        if self.lines.container:
            parts.append(f"only {self.lines.container}")
        if self.lines.hidden:
            parts.append(f"{count(self.lines.hidden)} own probes hidden (i)")
        if self.lines.level:
            parts.append(f"{LEVELS[self.lines.level]} only")
        if self.wanted is not None:
            place = self.found.index(self.here) + 1 if self.here in self.found else 0
            parts.append(f"/{self.sought} {place}/{len(self.found)}")
        if self.lines.dropped:
            parts.append(f"newest {count(MOST_LINES)} lines, {count(self.lines.dropped)} older in the spool")
        if self.lost:
            parts.append(f"{count(self.lost)} lost")
        return " · ".join(parts)

    def _segments(self, line: LogLine, index: int, base: Style) -> list[Segment]:
        text = as_text(line, self._name_width)
        level = severity(line)
        styles = [base] * len(text)
        name = 9 + self._name_width
        _paint(styles, 0, 8, base + self._style("log--time"))
        _paint(styles, 9, name, base + self._style("log--name"))
        if line.stream == "stderr":
            _paint(styles, name + 1, name + 4, base + self._style("log--stderr"))
        body = "log--error" if level == 2 else "log--warning" if level == 1 else ""
        if line.stream == "wsdash" and not body:
            body = "log--own"
        if body:
            _paint(styles, name + 5, len(text), base + self._style(body))
        if index == self.here:
            _paint(styles, 0, 8, base + self._style("log--here"))
        if self.wanted is not None:
            mark = base + self._style("log--here" if index == self.here else "log--match")
            for match in self.wanted.finditer(text):
                _paint(styles, match.start(), match.end(), mark)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(index)) is not None:
            start, end = span
            chosen = self.screen.get_component_rich_style("screen--selection")
            _paint(styles, start, len(text) if end == -1 else end, chosen)
        return _runs(text, styles)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name, partial=True)

    def _refilter(self) -> None:
        self.lines.refilter()
        if self.wanted is not None:
            self._search()
        self.unseen = 0
        self._resized()
        self._follow(True)
        self._to_end()
        self.refresh()

    def _search(self, keep: int = 0) -> None:
        self.found = self.lines.matches(self.wanted) if self.wanted is not None else []
        if self.here >= 0:
            self.here -= keep

    def _go(self, index: int) -> None:
        self.here = index
        self._follow(False)
        self._scroll_alone(max(0, index - self.size.height // 2))
        self.refresh()

    def _follow(self, on: bool) -> None:
        self.following = on
        self.unseen = 0
        self._changed()

    def _resized(self) -> None:
        # setting virtual_size lays out the whole screen; only a scrollbar that comes or goes needs that
        size = Size(14 + self._name_width + self._widest, len(self.lines.shown))
        bars = (self.show_vertical_scrollbar, self.show_horizontal_scrollbar)
        if bars != (size.height > self.size.height, size.width > self.size.width):
            self.virtual_size = size
            return
        self.set_reactive(LogView.virtual_size, size)
        if bars[0]:
            self.vertical_scrollbar.window_virtual_size = size.height
        if bars[1]:
            self.horizontal_scrollbar.window_virtual_size = size.width

    def _to_end(self) -> None:
        self._scroll_alone(self.max_scroll_y)

    def _scroll_alone(self, y: float) -> None:
        self._ours = True
        try:
            self.scroll_to(y=y, animate=False, immediate=True, force=True)
        finally:
            self._ours = False

    def _changed(self) -> None:
        self.post_message(LogView.BadgesChanged())


def _paint(styles: list[Style], start: int, end: int, style: Style) -> None:
    end = min(end, len(styles))
    if start < end:
        styles[start:end] = [style] * (end - start)


def _runs(text: str, styles: list[Style]) -> list[Segment]:
    segments: list[Segment] = []
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or styles[index] is not styles[start]:
            segments.append(Segment(text[start:index], styles[start]))
            start = index
    return segments
