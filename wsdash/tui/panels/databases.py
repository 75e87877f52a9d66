"""Panels of the databases: the online move, and the new database's branches.

Which side takes writes, how far the other one is, go or no-go, and conflicts; and what the pageserver
lists, with size and age.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from wsdash.model import Branch, Mode
from wsdash.tui.dialogs.conflicts import draw_conflicts
from wsdash.tui.drawn.cells import Frame, Lines, cell, row
from wsdash.tui.drawn.looks import BAD, BUSY, DIM, GOOD, TITLE, WARN, age, count, size, took
from wsdash.tui.limits import STALE_BRANCHES_SECONDS
from wsdash.tui.modal import ViewPanel
from wsdash.tui.state.viewstate import ViewState

NAME = 24


class MovePanel(ViewPanel):
    """Everything that is known of the move; the same for a monitor."""

    NAME = "Online move"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """Its state, the panel before the switch, and conflicts of the way back."""
        if view.run.mode != Mode.ONLINE:
            return [Content("This run is of mode offline: the old service is stopped while rows are copied.")]
        lines = [*_followed(view, frame.now), *_panel(view)]
        if view.run.conflicts is not None:
            lines += draw_conflicts(view.run.conflicts, frame.width)[0]
        return lines


class OperatorMovePanel(MovePanel):
    """The same, with the key that has conflicts decided. roll_back: asks, and sends."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "R", "rollback", "Roll back", id="move.rollback", tooltip="Choose of conflicts, and roll back"
        ),
    ]

    def __init__(self, view: ViewState, frame: Frame, roll_back: Callable[[], None]) -> None:
        super().__init__(view, frame)
        self._roll_back = roll_back

    def on_mount(self) -> None:
        """Say which keys there are."""
        super().on_mount()
        self.query_one(".panel").border_subtitle = self.with_keys(
            "{move.rollback} rolls back · {panel.close} closes"
        )

    def action_rollback(self) -> None:
        """Close, and ask."""
        self.dismiss()
        self.app.call_later(self._roll_back)


def _followed(view: ViewState, now: float) -> Lines:
    run = view.run
    lines: Lines = [Content.styled("Where the move is", TITLE)]
    followed, at = run.followed, run.followed_at
    if followed is None or at is None:
        return [*lines, Content.styled("Nothing is applied yet.", DIM), Content("")]
    facts = {
        "takes writes": followed.open or "neither side",
        "behind by": "–" if followed.lag is None else f"{followed.lag:.2f} s",
        "applied": f"{count(followed.carried)} changes",
        "log of changes": f"{size(followed.log_bytes)} on the {followed.open or 'left'} side",
        "capture adds": "–"
        if followed.overhead is None
        else f"{followed.overhead * 1000:.3f} ms to a write of one row",
        "seen": f"{age(now - at)} ago",
    }
    if run.switched is not None:
        down = run.switched.seconds
        facts["newest switch"] = f"to the {run.switched.opened}" + (
            f", writers refused for {took(down)}" if down is not None else ", taken up after a crash"
        )
    if followed.open == "target":
        kept = "" if followed.kept is None else f" for {count(followed.kept)} changes"
        facts["way back"] = f"open until Day 14{kept}; the log above is what it costs"
    elif followed.open == "source" and followed.kept is not None:
        facts["way forward"] = f"needs no new copy; {count(followed.kept)} changes are kept for it"
    lines += [Content.assemble((f"{name:<{NAME}}", DIM), text) for name, text in facts.items()]
    if followed.trouble:
        lines.append(Content.styled(followed.trouble, BAD))
    if run.blocked:
        lines.append(Content.styled(f"no way back now: {run.blocked}", BAD))
    return [*lines, Content("")]


def _panel(view: ViewState) -> Lines:
    panel = view.run.panel
    if panel is None:
        return []
    against = len(panel.against)
    head = f"Go/no-go before the switch: {'go' if not against else f'no-go, {against} lines say no'}"
    lines: Lines = [Content.styled(head, TITLE)]
    for line in panel.lines:
        sign = Content.styled("✓", GOOD) if line.ok else Content.styled("✗", BAD)
        lines.append(Content.assemble(sign, f" {line.name:<{NAME}}{line.text}"))
        if not line.ok and line.remedy:
            lines.append(Content.styled(f"  {'':<{NAME}}what to do: {line.remedy}", WARN))
    return [*lines, Content("")]


SOURCE = "branches"


def draw_branches(view: ViewState, frame: Frame) -> Lines:
    """The main timeline first, its branches under it, newest first; how old the list is."""
    state = view.sources.get(SOURCE)
    if view.branches is None:
        why = state.detail if state is not None and state.detail else "the pageserver was not asked yet"
        return [Content.styled(f"No branches are known: {why}.", DIM)]
    old = frame.now - view.seen_at.get(SOURCE, 0.0)
    stale = old > STALE_BRANCHES_SECONDS
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
