"""Rows that both sides changed, side by side, and which side's row stays: chosen one by one, or for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from wsdash.model import ConflictFound, ConflictsFound
from wsdash.tui.drawn.cells import Frame, Lines, cell, name_cell, row
from wsdash.tui.drawn.looks import BAD, DIM, GOOD, TITLE, WARN, count
from wsdash.tui.modal import ViewPanel
from wsdash.tui.state.viewstate import ViewState

SIDES = {"source": "old database", "target": "new database"}
"""Whose row may stay, in the order of the columns."""
KEEPS = {"source": "◀ keep the old", "target": "keep the new ▶", "": "? choose"}
COLUMN = 14
"""Cells for the name of a column."""


def draw_conflicts(
    found: ConflictsFound, width: int, chosen: Mapping[str, str] | None = None, selected: int = -1
) -> tuple[Lines, list[int]]:
    """The rows side by side, and at which line each begins. chosen: the side by a row's id; None: nobody is
    asked."""
    lines: Lines = [_head(found, chosen), _columns("", *SIDES.values(), width=width).stylize(TITLE)]
    begins = []
    for place, conflict in enumerate(found.rows):
        begins.append(len(lines))
        lines += _conflict(
            conflict, width, None if chosen is None else chosen.get(conflict.id, ""), place == selected
        )
    if found.total > len(found.rows):
        more = found.total - len(found.rows)
        lines.append(Content.styled(f"and {count(more)} more, which are shown when these are decided", DIM))
    return lines, begins


def _head(found: ConflictsFound, chosen: Mapping[str, str] | None) -> Content:
    text = Content.styled(f"{count(found.total)} rows were changed on both sides", TITLE)
    if chosen is None:
        return text
    left = sum(conflict.id not in chosen for conflict in found.rows)
    state = (f"  {count(left)} to choose", WARN) if left else ("  all chosen", GOOD)
    return text + Content.styled(*state)


def _conflict(conflict: ConflictFound, width: int, side: str | None, selected: bool) -> Lines:
    mark = Content.styled("❯" if selected else " ", TITLE)
    word = "" if side is None else KEEPS[side]
    name = name_cell(conflict.id, max(10, width - len(word) - 4))
    line = row(mark, name, Content.styled(word, GOOD if side else WARN))
    lines = [line.stylize("on $primary-muted 60%") if selected else line]
    if conflict.gone:
        text = [("no such row" if conflict.gone == one else "the row as it is there") for one in SIDES]
        lines.append(_columns("", *text, width=width, side=side or ""))
    lines += [
        _columns(one.column, one.source, one.target, width=width, side=side or "") for one in conflict.cells
    ]
    if not conflict.gone and not conflict.cells:  # of a journal that has them as lines only
        lines += [Content(f"    {text}") for text in conflict.lines]
    return lines


def _columns(name: str, old: str, new: str, *, width: int, side: str = "") -> Content:
    each = max(10, (width - COLUMN - 6) // 2)
    looks = {"source": (GOOD, DIM), "target": (DIM, GOOD)}.get(side, ("", ""))
    cells = (cell(text, each, look) for text, look in zip((old, new), looks, strict=True))
    return row(" ", name_cell(name, COLUMN, DIM), *cells)


class ConflictsPanel(ViewPanel):
    """Has a side chosen for each row. choices: by the row's id; decided: Enter was pressed when all were."""

    NAME = "Rows that both sides changed"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="panel.close", tooltip="Back, with nothing decided"),
        Binding("down,j", "move(1)", "Down", show=False, id="conflicts.down", tooltip="The row below"),
        Binding("up,k", "move(-1)", "Up", show=False, id="conflicts.up", tooltip="The row above"),
        Binding("left", "keep('source')", "Old", id="conflicts.old", tooltip="Keep the old database's row"),
        Binding("right", "keep('target')", "New", id="conflicts.new", tooltip="Keep the new database's row"),
        Binding(
            "less_than_sign",
            "keep_all('source')",
            "All old",
            id="conflicts.allold",
            tooltip="Of every row keep the old database's",
        ),
        Binding(
            "greater_than_sign",
            "keep_all('target')",
            "All new",
            id="conflicts.allnew",
            tooltip="Of every row keep the new database's",
        ),
        Binding(
            "enter", "decide", "Go on", id="conflicts.decide", tooltip="Go on, when every row has a side"
        ),
    ]

    def __init__(self, view: ViewState, frame: Frame) -> None:
        super().__init__(view, frame)
        self.choices: dict[str, str] = {}
        self.decided = False
        self._selected = 0
        self._begins: list[int] = []
        self._lacking = False

    def on_mount(self) -> None:
        """Say which keys there are."""
        super().on_mount()
        self.query_one(".panel").border_subtitle = self.with_keys(
            "{conflicts.old} old · {conflicts.new} new · {conflicts.allold} all old · "
            "{conflicts.allnew} all new · {conflicts.decide} goes on · {panel.close}"
        )

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """Every row with its choice."""
        found = view.run.conflicts
        if found is None:
            return [Content.styled("No row waits for a choice any more.", DIM)]
        lines, self._begins = draw_conflicts(found, frame.width, self.choices, self._selected)
        if self._lacking and (left := len([one for one in found.rows if one.id not in self.choices])):
            lines.insert(1, Content.styled(f"✗ {count(left)} rows have no side yet", BAD))
            self._begins = [one + 1 for one in self._begins]
        return lines

    @property
    def _rows(self) -> Sequence[ConflictFound]:
        found = self._view.run.conflicts
        return () if found is None else found.rows

    def action_move(self, by: int) -> None:
        """Move the cursor, and keep it in sight."""
        self._selected = max(0, min(len(self._rows) - 1, self._selected + by))
        self._redraw()
        if self._begins:
            top = self._begins[self._selected] - self.size.height // 3 if self._selected else 0
            self.query_one(VerticalScroll).scroll_to(y=max(0, top), animate=False)

    def action_keep(self, side: str) -> None:
        """Of this row that side's stays; go to the next one."""
        if self._rows:
            self.choices[self._rows[self._selected].id] = side
            self.action_move(1)

    def action_keep_all(self, side: str) -> None:
        """Of every row that side's stays."""
        self.choices = {one.id: side for one in self._rows}
        self._redraw()

    def action_decide(self) -> None:
        """Close with the choices, unless a row lacks one: then go there."""
        lacking = [place for place, one in enumerate(self._rows) if one.id not in self.choices]
        if lacking or not self._rows:
            self._lacking, self._selected = True, lacking[0] if lacking else 0
            self.action_move(0)
            return
        self.decided = True
        self.dismiss()
