"""Lines that scroll, each drawn by itself: of new lines only those that differ are drawn and painted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style


class LinesView(ScrollView, can_focus=False):
    """Shows lines. Nothing is laid out when they change, unless a scrollbar comes or goes.

    wraps: lines that are too long go on in the next one; else they end with an ellipsis.
    """

    DEFAULT_CSS = """
    LinesView { overflow-x: hidden; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None, wraps: bool = False) -> None:
        super().__init__(id=id, classes=classes)
        self._wraps = wraps
        self._given: Sequence[Content] = ()
        self._lines: list[Content] = []
        self._strips: dict[int, Strip] = {}
        self._filled_for = Size(0, 0)

    @property
    def allow_select(self) -> bool:
        """Lines can be selected with the mouse and copied."""
        return True

    @property
    def room(self) -> Size:
        """Cells and lines that can be seen at once."""
        return self.scrollable_content_region.size

    def fill(self) -> None:
        """Called before the first line is drawn in another size. Who makes lines for a width shows them here:
        the first frame of a screen, or of a new size, then has them already."""

    def show_lines(self, lines: Sequence[Content]) -> None:
        """Show these; each is at most one line of text, unless they wrap."""
        before, self._given = self._given, lines
        if len(before) != len(lines) or not all(map(_same, before, lines)):
            self._fit()

    def _fit(self) -> None:
        lines = self._given
        before, self._lines = self._lines, self._fitted(lines)
        top, height = self.scroll_offset.y, self.size.height
        for number, (old, new) in enumerate(zip(before, self._lines, strict=False)):
            if not _same(old, new):
                self._strips.pop(number, None)
                if top <= number < top + height:
                    self.refresh_line(number)
        common = min(len(before), len(self._lines))
        if len(before) != len(self._lines):
            for number in range(common, max(len(before), len(self._lines))):
                self._strips.pop(number, None)
            self.refresh_lines(common, max(len(before), len(self._lines)) - common)
            resize_alone(self, Size(0, len(self._lines)))

    def on_resize(self) -> None:
        """Lines wrap anew."""
        self._strips.clear()
        if self._wraps:
            self._fit()
        if self.styles.overflow_y == "scroll":
            resize_alone(self, Size(0, len(self._lines)))

    def notify_style_update(self) -> None:
        """Colours changed."""
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """One line of the visible part."""
        if self._filled_for != self.size:
            self._filled_for = self.size
            self.fill()
        index = self.scroll_offset.y + y
        strip = self._strips.get(index)
        if strip is None:
            strip = self._strips[index] = self._drawn(index)
        return strip

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text."""
        return selection.extract("\n".join(line.plain for line in self._lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self._strips.clear()
        self.refresh()

    def scroll_to_line(self, number: int) -> None:
        """Bring a line into sight, moving no further than needed."""
        top, height = self.scroll_offset.y, self.room.height
        if number < top:
            self.scroll_to(y=number, animate=False, immediate=True, force=True)
        elif height and number >= top + height:
            self.scroll_to(y=number - height + 1, animate=False, immediate=True, force=True)

    def _fitted(self, lines: Sequence[Content]) -> list[Content]:
        width = self.room.width
        if self._wraps and width > 0:
            return [part for line in lines for part in line.wrap(width)]
        return [part for line in lines for part in (line.split() if "\n" in line.plain else (line,))]

    def _drawn(self, index: int) -> Strip:
        width, base = self.size.width, self.visual_style
        if index >= len(self._lines):
            return Strip.blank(width, base.rich_style)
        line = self._lines[index]
        if line.cell_length > width:
            line = line.truncate(width, ellipsis=True)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(index)) is not None:
            start, end = span
            chosen = Style.from_styles(self.screen.get_component_styles("screen--selection"))
            line = line.stylize(chosen, start, len(line.plain) if end == -1 else end)
        strip = Strip(line.render_segments(base), line.cell_length)
        return _placed(strip.extend_cell_length(width, base.rich_style), index)


def _same(old: Content, new: Content) -> bool:
    return old is new or new.is_same(old)


def _placed(strip: Strip, index: int) -> Strip:
    """As Strip.apply_offsets(0, index), which selecting with the mouse needs; styles are made once."""
    place, segments = 0, []
    for text, style, _ in strip:
        segments.append(Segment(text, _style_at(style, place, index)))
        place += len(text)
    return Strip(segments, strip.cell_length)


@lru_cache(4096)
def _style_at(style: RichStyle | None, x: int, y: int) -> RichStyle:
    offset = RichStyle.from_meta({"offset": (x, y)})
    return style + offset if style else offset


def resize_alone(view: ScrollView, size: Size) -> None:
    """Set a view's virtual size without laying out the whole screen.

    Only where a scrollbar comes or goes, or the view is as high as its lines, it is laid out.
    """
    always = view.styles.overflow_y == "scroll"  # its bar is blank where all fits
    if always:
        size = Size(size.width, max(size.height, view.size.height))
    auto = view.styles.height is not None and view.styles.height.is_auto
    bars = (view.show_vertical_scrollbar, view.show_horizontal_scrollbar)
    if auto or bars != (always or size.height > view.size.height, size.width > view.size.width):
        view.virtual_size = size
        return
    view.set_reactive(ScrollView.virtual_size, size)
    if bars[0]:
        view.vertical_scrollbar.window_virtual_size = size.height
    if bars[1]:
        view.horizontal_scrollbar.window_virtual_size = size.width
