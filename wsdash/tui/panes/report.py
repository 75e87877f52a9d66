"""What is said above the report: when it was written, and what has happened since that it does not tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from textual.content import Content

from wsdash.model import ItemState, StepId
from wsdash.tui.looks import BAD, DIM, GOOD, TITLE, WARN, age
from wsdash.tui.panes.base import Frame
from wsdash.tui.viewstate import ViewState

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


def draw_standing(file: ReportFile, view: ViewState, frame: Frame) -> Content:
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
