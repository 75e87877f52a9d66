"""Jump mode: a label on everything that can be gone to; its key goes there, every other key leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.errors import NoWidget
from textual.geometry import Offset, Size
from textual.widget import Widget
from textual.widgets import Static

from wsdash.tui.screens.modal import Modal

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
