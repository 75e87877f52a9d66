"""The report of the run inside the app: the file that was written, and whether it is still true."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Markdown, Static

from wsdash.tui.panes.base import Frame
from wsdash.tui.panes.report import ReportFile, draw_heading, draw_standing, read_report
from wsdash.tui.screens.modal import Modal
from wsdash.tui.viewstate import ViewState

LOOK_SECONDS = 2.0
"""Between two looks at whether the file was written anew."""


class ReportPanel(Modal[None]):
    """Renders DIRECTORY/report.md section by section: laid out whole, a long report would hold up the keys.

    It only reads, in a thread; a monitor opens it too.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close", id="panel.close", tooltip="Back to the panes"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="panel.down", tooltip="Scroll down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="panel.up", tooltip="Scroll up"),
        Binding(
            "pagedown,ctrl+d", "scroll(15)", "Page", show=False, id="panel.pagedown", tooltip="A page on"
        ),
        Binding("pageup,ctrl+u", "scroll(-15)", "Back", show=False, id="panel.pageup", tooltip="A page up"),
        Binding("right,n", "turn(1)", "Next", id="report.next", tooltip="The next section"),
        Binding("left,N", "turn(-1)", "Before", id="report.before", tooltip="The section before"),
        Binding("home,g", "edge(False)", "Top", show=False, id="panel.home", tooltip="To the beginning"),
        Binding("end,G", "edge(True)", "End", show=False, id="panel.end", tooltip="To the end"),
    ]

    def __init__(self, view: ViewState, frame: Frame, directory: Path | None) -> None:
        super().__init__()
        self._view, self._frame, self._directory = view, frame, directory
        self._file = ReportFile(reading=True)
        self._looking = self._drawing = False
        self._section = 0
        self._drawn = ""
        self._heading = Static(markup=False)
        self._standing = Static(markup=False)
        self._text = Markdown("")
        self._scroll = VerticalScroll()
        """Held: a panel that is closed at once is mounted without what it would be made of."""

    def compose(self) -> ComposeResult:
        """How old the report is, the section's heading, and the section, scrolling."""
        with Vertical(classes="panel") as panel:
            panel.border_title = "Report"
            panel.border_subtitle = self.with_keys(
                "{report.before} {report.next} sections · {panel.close} closes"
            )
            yield self._standing
            yield self._heading
            with self._scroll:
                yield self._text

    def on_mount(self) -> None:
        """Read now, and whenever it was written anew."""
        self._scroll.focus()
        self._redraw()
        self._read()
        self.set_interval(LOOK_SECONDS, self._read)

    def show(self, view: ViewState, frame: Frame) -> None:
        """A newer state: the file may have become older than what is known."""
        self._view, self._frame = view, frame
        self._redraw()

    def action_scroll(self, by: int) -> None:
        """Scroll by so many lines."""
        self._scroll.scroll_relative(y=by, animate=False)

    def action_edge(self, end: bool) -> None:
        """To the beginning or the end."""
        scroll = self._scroll
        scroll.scroll_to(y=scroll.max_scroll_y if end else 0, animate=False)

    def _read(self) -> None:
        """Look again, unless the last look still goes on: a long report takes a while to be laid out."""
        if not self._looking:
            self._looking = True
            self.run_worker(self._look(), group="report", exit_on_error=False)

    async def _look(self) -> None:
        try:
            self._file = await asyncio.to_thread(read_report, self._directory, self._file)
        finally:
            self._looking = False
        if self.is_attached:
            self._redraw()
            await self._draw()

    def action_turn(self, by: int) -> None:
        """Another section, from its beginning."""
        last = max(0, len(self._file.parts) - 1)
        self._section = max(0, min(last, self._section + by))
        self._redraw()
        self._scroll.scroll_home(animate=False)
        self.run_worker(self._draw(), group="section", exit_on_error=False)

    async def _draw(self) -> None:
        """Lay out the section that is wanted, however often that changes meanwhile."""
        if self._drawing:
            return
        self._drawing = True
        try:
            while self.is_attached and self._drawn != (wanted := self._wanted()):
                await self._text.update(wanted)
                self._drawn = wanted
        finally:
            self._drawing = False

    def _wanted(self) -> str:
        parts = self._file.parts
        return parts[min(self._section, len(parts) - 1)] if parts else ""

    def _redraw(self) -> None:
        self._standing.update(draw_standing(self._file, self._view, self._frame))
        self._heading.update(draw_heading(self._file, self._section))
