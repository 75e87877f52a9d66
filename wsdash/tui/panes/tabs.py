"""The panes by number, when only one is seen at a time, each with a badge for what is wrong there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from textual.content import Content
from textual.widgets import Static

from wsdash.model import ItemState
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.looks import BAD
from wsdash.tui.state.viewstate import ViewState

PANES = {
    "checklist": "The plan and its evidence",
    "containers": "Containers and their health",
    "rows": "Row counts of both sides",
    "latency": "How fast everything answers",
    "logs": "What the containers write",
}
_SERIES = {"latency": "latency", "errors": "logs", "backup": "rows", "wal-lag": "rows"}
"""First word of an alert's series -> the pane that shows it; the rest shows on the containers' tab."""


def badges(view: ViewState, now: float) -> dict[str, int]:
    """Pane -> how much there needs a person: alerts that nobody looks after, and items that failed."""
    found: Counter[str] = Counter()
    for span in view.alerting.unheeded(now):
        found[_SERIES.get(span.series.partition(":")[0], "containers")] += 1
    found["checklist"] += sum(look.state is ItemState.FAILED for look in view.run.items.values())
    return {pane: number for pane, number in found.items() if number}


def draw_tabs(current: str, wrong: Mapping[str, int]) -> Content:
    """One line; each tab is a link to its pane."""
    tabs = []
    for number, name in enumerate(PANES, 1):
        style = "reverse bold" if name == current else ""
        link = f"@click=screen.pane({number})"
        tab = f"[{style} {link}]" if style else f"[{link}]"
        tab += f" {number} {name.capitalize()} [/]"
        if name in wrong:
            sign = "✗" if name == "checklist" else "▲"
            tab += f"[{BAD} reverse]{sign}{wrong[name]}[/]"  # no link: a link's colour would be the tab's
        tabs.append(Content.from_markup(tab))
    return Content(" ").join(tabs)


def tab_places(wrong: Mapping[str, int]) -> list[int]:
    """The cell at which each tab begins."""
    places, place = [], 0
    for number, name in enumerate(PANES, 1):
        places.append(place)
        place += len(f" {number} {name} ") + (1 + len(str(wrong[name])) if name in wrong else 0) + 1
    return places


class TabBar(Static):
    """One line; a click chooses."""

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._current = ""
        self._wrong: dict[str, int] = {}

    def mark(self, current: str) -> None:
        """Mark the current pane."""
        self._draw(current, self._wrong)

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render what is wrong where."""
        self._draw(self._current, badges(view, frame.now))

    def places(self) -> list[int]:
        """The cell at which each tab begins."""
        return tab_places(self._wrong)

    def _draw(self, current: str, wrong: dict[str, int]) -> None:
        if (current, wrong) != (self._current, self._wrong):
            self._current, self._wrong = current, wrong
            self.update(draw_tabs(current, wrong), layout=False)
