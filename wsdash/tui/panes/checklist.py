"""The checklist pane: three phases, one line an item, and the selected item's evidence below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Offset
from textual.message import Message

from wsdash.engine.outlook import rehearsal_summary, trustworthy
from wsdash.model import ItemKind, ItemState, Meaning, Phase
from wsdash.model.fold import ItemView
from wsdash.plan import Item, Plan
from wsdash.tui.drawn.cells import Frame, Lines, cell, row
from wsdash.tui.drawn.lead import attention, lacking, short_title
from wsdash.tui.drawn.looks import (
    BAD,
    BUSY,
    DIM,
    DOING,
    GOOD,
    ITEM,
    KIND,
    PHASE,
    SPINNER,
    TITLE,
    WARN,
    bar,
    clock,
    count,
    plain_title,
    size,
    took,
)
from wsdash.tui.panes.lines import LinesView
from wsdash.tui.state.freshness import EngineState, engine_state
from wsdash.tui.state.transfers import Transfer
from wsdash.tui.state.viewstate import ViewState

TIME = 6

ENTER = {
    ItemKind.AUTO: "{do.run} runs it",
    ItemKind.CONFIRM: "{do.run} confirms it",
    ItemKind.WATCH: "its time makes it done; {do.run} shows how far it is",
}
"""What the key that runs does to a pending item."""


def item_line(item: Item, view: ViewState, frame: Frame, selected: bool) -> Content:
    """Glyph, title, kind and time of one item."""
    look = view.run.item(item.id)
    mark = ITEM[look.state]
    moving = engine_state(view, frame.now) in (EngineState.LIVE, EngineState.SLOW)
    glyph, time = mark.glyph, ""
    if look.state is ItemState.RUNNING:
        glyph = SPINNER[int(frame.now * 8) % len(SPINNER)] if moving else "‖"
        time = clock((frame.now if moving else view.last_at) - look.changed_at)
    elif look.seconds:
        time = took(look.seconds)
    word = mark.word if frame.width >= 60 else ""
    side = f"{word:>7} " if word else ""
    room = frame.width - 2 - 2 - len(side) - TIME - 3
    title = plain_title(item.title)
    line = row(
        Content.styled("❯" if selected else " ", TITLE),
        Content.styled(glyph, mark.style),
        cell(
            title if len(title) <= room else short_title(item),
            room,
            "" if look.state is not ItemState.PENDING else "$foreground 85%",
        ),
        Content.styled(f"{side}{KIND[item.kind].glyph}", mark.style if word else DIM),
        cell(time, TIME, right=True),
    )
    return line.stylize("on $primary-muted 60%") if selected else line


def phase_line(phase: Phase, plan: Plan, view: ViewState, frame: Frame) -> Content:
    """A phase's name and how many of its items are done."""
    items = [item for item in plan.items if item.phase is phase]
    done = sum(view.run.item(item.id).satisfied for item in items)
    text = f"{PHASE[phase]} {done}/{len(items)}"
    return cell(text, frame.width, TITLE)


def detail_lines(item: Item, view: ViewState, frame: Frame) -> Lines:
    """What is known of the selected item: state, evidence or error with remedy, and its progress."""
    look = view.run.item(item.id)
    mark = ITEM[look.state]
    what = KIND[item.kind]
    lines = [
        Content.assemble(
            (f"{mark.glyph} {mark.word}", mark.style), f" · {item.id} · {what.glyph} {what.word}", _who(look)
        )
    ]
    if look.state is ItemState.RUNNING:
        moving = view.transfers.get(item.id, {})
        now = DOING.get(view.doing.get(item.id, ""), "running")
        if now != mark.word:
            lines[0] = lines[0] + Content.styled(f" · {now}", BUSY)
        if (overall := view.overall.get(item.id)) is not None:
            lines.append(progress_line(overall, frame.width))
        newest = sorted(moving.values(), key=lambda t: (t.progress.finished, -t.marks[-1].at))
        lines += [progress_line(transfer, frame.width) for transfer in newest]
    elif look.evidence:
        lines.append(Content.styled(look.evidence, BAD if look.state is ItemState.FAILED else ""))
    if look.remedy:
        lines.append(Content.assemble(("→ ", BUSY), look.remedy))
    if item.means(Meaning.CLOSES_SOURCE) and look.state is ItemState.PENDING:
        lines.append(_rehearsed(view, frame))
    needs = lacking(item, view)
    if needs and look.state is ItemState.PENDING:
        lines.append(Content.styled(f"needs {', '.join(needs)}", DIM))
    elif len(lines) == 1 and frame.operator and look.state is ItemState.PENDING:
        lines.append(Content.styled(frame.with_keys(ENTER[item.kind]), DIM))
    return [*lines, Content.styled(plain_title(item.title), DIM)]


def _rehearsed(view: ViewState, frame: Frame) -> Content:
    """The newest rehearsal and its age: what whoever is about to stop the old service must know."""
    newest = view.run.rehearsal
    style = GOOD if trustworthy(newest, frame.now) else WARN
    return Content.styled(rehearsal_summary(newest, frame.now), style)


def _who(look: ItemView) -> str:
    return f" · by {look.who}" if look.who else ""


def progress_line(transfer: Transfer, width: int) -> Content:
    """Subject, bar, rows, bytes, rates and time left of one transfer: what fits, the most telling first."""
    p = transfer.progress
    head = row(
        Content.styled("✓" if p.finished else "▶", ITEM[ItemState.DONE].style if p.finished else BUSY),
        Content.styled(bar(transfer.fraction, max(6, min(16, width // 6))), BUSY),
        p.subject.rpartition(".")[2],
    )
    room = width - head.cell_length - 1
    figures = next((text for text in _numbers(transfer) if len(text) <= room), "")
    return row(head, figures).truncate(width, ellipsis=True)


def _numbers(transfer: Transfer) -> Iterator[str]:
    """What to say of a transfer, from everything to the least."""
    p = transfer.progress
    of = "" if p.total_rows is None else f"/{count(p.total_rows)}"
    rows = f"{count(p.rows)}{of} rows" if p.rows or p.total_rows is not None else ""
    left = "" if p.finished or transfer.seconds_left is None else f"{clock(transfer.seconds_left)} left"
    rate, flow = transfer.rows_per_second, transfer.bytes_per_second
    rates = (
        [] if p.finished else [f"{count(round(rate))}/s" if rate else "", f"{size(flow)}/s" if flow else ""]
    )
    moved = size(p.bytes) if p.bytes else ""
    part = "" if transfer.fraction is None else f"{transfer.fraction:.0%}"
    for parts in (
        (rows, moved, *rates, left, p.activity),
        (rows, moved, *rates, left),
        (rows, *rates, left),
        (rows, left),
        (part, *rates[:1], left),
        (part, left),
        (part,),
    ):
        yield " · ".join(text for text in parts if text)


class ItemList(LinesView):
    """The lines of the list; a click selects one, a double click is Enter."""

    def __init__(self, plan: Plan, fill: Callable[[], None]) -> None:
        super().__init__(classes="list")
        self._fill = fill
        self.items: list[Item | None] = []
        """What each line is about; None: the name of a phase."""
        for phase in Phase:
            self.items += [None, *(item for item in plan.items if item.phase is phase)]

    def fill(self) -> None:
        """Have the lines drawn for the new width."""
        self._fill()

    def line_of(self, item: Item) -> int:
        """The number of an item's line, from 0."""
        return self.items.index(item)

    def on_click(self, event: events.Click) -> None:
        """Tell the list."""
        number = self.scroll_offset.y + event.y
        item = self.items[number] if 0 <= number < len(self.items) else None
        if item is not None:
            self.post_message(Checklist.Clicked(item, event.chain >= 2))


class Checklist(Vertical, can_focus=True):
    """The plan with its items' states; the cursor is where Enter, r, x and e apply."""

    HELP_TITLE: ClassVar[str] = "In the checklist"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Item above", show=False, id="list.up", tooltip="Select the item above"),
        Binding(
            "down,j", "move(1)", "Item below", show=False, id="list.down", tooltip="Select the item below"
        ),
        Binding(
            "home,g", "move(-99)", "First item", show=False, id="list.home", tooltip="Select the first item"
        ),
        Binding("end,G", "move(99)", "Last item", show=False, id="list.end", tooltip="Select the last item"),
        Binding("ctrl+d", "half(1)", "Page down", show=False, id="list.halfdown", tooltip="Half a page down"),
        Binding("ctrl+u", "half(-1)", "Page up", show=False, id="list.halfup", tooltip="Half a page up"),
    ]

    class Clicked(Message):
        """An item was clicked; twice means Enter."""

        def __init__(self, item: Item, twice: bool) -> None:
            super().__init__()
            self.item = item
            self.twice = twice

    class Selected(Message):
        """The cursor is at another item."""

    def __init__(self, plan: Plan, id: str = "checklist") -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = "1 Checklist"
        self.plan = plan
        self.selected: Item = plan.items[0]
        self._wanted = self.selected
        self._moved = False
        self._view = ViewState()
        self._frame = Frame(0.0, 0)
        self._list = ItemList(plan, self._redraw)
        self._details = LinesView(classes="details", wraps=True)
        self._made: dict[str, tuple[object, Content]] = {}

    def compose(self) -> ComposeResult:
        """The phases, each with its items below it, and the details of the item under the cursor."""
        yield self._list
        yield self._details

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render a state; the cursor goes where the run needs attention.

        Where somebody moved it, it stays, until an item fails: that is what the operator has to see.
        """
        before, self._view, self._frame = self._view, view, frame
        wanted = attention(self.plan, view) if view.run.items is not before.run.items else self._wanted
        failed = view.run.item(wanted.id).state is ItemState.FAILED
        if wanted is not self._wanted or failed != (before.run.item(wanted.id).state is ItemState.FAILED):
            self._wanted = wanted
            if failed:
                self._moved = False
            if not self._moved:
                self._select(wanted)
        self._redraw()

    def to_attention(self) -> None:
        """Put the cursor where the run needs attention, and let it follow the run again."""
        self._moved = False
        self._select(attention(self.plan, self._view))
        self._redraw()

    def on_resize(self) -> None:
        """Draw again for the new width, with the selected item in sight once its list has its new height."""
        self._redraw()
        self.call_after_refresh(self._into_sight)

    def action_move(self, by: int) -> None:
        """Move the cursor by that many items."""
        items = self.plan.items
        self._moved = True
        self._select(items[max(0, min(len(items) - 1, items.index(self.selected) + by))])
        self._redraw()

    def action_half(self, by: int) -> None:
        """Move the cursor by half of what is seen."""
        self.action_move(by * max(1, self._list.size.height // 2))

    def places(self) -> list[tuple[str, Offset]]:
        """The items that are in sight, each with the first cell of its line on the screen."""
        if not self._list.is_on_screen:
            return []
        first, top = self._list.content_region.offset, self._list.scroll_offset.y
        seen = enumerate(self._list.items[top : top + self._list.size.height])
        return [(item.id, first + Offset(0, y)) for y, item in seen if item is not None]

    def select(self, item_id: str) -> None:
        """Put the cursor on that item."""
        self._moved = True
        self._select(self.plan.item(item_id))
        self._redraw()

    def on_checklist_clicked(self, message: Clicked) -> None:
        """A click moves the cursor."""
        self.focus()
        self.select(message.item.id)

    def _select(self, item: Item) -> None:
        if item is not self.selected:
            self.selected = item
            self._details.scroll_to(y=0, animate=False, immediate=True, force=True)
            self.post_message(self.Selected())
        self._into_sight()

    def _into_sight(self) -> None:
        number = self._list.line_of(self.selected)
        # with the first item of a phase its name is seen
        self._list.scroll_to_line(number - 1 if self._list.items[number - 1] is None else number)
        self._list.scroll_to_line(number)

    def _redraw(self) -> None:
        width = self._list.room.width
        if width < 10:
            return
        frame = replace(self._frame, width=width, height=self.size.height)
        view = self._view
        lines: list[Content] = []
        for phase in Phase:
            items = [item for item in self.plan.items if item.phase is phase]
            lines.append(phase_line(phase, self.plan, view, frame))
            lines += [self._item_line(item, view, frame) for item in items]
        self._list.show_lines(lines)
        below = replace(frame, width=self._details.room.width)
        self._details.show_lines(detail_lines(self.selected, view, below))

    def _item_line(self, item: Item, view: ViewState, frame: Frame) -> Content:
        selected = item is self.selected
        look = view.run.item(item.id)
        running = look.state is ItemState.RUNNING
        ticks = (int(frame.now * 8), engine_state(view, frame.now), view.last_at) if running else None
        drawn_for = (look, selected, frame.width, ticks)
        known = self._made.get(item.id)
        if known is None or known[0] != drawn_for:
            known = self._made[item.id] = (drawn_for, item_line(item, view, frame, selected))
        return known[1]
