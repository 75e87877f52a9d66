"""A document shown inside the app, with a button that confirms having read it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Markdown

from wsdash.tui.panes.base import as_title
from wsdash.tui.screens.modal import Modal

LONGEST = 512 * 1024


class DocumentScreen(Modal[bool]):
    """Shows a Markdown file; True when the confirm button was chosen. The file is read in a thread."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", id="document.close", tooltip="Back without confirming"),
        Binding("C", "confirm", "Confirm", id="document.confirm", tooltip="Confirm that it was reviewed"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="document.down", tooltip="Scroll down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="document.up", tooltip="Scroll up"),
        Binding(
            "pagedown,ctrl+d", "scroll(15)", "Page", show=False, id="document.page", tooltip="A page down"
        ),
        Binding("pageup,ctrl+u", "scroll(-15)", "Back", show=False, id="document.back", tooltip="A page up"),
    ]

    def __init__(self, title: str, path: Path | None) -> None:
        super().__init__()
        self._title, self._path = title, path

    def compose(self) -> ComposeResult:
        """The document, scrolling, with Confirm and Close below it."""
        with Vertical(classes="panel") as box:
            box.border_title = as_title(self._title)
            box.border_subtitle = self.with_keys("{document.confirm} confirms · {document.close} closes")
            with VerticalScroll():
                yield Markdown("reading the document")
            with Horizontal(classes="buttons"):
                yield Button(
                    self.with_keys("Confirm as reviewed ({document.confirm})"),
                    variant="primary",
                    id="confirm",
                )
                yield Button("Close (Esc)", id="close")

    async def on_mount(self) -> None:
        """Read and show."""
        self.query_one(VerticalScroll).focus()
        await self.query_one(Markdown).update(await asyncio.to_thread(_read, self._path))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is an answer."""
        self.dismiss(event.button.id == "confirm")

    def action_confirm(self) -> None:
        """It was reviewed."""
        self.dismiss(True)

    def action_close(self) -> None:
        """Back without an answer."""
        self.dismiss(False)

    def action_scroll(self, by: int) -> None:
        """Scroll by so many lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)


def _read(path: Path | None) -> str:
    remedy = "Set `paths.adr` in wsdash.yaml, or read it elsewhere and confirm with a note saying where."
    if path is None:
        return f"# No document\n\nNo document is configured for this item. {remedy}"
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST).decode("utf-8", errors="replace")
    except OSError as error:
        return f"# The document cannot be read\n\n`{path}`: {error.strerror}. {remedy}"
    return text
