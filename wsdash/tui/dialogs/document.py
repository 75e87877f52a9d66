"""A document shown inside the app, with a button that confirms having read it; and all of one log line.

The line: when, who, where to, and its text; JSON a field a line.
"""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Markdown

from wsdash.model import LogLine
from wsdash.outside import read_json
from wsdash.tui.drawn.cells import Frame, Lines, as_title
from wsdash.tui.drawn.looks import DIM, when, zone
from wsdash.tui.modal import Modal, ViewPanel
from wsdash.tui.state.loglines import clean
from wsdash.tui.state.viewstate import ViewState

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


def draw_line(line: LogLine, width: int) -> Lines:
    """The line's parts, nothing of it cut."""
    head = f"{when(line.at)} {zone()} · {line.container} · {line.stream}"
    lines = [Content.styled(head, DIM), Content("")]
    for part in _text(line.text).split("\n"):
        lines += [Content(piece) for piece in textwrap.wrap(part, width, replace_whitespace=False) or [""]]
    return lines


def _text(text: str) -> str:
    if text.startswith("{"):
        try:
            pretty = json.dumps(read_json(text), indent=2, ensure_ascii=False)
        except ValueError:
            return clean(text)
        return "\n".join(clean(part) for part in pretty.split("\n"))
    return clean(text)


class LinePanel(ViewPanel):
    """One line of a log; the text can be selected and copied."""

    NAME = "A line of the logs"

    def __init__(self, line: LogLine) -> None:
        super().__init__(ViewState(), Frame(line.at, 0))
        self._line = line

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """All of it."""
        return draw_line(self._line, frame.width)
