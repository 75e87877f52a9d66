"""All keys that work behind the panel and what the signs mean, searchable; and jump mode.

Jumping puts a label on everything that can be gone to; its key goes there, every other key leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.errors import NoWidget
from textual.geometry import Offset, Size
from textual.widget import Widget
from textual.widgets import Input, Static

from wsdash.tui.drawn.cells import Frame, Lines, cell, row, written
from wsdash.tui.drawn.looks import BUSY, DIM, ITEM, KIND, LIVENESS, TITLE, Look
from wsdash.tui.keys import bindings_now
from wsdash.tui.modal import Modal, ViewPanel
from wsdash.tui.state.viewstate import ViewState

NARROW = 100
KEYS, NAME, ID = 16, 16, 20
SIGNS: tuple[Look, ...] = (
    *ITEM.values(),
    *KIND.values(),
    *(look for liveness, look in LIVENESS.items() if liveness is not None),
    Look("~", "estimated count", ""),
    Look("×", "probe failed", ""),
    Look("·", "no readings", ""),
    Look("?", "unknown", ""),
)


def bindings_of(nodes: Iterable[DOMNode]) -> list[tuple[str, list[tuple[Binding, list[str]]]]]:
    """Every described binding with an id of these nodes with its keys, by the node's heading."""
    groups: list[tuple[str, list[tuple[Binding, list[str]]]]] = []
    known: set[str] = set()
    for node in nodes:
        found: dict[str, tuple[Binding, list[str]]] = {}
        for binding in bindings_now(node):
            if binding.id and binding.id not in known:
                shown = binding.key_display or written(binding.key)
                keys = found.setdefault(binding.id, (binding, []))[1]
                if shown not in keys:
                    keys.append(shown)
        known |= set(found)
        if found:
            groups.append((getattr(node, "HELP_TITLE", type(node).__name__), list(found.values())))
    return groups


def draw_help(
    groups: Sequence[tuple[str, Sequence[tuple[Binding, Sequence[str]]]]], sought: str, width: int
) -> Lines:
    """The keys by place and the signs, of which every word of `sought` is found in what is said of them."""
    words = sought.lower().split()
    lines: Lines = []
    for title, bindings in groups:
        fitting = [
            _line(binding, " ".join(keys), width)
            for binding, keys in bindings
            if _fits(words, *keys, binding.description, binding.tooltip, binding.id or "", title)
        ]
        if fitting:
            lines += [*([Content("")] if lines else []), Content.styled(title, TITLE), *fitting]
    signs = [look for look in SIGNS if _fits(words, look.glyph, look.word, "signs")]
    if signs:
        lines += [*([Content("")] if lines else []), Content.styled("Signs", TITLE)]
        lines += _signs(signs, width)
    return lines or [Content.styled(f"No key and no sign matches {sought!r}.", DIM)]


def _fits(words: Sequence[str], *said: str) -> bool:
    text = " ".join(said).lower()
    return all(word in text for word in words)


def _line(binding: Binding, keys: str, width: int) -> Content:
    narrow = width < NARROW
    name = [] if narrow else [cell(binding.description, NAME)]
    pressed = KEYS - 6 if narrow else KEYS
    room = width - pressed - ID - 2 - (NAME + 1 if name else 0)
    tip = cell(binding.tooltip or binding.description, max(12, room), DIM)
    line = row(cell(keys, pressed, BUSY), *name, tip, Content.styled(binding.id or "", DIM))
    return line.truncate(width, ellipsis=True)


def _signs(signs: Sequence[Look], width: int) -> Lines:
    """As many beside each other as fit."""
    widest = max(len(look.word) for look in signs) + 4
    many = max(1, width // widest)
    cells = [Content.assemble((look.glyph, look.style), f" {look.word:<{widest - 2}}") for look in signs]
    return [Content("").join(cells[at : at + many]) for at in range(0, len(cells), many)]


class HelpPanel(ViewPanel):
    """All keys, made from the bindings that are really there, with the ids that wsdash.yaml knows them by."""

    NAME = "Keys"

    def __init__(self, view: ViewState, frame: Frame, nodes: Sequence[DOMNode]) -> None:
        super().__init__(view, frame)
        self._groups = bindings_of(nodes)
        self._sought = Input(placeholder="search keys and signs", id="sought", compact=True)

    def compose(self) -> ComposeResult:
        """The field over the lines."""
        with Vertical(classes="panel") as panel:
            panel.border_title = self.NAME
            panel.border_subtitle = self.with_keys(
                "type to search · {panel.close} closes · other keys: screen.keys of wsdash.yaml, by these ids"
            )
            yield self._sought
            with VerticalScroll(can_focus=False):
                yield self._body

    def on_mount(self) -> None:
        """Begin with the field."""
        super().on_mount()
        self._sought.focus()

    def on_key(self, event: events.Key) -> None:
        """The first Escape forgets what was sought."""
        if event.key == "escape" and self._sought.value:
            event.stop()
            self._sought.value = ""

    @on(Input.Changed)
    def _typed(self) -> None:
        self._redraw()
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """What the search leaves of all keys and signs."""
        return draw_help(self._groups, self._sought.value, frame.width)


LABELS = "asdfghjklqwertyuiopzxcvbnm1234567890ASDFGHJKLQWERTYUIOPZXCVBNM"


class Target(NamedTuple):
    """Where a jump may go: the cell for the label, and what goes there."""

    at: Offset
    go: Callable[[], None]


def place_of(widget: Widget) -> Offset | None:
    """The widget's first cell on the screen; None while nothing of it is seen."""
    try:
        seen = widget.screen.find_widget(widget).visible_region
    except NoWidget:
        return None
    return seen.offset if seen else None


def labelled(targets: Sequence[Target], acting: Iterable[str]) -> dict[str, Target]:
    """A label for each target, none of them a key that acts: one typed ahead comes before the labels do."""
    free = [label for label in LABELS if label not in set(acting)]
    return dict(zip(free, targets, strict=False))


class JumpScreen(Modal[Target | None]):
    """The labels over the screen; answers with the target that was chosen."""

    def __init__(self, targets: dict[str, Target]) -> None:
        super().__init__()
        self._targets = targets
        self._made_for: Size | None = None

    def compose(self) -> ComposeResult:
        """One label a target."""
        for label, target in self._targets.items():
            mark = Static(f"{label} ", classes="label", markup=False)
            mark.styles.offset = (target.at.x, target.at.y)
            yield mark

    def on_key(self, event: events.Key) -> None:
        """A label goes there; anything else leaves."""
        event.stop()
        event.prevent_default()
        self.dismiss(self._targets.get(event.character or ""))

    def on_click(self) -> None:
        """A click leaves."""
        self.dismiss(None)

    def on_resize(self, event: events.Resize) -> None:
        """The labels are where things were: they end with that."""
        if self._made_for not in (None, event.size):
            self.dismiss(None)
        self._made_for = event.size
