"""The report of the run inside the app: the file that was written, and whether it is still true.

Above it: when it was written, and what has happened since that it does not tell.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

from wsdash.model import ItemState, StepId
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.looks import BAD, DIM, GOOD, TITLE, WARN, age
from wsdash.tui.limits import REPORT_LOOK_SECONDS
from wsdash.tui.modal import Modal
from wsdash.tui.state.viewstate import ViewState

NAME = "report.md"
ITEM = StepId.UPDATE_DOCS
LONGEST = 1024 * 1024
WRITTEN = "- Written: "
SECTION = "\n## "
SETTLED = (
    ItemState.DONE,
    ItemState.FAILED,
    ItemState.INSUFFICIENT,
    ItemState.SKIPPED,
    ItemState.UNDONE,
)


@dataclass(frozen=True)
class ReportFile:
    """The file as it was read. parts: its head and its sections, each with its heading. written_at: epoch
    seconds of the run; stamp: tells a newer file apart."""

    parts: tuple[str, ...] = ()
    written_at: float | None = None
    trouble: str = ""
    reading: bool = False
    stamp: tuple[int, int] = (0, 0)


def read_report(directory: Path | None, before: ReportFile) -> ReportFile:
    """Read DIRECTORY/report.md unless it is the one read before. Blocks for I/O; never raises."""
    if directory is None:
        return ReportFile(trouble="no run is open: there is no report")
    path = directory / NAME
    try:
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp == before.stamp:
            return before
        with path.open("rb") as file:
            text = file.read(LONGEST).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ReportFile()
    except OSError as error:
        return ReportFile(trouble=f"{path} cannot be read: {error.strerror}")
    head, *sections = text.split(SECTION)
    parts = (head, *(f"## {section}" for section in sections))
    return ReportFile(parts, _written_at(head), stamp=stamp)


def draw_heading(file: ReportFile, section: int) -> Content:
    """Which section is shown, and between which ones it is."""
    if not file.parts:
        return Content("")
    names = ["Summary", *(part.splitlines()[0].removeprefix("## ") for part in file.parts[1:])]
    at = min(section, len(names) - 1)
    before = f"‹ {names[at - 1]}  " if at else ""
    after = f"  {names[at + 1]} ›" if at + 1 < len(names) else ""
    here = (f"{names[at]} ({at + 1} of {len(names)})", TITLE)
    return Content.assemble((before, DIM), here, (after, DIM))


def draw_status(file: ReportFile, view: ViewState, frame: Frame) -> Content:
    """One line: not written, unreadable, or its age and what it does not tell yet."""
    if file.reading:
        return Content.styled("reading the report", DIM)
    if file.trouble:
        return Content.styled(f"✗ {file.trouble}", BAD)
    look = view.run.item(ITEM)
    again = f"run {ITEM} again" if frame.operator else f"the operator writes it with {ITEM}"
    if not file.parts:
        if look.state is ItemState.FAILED:
            return Content.styled(f"✗ it could not be written: {look.evidence}", BAD)
        first = f"run item {ITEM}" if frame.operator else f"the operator's item {ITEM} writes it"
        return Content.styled(f"○ not written yet: {first} (once the migration is done)", DIM)
    if file.written_at is None:
        return Content.styled(f"? when it was written is not known; {again}", WARN)
    ago = f"written {age(max(0.0, frame.now - file.written_at))} ago"
    newer = _since(view, file.written_at)
    if newer:
        named = ", ".join(newer[:3]) + (f" and {len(newer) - 3} more" if len(newer) > 3 else "")
        return Content.styled(f"◌ {ago}, before {named}: {again}", WARN)
    return Content.styled(f"✓ {ago}; nothing was decided or proven since", GOOD)


def _since(view: ViewState, written_at: float) -> list[str]:
    """What was decided or proven after that time, newest first."""
    found = [
        (look.changed_at, name)
        for name, look in view.run.items.items()
        if name != ITEM and look.state in SETTLED and look.changed_at > written_at
    ]
    found += [(at, f"the decision of Day {made.day}") for at, made in view.run.decisions if at > written_at]
    return [name for _, name in sorted(found, reverse=True)]


def _written_at(text: str) -> float | None:
    for line in text.splitlines()[:40]:
        if line.startswith(WRITTEN):
            try:
                return datetime.fromisoformat(line.removeprefix(WRITTEN).strip()).timestamp()
            except ValueError:
                return None
    return None


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
        self._status = Static(markup=False)
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
            yield self._status
            yield self._heading
            with self._scroll:
                yield self._text

    def on_mount(self) -> None:
        """Read now, and whenever it was written anew."""
        self._scroll.focus()
        self._redraw()
        self._read()
        self.set_interval(REPORT_LOOK_SECONDS, self._read)

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
        self._status.update(draw_status(self._file, self._view, self._frame))
        self._heading.update(draw_heading(self._file, self._section))
