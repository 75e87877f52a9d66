"""The panel of the new database's branches: what the pageserver lists, with size and age."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from wsdash.model import Branch
from wsdash.tui.looks import BUSY, DIM, GOOD, TITLE, WARN, age, size
from wsdash.tui.panes.base import Frame, Lines, cell, row
from wsdash.tui.screens.views import ViewPanel
from wsdash.tui.viewstate import ViewState

SOURCE = "branches"
STALE_SECONDS = 60.0


def draw_branches(view: ViewState, frame: Frame) -> Lines:
    """The main timeline first, its branches under it, newest first; how old the list is."""
    state = view.sources.get(SOURCE)
    if view.branches is None:
        why = state.detail if state is not None and state.detail else "the pageserver was not asked yet"
        return [Content.styled(f"No branches are known: {why}.", DIM)]
    old = frame.now - view.seen_at.get(SOURCE, 0.0)
    stale = old > STALE_SECONDS
    heading = f"{len(view.branches)} timelines, as the pageserver listed them {age(old)} ago"
    if stale:
        reason = f": {state.detail}" if state is not None and state.detail else ""
        heading = f"◌ stale, {heading}{reason}"
    lines = [Content.styled(heading, WARN if stale else DIM), Content("")]
    wide = frame.width >= 100
    columns = [cell("timeline", 36), cell("state", 10), cell("size", 10), cell("age", 8)]
    lines.append(row(*columns, *(["branched off at"] if wide else [])).stylize(TITLE))
    for branch in sorted(view.branches, key=lambda one: (one.parent != "", -(one.made_at or 0.0))):
        lines.append(_line(branch, frame, stale, wide))
    if len(view.branches) == 1:
        lines.append(Content.styled("no branch: item branching makes one, proves it and removes it", DIM))
    return lines


def _line(branch: Branch, frame: Frame, stale: bool, wide: bool) -> Content:
    sound = branch.state == "Active"
    style = DIM if stale else GOOD if sound else WARN
    glyph = "?" if stale else "●" if sound else "▲"
    name = branch.timeline if not branch.parent else f"└ {branch.timeline}"
    old = age(frame.now - branch.made_at) if branch.made_at is not None else "–"
    cells = [
        cell(name, 36, BUSY if branch.parent else ""),
        Content.styled(f"{glyph} {branch.state}".ljust(10), style),
        cell(size(branch.bytes), 10),
        cell(old, 8),
    ]
    return row(*cells, *([Content.styled(branch.lsn if branch.parent else "main", DIM)] if wide else []))


class BranchesPanel(ViewPanel):
    """Timelines of the workspace's tenant."""

    NAME = "Branches"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """A line a branch: state, size, age, and its LSN where there is room."""
        return draw_branches(view, frame)
