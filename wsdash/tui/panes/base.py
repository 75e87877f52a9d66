"""What all panes share: a frame to draw in, cells of fixed width, and a scrolling body redrawn on change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content, Span

from wsdash.tui.freshness import EngineState, Freshness, engine_state
from wsdash.tui.keys import with_keys
from wsdash.tui.looks import ABSENT, DIM, LIVENESS, Look, age
from wsdash.tui.panes.lines import LinesView
from wsdash.tui.viewstate import ViewState

Lines = list[Content]


@dataclass(frozen=True)
class Frame:
    """When and where something is drawn: epoch seconds, cells, whether it is the operator's screen, and the
    keys that differ from their defaults, by id."""

    now: float
    width: int
    height: int = 24
    operator: bool = False
    keys: Mapping[str, str] = field(default_factory=dict, compare=False)

    def with_keys(self, text: str) -> str:
        """Text with the keys that its {ids} have on this screen."""
        return with_keys(self.keys, text)


def cell(text: str, width: int, style: str = "", *, right: bool = False) -> Content:
    """Text cut or padded to exactly `width` cells."""
    if text.isascii() and text.isprintable() and len(text) <= width:  # nearly all, and a frame has hundreds
        padded = text.rjust(width) if right else text.ljust(width)
        return Content.styled(padded, style, width)
    content = Content(" ".join(text.split("\n"))).truncate(max(0, width), ellipsis=True)
    gap = " " * max(0, width - content.cell_length)
    whole = gap + content.plain if right else content.plain + gap
    return Content.styled(whole, style) if style else Content(whole)


def name_cell(text: str, width: int, style: str = "") -> Content:
    """A name in exactly `width` cells, cut in the middle: its end tells names apart as often as its start."""
    flat = " ".join(text.split("\n"))
    if Content(flat).cell_length > width > 2:
        tail = (width - 1) // 2
        while Content(flat[-tail:]).cell_length > (width - 1) // 2 and tail > 1:
            tail -= 1
        head = Content(flat).truncate(width - 1 - Content(flat[-tail:]).cell_length).plain
        flat = f"{head}…{flat[-tail:]}"
    return cell(flat, width, style)


def as_title(text: str) -> str:
    """Text for a border, taken literally: a border would read square brackets as markup."""
    return Content(text).markup


def status(look: Look, width: int) -> Content:
    """Glyph and word of a status in `width` cells."""
    return cell(f"{look.glyph} {look.word}", width, look.style)


def row(*cells: Content | str) -> Content:
    """Cells beside each other, one blank apart."""
    texts, spans, place = list[str](), list[Span](), 0
    for one in cells:
        content = one if isinstance(one, Content) else Content(one)
        spans += [Span(begin + place, end + place, style) for begin, end, style in content.spans]
        texts.append(content.plain)
        place += len(content.plain) + 1
    return Content(" ".join(texts), spans)


def fresh_title(name: str, fresh: Freshness) -> str:
    """A pane's title with its source's liveness when it is not simply live."""
    if fresh.live:
        return name
    look = ABSENT if fresh.absent else LIVENESS[fresh.liveness]
    words = [f"{look.glyph} {look.word}"]
    if fresh.liveness is not None and fresh.age is not None:
        words.append(f"{age(fresh.age)} old")
    if fresh.detail:
        words.append(fresh.detail)
    return f"{name} · {', '.join(words)}"


def nothing_yet(view: ViewState, now: float, what: str) -> Lines:
    """What an empty pane says: why there is nothing, never just a blank."""
    engine = engine_state(view, now)
    words = {
        EngineState.STARTING: f"{what}: waiting for the engine to start",
        EngineState.STOPPED: f"{what}: none were read before the engine stopped",
        EngineState.GONE: f"{what}: none were read before the engine was gone",
    }.get(
        engine,
        f"{what}: " + ("the world is being built" if view.building else "waiting for the first reading"),
    )
    return [Content.styled(words, DIM)]


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
