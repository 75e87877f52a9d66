"""The evidence of one item and of all; from the operator's, a done item is run again, as a choice.

And what differs: both sides as somebody had them compared now, and what verify-data proved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from wsdash.model import Intent, ItemKind, ItemState, SidesCompared, TableCompared
from wsdash.model.run import COMPARE, DIFFERS, EQUAL, MOVING
from wsdash.plan import Item, Plan
from wsdash.runtime import user_name
from wsdash.tui.dialogs.questions import CANCEL
from wsdash.tui.drawn.cells import Frame, Lines
from wsdash.tui.drawn.consequences import consequences
from wsdash.tui.drawn.looks import (
    BAD,
    BUSY,
    DIM,
    GOOD,
    ITEM,
    KIND,
    NOTICE,
    TITLE,
    WARN,
    Look,
    age,
    count,
    plain_title,
    size,
    stamp,
    took,
)
from wsdash.tui.modal import Modal, ViewPanel
from wsdash.tui.state.viewstate import ViewState


class EvidencePanel(ViewPanel):
    """Everything that is known of one item, then the evidence of all."""

    NAME = "Evidence"

    def __init__(self, view: ViewState, frame: Frame, plan: Plan, item: Item) -> None:
        super().__init__(view, frame)
        self._plan, self._item = plan, item

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The item's own evidence, then that of all items, then the notices, newest first."""
        lines = self._one(self._item, view, frame)
        lines += [Content(""), Content.styled("All items", TITLE)]
        for item in self._plan.items:
            look = view.run.item(item.id)
            mark = ITEM[look.state]
            lines.append(
                Content.assemble(
                    (f"{mark.glyph} {mark.word:<8}", mark.style), f"{item.id:<18} {look.evidence}"
                )
            )
        if view.notices:
            lines += [Content(""), Content.styled("Notices", TITLE)]
        for recorded in reversed(view.notices):
            event = recorded.event
            level, text = getattr(event, "level", "info"), getattr(event, "text", "")
            mark = NOTICE.get(level, NOTICE["info"])
            ago = age(frame.now - recorded.at)
            lines.append(
                Content.assemble((f"{mark.glyph} {mark.word:<8}", mark.style), f"{ago:>6} ago  {text}")
            )
        return lines

    def _one(self, item: Item, view: ViewState, frame: Frame) -> Lines:
        look = view.run.item(item.id)
        mark = ITEM[look.state]
        lines = [
            Content.styled(plain_title(item.title), TITLE),
            Content.assemble(
                (f"{mark.glyph} {mark.word}", mark.style), f"  {item.id}  {KIND[item.kind].word}"
            ),
        ]
        if look.evidence:
            lines.append(Content.styled(look.evidence, BAD if look.state is ItemState.FAILED else ""))
        if look.remedy:
            lines.append(Content.assemble(("what to do: ", BUSY), look.remedy))
        facts = {
            "took": took(look.seconds) if look.seconds else "",
            "by": look.who,
            "note": look.note,
            "attempts": str(look.attempts) if look.attempts else "",
            "changed": f"{age(frame.now - look.changed_at)} ago" if look.changed_at else "",
            "needs": ", ".join(item.needs),
        }
        lines += [Content.assemble((f"{name:<9}", DIM), text) for name, text in facts.items() if text]
        return lines


class OperatorEvidencePanel(EvidencePanel):
    """The same, from where a done item is run again. again: called with the item once that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Run again", id="evidence.again", tooltip="Run it again, after a question"),
    ]

    def __init__(
        self, view: ViewState, frame: Frame, plan: Plan, item: Item, again: Callable[[Item], None]
    ) -> None:
        super().__init__(view, frame, plan, item)
        self._again = again

    def on_mount(self) -> None:
        """Say which keys there are."""
        super().on_mount()
        if self._item.kind is ItemKind.AUTO:
            self.query_one(".panel").border_subtitle = self.with_keys(
                "{evidence.again} runs it again, after a question · {panel.close} closes"
            )

    def action_again(self) -> None:
        """Close, and ask whether it is to be run again."""
        if self._item.kind is ItemKind.AUTO and self.is_current:
            self.dismiss()
            self._again(self._item)
        else:
            self.notify(f"{self._item.id} is not run: a person confirms it, or its time does.")


class AgainDialog(Modal[bool]):
    """Whether a done item is run again, with what that may lead to; Enter alone does nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        CANCEL,
        Binding("right", "app.focus_next", "Next", show=False, id="again.next", tooltip="Next answer"),
        Binding("left", "app.focus_previous", "Before", show=False, id="again.before", tooltip="Before"),
    ]

    def __init__(self, view: ViewState, plan: Plan, item: Item) -> None:
        super().__init__()
        self._item = item
        self._lines = [f"{plain_title(item.title)} is done: {view.run.item(item.id).evidence}", ""]
        self._lines += consequences(plan, view, item)

    def compose(self) -> ComposeResult:
        """What it may lead to, and two buttons of which the harmless one has the focus."""
        with Vertical(classes="dialog") as box:
            box.border_title = f"Run {self._item.id} again?"
            with VerticalScroll(classes="scrolling", can_focus=False):
                yield Static("\n".join(self._lines), markup=False, classes="text")
            with Horizontal(classes="buttons"):
                yield Button("Leave it (Esc)", id="cancel", variant="primary")
                yield Button("Run again", id="ok", variant="warning")

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "ok")

    def action_cancel(self) -> None:
        """Close; nothing is run."""
        self.dismiss(False)


_LOOKS = {
    EQUAL: Look("✓", "equal by content", GOOD),
    DIFFERS: Look("✗", "differs", BAD),
    MOVING: Look("?", "written to too fast to say", WARN),
}
_UNKNOWN = Look("?", "unknown", WARN)


def draw_compared(view: ViewState, frame: Frame) -> Lines:
    """Both sides as they were when somebody asked last, with the time; what is known to have moved since."""
    lines: Lines = []
    if view.run.comparing is not None:
        lines.append(Content.styled(f"both sides are being compared now, for {view.run.comparing.who}", BUSY))
    elif frame.operator:
        lines.append(Content.styled("v compares both sides as they are now", DIM))
    found = view.run.compared
    if found is None:
        return lines
    at = stamp(found.began_at)
    ago = age(frame.now - found.began_at)
    lines.append(Content.styled(f"Compared for {found.who}, read at {at} ({ago} ago)", TITLE))
    if found.error:
        lines.append(Content.styled(f"  no answer: {found.error}", BAD))
    for table in sorted(found.tables, key=lambda t: (t.how == EQUAL, t.name)):
        lines += _compared_table(table, found, view)
    return lines


def _compared_table(table: TableCompared, found: SidesCompared, view: ViewState) -> Lines:
    look = _LOOKS.get(table.how, _UNKNOWN)
    counts = f"source {count(table.source_rows)}, target {count(table.target_rows)} rows"
    lines = [
        Content.assemble(f"  {table.name}  ", (f"{look.glyph} {look.word}", look.style), (f"  {counts}", DIM))
    ]
    if table.written:
        lines.append(Content.styled(f"    written to meanwhile: {' and '.join(table.written)}", WARN))
    if table.moved:
        lines.append(Content.styled(f"    {table.moved} differences had moved when read again", WARN))
    lines += [Content.styled(f"    {text}", BAD) for text in table.differences]
    now = view.rows.get(table.name)
    read = view.seen_at.get("rows", 0.0) > found.began_at
    if now is not None and read and not now.estimated and not now.note:
        sides = (("source", now.source, table.source_rows), ("target", now.target, table.target_rows))
        moved = [f"{side} {count(rows)}" for side, rows, then in sides if rows is not None and rows != then]
        if moved:
            lines.append(Content.styled(f"    moved since: {', '.join(moved)} rows now", WARN))
    return lines


def draw_verified(view: ViewState) -> Lines:
    """Verified tables, differing ones first, other tables' counts, the backup, and foreign ports."""
    lines: Lines = []
    if not view.run.tables:
        lines.append(Content.styled("No table was verified yet; verify-data compares every row.", DIM))
    for table in sorted(view.run.tables.values(), key=lambda t: (t.match, t.name)):
        look = Look("✓", "equal by content", GOOD) if table.match else Look("✗", "differs", BAD)
        lines.append(Content.assemble((table.name, TITLE), "  ", (f"{look.glyph} {look.word}", look.style)))
        lines.append(Content(f"  source {count(table.source_rows)} rows  {table.source_checksum}"))
        lines.append(Content(f"  target {count(table.target_rows)} rows  {table.target_checksum}"))
        lines += [Content.styled(f"  {text}", BAD) for text in table.differences]
    for reading in sorted(view.rows.values(), key=lambda r: r.table):
        if reading.table not in view.run.tables and reading.source != reading.target:
            sides = f"source {count(reading.source)}, target {count(reading.target)}"
            lines.append(Content.styled(f"{reading.table}: {sides} (counts)", WARN))
    backup = view.run.backup
    if backup is not None:
        proven = ("✓ restored and compared", GOOD) if backup.restore_proven else ("? not proven", WARN)
        lines += [Content(""), Content.assemble(("backup  ", TITLE), proven)]
        lines.append(
            Content(f"  {backup.path}  {size(backup.bytes)}  {count(sum(backup.rows.values()))} rows")
        )
        lines.append(Content(f"  sha256 {backup.sha256}"))
    held = [port for port in view.ports.values() if port.holder and not port.ours]
    if held:
        lines += [Content(""), Content.styled("ports held by others", TITLE)]
        lines += [Content.styled(f"  {port.port}: {port.holder}", WARN) for port in held]
    return lines


class DifferencesPanel(ViewPanel):
    """Both sides compared, and rows that differ, for whoever looks."""

    NAME = "Differences"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """What was compared on request, then what the items proved; neither is taken for the other."""
        asked = draw_compared(view, frame)
        head = [Content(""), Content.styled("What verify-data proved", TITLE)] if asked else []
        return [*asked, *head, *draw_verified(view)]


class OperatorDifferencesPanel(DifferencesPanel):
    """The same, with a key that asks the engine."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "compare", "Compare", id="differences.compare", tooltip="Compare both sides again now"),
    ]

    def __init__(self, view: ViewState, frame: Frame, send: Callable[[Intent], None]) -> None:
        super().__init__(view, frame)
        self._send = send

    def action_compare(self) -> None:
        """Ask the engine to compare both sides."""
        self._send(Intent(COMPARE, who=user_name()))
