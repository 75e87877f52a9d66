"""The evidence of one item and of all; from the operator's, a done item is run again, as a choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from wsdash.model import ItemKind, ItemState
from wsdash.plan import Item, Plan
from wsdash.tui.again import consequences
from wsdash.tui.looks import BAD, BUSY, DIM, ITEM, KIND, NOTICE, TITLE, age, plain_title, took
from wsdash.tui.panes.base import Frame, Lines
from wsdash.tui.screens.dialogs import CANCEL
from wsdash.tui.screens.modal import Modal
from wsdash.tui.screens.views import ViewPanel
from wsdash.tui.viewstate import ViewState


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
