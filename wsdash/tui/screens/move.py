"""The online move: which side takes writes, how far the other one is, go or no-go, and conflicts."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from wsdash.model import ConflictsFound, Mode
from wsdash.tui.looks import BAD, DIM, GOOD, TITLE, WARN, age, count, size, took
from wsdash.tui.panes.base import Frame, Lines
from wsdash.tui.screens.views import ViewPanel
from wsdash.tui.viewstate import ViewState

NAME = 24


class MovePanel(ViewPanel):
    """Everything that is known of the move; the same for a monitor."""

    NAME = "Online move"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """Its state, the panel before the switch, and conflicts of the way back."""
        if view.run.mode != Mode.ONLINE:
            return [
                Content("This run is of mode offline: the old service is stopped while rows are carried.")
            ]
        return [*_standing(view, frame.now), *_panel(view), *conflict_lines(view.run.conflicts)]


def _standing(view: ViewState, now: float) -> Lines:
    run = view.run
    lines: Lines = [Content.styled("Where it stands", TITLE)]
    followed, at = run.followed, run.followed_at
    if followed is None or at is None:
        return [*lines, Content.styled("Nothing is carried yet.", DIM), Content("")]
    facts = {
        "takes writes": followed.open or "neither side",
        "behind by": "–" if followed.lag is None else f"{followed.lag:.2f} s",
        "carried": f"{count(followed.carried)} changes",
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
        facts["way back"] = "open until Day 14; the log above is what it costs"
    lines += [Content.assemble((f"{name:<{NAME}}", DIM), text) for name, text in facts.items()]
    if followed.trouble:
        lines.append(Content.styled(followed.trouble, BAD))
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


def conflict_lines(found: ConflictsFound | None) -> Lines:
    """Rows that both sides changed, side by side: the new database's value, then the old one's."""
    if found is None:
        return []
    lines: Lines = [Content.styled(f"{count(found.total)} rows were changed on both sides", TITLE)]
    for row in found.rows:
        lines += [Content(line) for line in row.lines]
    if found.total > len(found.rows):
        lines.append(Content.styled(f"and {count(found.total - len(found.rows))} more", DIM))
    return lines
