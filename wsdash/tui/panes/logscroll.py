"""The log view's lines on the screen: drawn one by one, broken or not, following or held still."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import islice
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from wsdash.model import LogLine
from wsdash.tui.panes.lines import resize_alone
from wsdash.tui.state.loglines import LogLines, Search, as_text, severity

PREFIX = 14
"""Cells of a line before its text, beside the name."""
LEAST = 20
"""Where less room would be left behind the time and the name, later rows begin at the left edge."""


def indent_of(width: int, prefix: int) -> int:
    """Cells by which the later rows of a broken line are moved in."""
    return prefix if width - prefix >= LEAST else 0


def breaks(text: str, width: int, prefix: int) -> list[int]:
    """Where the rows of a line begin in its text. prefix: cells before what is aligned below each other."""
    width = max(1, width)
    after = width - indent_of(width, prefix)
    if text.isascii():
        return [0, *range(width, len(text), after)]
    begins, room = [0], width
    for place, sign in enumerate(text):
        cells = cell_len(sign)
        if cells > room and place > begins[-1]:
            begins.append(place)
            room = after
        room -= cells
    return begins


class LogRows:
    """The rows of all lines at one width, kept up as lines come at the end and go at the top."""

    def __init__(self, lines: Iterable[LogLine], width: int, name_width: int) -> None:
        self._width, self._name_width = width, name_width
        self._begins: list[int] = []
        self._end = 0
        self.extend(lines)

    def __len__(self) -> int:
        return self._end - (self._begins[0] if self._begins else self._end)

    def extend(self, lines: Iterable[LogLine]) -> None:
        """New lines at the end."""
        for line in lines:
            self._begins.append(self._end)
            text = as_text(line, self._name_width)
            self._end += len(breaks(text, self._width, self._name_width + PREFIX))

    def drop(self, lines: int) -> int:
        """So many lines went at the top; how many rows they took."""
        before = len(self)
        del self._begins[:lines]
        return before - len(self)

    def row(self, line: int) -> int:
        """The first row of a line; behind the last one, the number of rows."""
        if line >= len(self._begins):
            return len(self)
        return self._begins[line] - self._begins[0]

    def line(self, row: int) -> tuple[int, int]:
        """The line that a row belongs to, and which of its rows it is."""
        at = row + (self._begins[0] if self._begins else 0)
        found = max(0, bisect_right(self._begins, at) - 1)
        return found, at - (self._begins[found] if self._begins else 0)


LONGEST_NAME = 24


class LogScroll(ScrollView, can_focus=True):
    """Lines drawn straight from the deque; nothing is laid out, so a flood costs little."""

    class BadgesChanged(Message):
        """What the lower border says changed."""

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

    def __init__(self) -> None:
        super().__init__(id="logview")
        self.live = LogLines()
        self.lines = self.live
        """What is looked at: the newest lines, or a piece of the past out of the spool."""
        self.following = True
        self.wrapped = False
        self.unseen = 0
        self.search = Search()
        self.here = -1
        """The number of the marked line (see LogLines.gone), -1 for none."""
        self.included = ""
        self.lost = 0
        self._name_width = 8
        self._widest = 0
        self._ours = False
        self._rows: LogRows | None = None

    @property
    def allow_select(self) -> bool:
        """Lines can be selected with the mouse and copied."""
        return True

    @property
    def in_past(self) -> bool:
        """Whether a piece of the past is looked at."""
        return self.lines is not self.live

    def extend(self, lines: Iterable[LogLine], lost: int = 0) -> None:
        """Add new lines; the reader's place does not move unless following."""
        lines = tuple(lines)
        self.lost += lost
        if not lines:
            return
        added, pruned = self.live.extend(lines)
        if self.in_past:
            self.unseen += added
            return
        width = self._name_width
        self._measure(lines)
        if not added and not pruned:
            return
        self.search.look(self.lines, added)
        gone = self._keep_rows(added, pruned, anew=width != self._name_width)
        self._resized()
        if self.following:
            self._to_end()
        else:
            self.unseen += added
            if pruned:
                self._scroll_alone(max(0, self.scroll_offset.y - gone))
        self.refresh()

    def show_past(self, lines: Iterable[LogLine], at: float | None = None) -> None:
        """Look at these lines instead of the newest: at the first since `at`, else at the last."""
        past = LogLines(self.live.container, self.live.level, self.live.probes)
        past.include, past.context = self.live.include, self.live.context
        past.extend(lines)
        self._look_at(past)
        self.go_to_time(at if at is not None else float("inf"))

    def go_to_time(self, at: float) -> None:
        """Mark the first line at or after that moment (epoch seconds), else the last one.

        Lines are in the order they came, which is about, not wholly, in order of time.
        """
        shown = self.lines.shown
        since = [(line.at, number) for number, line in enumerate(shown) if line.at >= at]
        if shown:
            self._go((min(since)[1] if since else len(shown) - 1) + self.lines.gone)

    def _look_at(self, lines: LogLines) -> None:
        self.lines, self.here, self._widest = lines, -1, 0
        self._measure(lines.all)
        self._refilter()

    def _measure(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            self._name_width = min(LONGEST_NAME, max(self._name_width, len(line.container)))
            self._widest = max(self._widest, len(line.text))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Somebody scrolled: away from the end means hold still, back to it means follow."""
        super().watch_scroll_y(old_value, new_value)
        if self._ours or old_value == new_value:
            return
        at_end = new_value >= self.max_scroll_y
        if at_end != self.following:
            self._follow(at_end)

    def on_resize(self) -> None:
        """Stay at the end when following; break lines at the new width."""
        top = self._line_at(self.scroll_offset.y)
        if self.wrapped:
            self._break()
        if self.following:
            self._to_end()
        elif self._rows is not None:
            self._scroll_alone(self._rows.row(top))

    def watch_show_vertical_scrollbar(self) -> None:
        """A scrollbar that comes takes a cell of every row."""
        if self.wrapped:
            self.call_after_refresh(self._break)

    def render_line(self, y: int) -> Strip:
        """One row of the visible part."""
        row = self.scroll_offset.y + y
        width = self.size.width
        base = self.rich_style
        index, part = (row, 0) if self._rows is None else self._rows.line(row)
        if index >= len(self.lines.shown) or row >= self._height():
            return Strip.blank(width, base)
        line = self.lines.shown[index]
        strip = Strip(self._segments(line, index, base))
        if self._rows is None:
            left = self.scroll_offset.x
            return strip.crop_extend(left, left + width, base).apply_offsets(left, index)
        return self._broken(strip, index, part, base)

    def _broken(self, strip: Strip, index: int, part: int, base: Style) -> Strip:
        """One of the rows of a line that is broken at the width."""
        width, prefix = self._width, self._prefix
        begins = breaks(strip.text, width, prefix)
        begin = begins[min(part, len(begins) - 1)]
        end = begins[part + 1] if part + 1 < len(begins) else len(strip.text)
        cells = cell_len(strip.text[:begin])
        row = strip.crop(cells, cells + cell_len(strip.text[begin:end])).apply_offsets(begin, index)
        if part and (indent := indent_of(width, prefix)):
            row = Strip.join([Strip.blank(indent, base), row])
        return row.adjust_cell_length(self.size.width, base)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text."""
        text = "\n".join(as_text(line, self._name_width) for line in self.lines.shown)
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()

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
        if not self.lines.includes(line):
            body = "log--time"
        if body:
            _paint(styles, name + 5, len(text), base + self._style(body))
        marked = index + self.lines.gone == self.here
        if marked:
            _paint(styles, 0, 8, base + self._style("log--here"))
        if self.search.wanted is not None:
            mark = base + self._style("log--here" if marked else "log--match")
            for match in self.search.wanted.finditer(text):
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
        self.here = -1
        self.search.look(self.lines)
        self.unseen = 0
        self._break()
        self._follow(not self.in_past)
        self._to_end()
        self.refresh()

    def _go(self, number: int) -> None:
        if number < self.lines.gone:
            return
        self.here = number
        index = number - self.lines.gone
        self._follow(False)
        row = index if self._rows is None else self._rows.row(index)
        self._scroll_alone(max(0, row - self.size.height // 2))
        self.refresh()

    @property
    def _width(self) -> int:
        """Cells of a row beside the scrollbar."""
        return int(self.scrollable_content_region.width)

    @property
    def _prefix(self) -> int:
        return self._name_width + PREFIX

    def _break(self) -> None:
        """Reckon all rows anew."""
        shown = self.lines.shown
        self._rows = LogRows(shown, self._width, self._name_width) if self.wrapped else None
        self._resized()

    def _keep_rows(self, added: int, pruned: int, anew: bool) -> int:
        """Keep the rows up with lines that came and went; how many rows went at the top."""
        if self._rows is None:
            return pruned
        gone = self._rows.drop(pruned)
        shown = self.lines.shown
        if anew:
            self._rows = LogRows(shown, self._width, self._name_width)
        else:
            self._rows.extend(islice(shown, max(0, len(shown) - added), None))
        return gone

    def _height(self) -> int:
        return len(self.lines.shown) if self._rows is None else len(self._rows)

    def _line_at(self, row: int) -> int:
        """The place in `shown` of the line that a row belongs to."""
        return row if self._rows is None else self._rows.line(max(0, row))[0]

    def _follow(self, on: bool) -> None:
        self.following = on
        self.unseen = 0
        self._changed()

    def _resized(self) -> None:
        width = self._prefix + self._widest if self._rows is None else 0
        resize_alone(self, Size(width, self._height()))

    def _to_end(self) -> None:
        self._scroll_alone(self.max_scroll_y)

    def _scroll_alone(self, y: float) -> None:
        self._ours = True
        try:
            self.scroll_to(y=y, animate=False, immediate=True, force=True)
        finally:
            self._ours = False

    def _changed(self) -> None:
        self.post_message(LogScroll.BadgesChanged())


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
