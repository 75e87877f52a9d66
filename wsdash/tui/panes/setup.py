"""The world's own start-up, before the first item: a stage a line, each with its bar."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from wsdash.model import SetupProgress
from wsdash.tui.looks import BAD, BUSY, DIM, GOOD, SPINNER, TITLE, WARN, bar
from wsdash.tui.panes.base import Frame, Lines, Pane, cell, row
from wsdash.tui.standing import Engine, engine_standing, heartbeat_age
from wsdash.tui.viewstate import ViewState

BAR = 24


def draw_setup(view: ViewState, frame: Frame) -> Lines:
    """What is being started, how far each stage is, and why nothing moves when nothing does."""
    spin = SPINNER[int(frame.now * 8) % len(SPINNER)]
    engine = engine_standing(view, frame.now)
    if not view.setup:
        if engine is Engine.STARTING:
            return [Content.styled(f"{spin} starting the engine", WARN), *_trouble(view)]
        return [Content.styled(f"{spin} the engine is taking up the run", WARN), *_trouble(view)]
    name = max(12, *(len(stage) for stage in view.setup))
    lines: Lines = [Content.styled("Building the world of this run", TITLE)]
    lines += [_stage(stage, name, spin, frame.width) for stage in view.setup.values()]
    if engine in (Engine.GONE, Engine.STOPPED):
        since = heartbeat_age(view, frame.now)
        lines.append(
            Content.styled(f"✗ the engine ended {since or 0:.0f} s ago; run the same command again", BAD)
        )
    return lines + _trouble(view)


def _stage(stage: SetupProgress, name: int, spin: str, width: int) -> Content:
    if stage.failed:
        glyph, style = "✗", BAD
    elif stage.done >= stage.total:
        glyph, style = "✓", GOOD
    elif stage.done == 0 and not stage.detail:
        glyph, style = "○", DIM
    else:
        glyph, style = spin, BUSY
    fraction = stage.done / stage.total if stage.total else None
    line = row(
        Content.styled(glyph, style),
        cell(stage.stage, name),
        Content.styled(bar(fraction, min(BAR, max(6, width // 4))), style),
        cell("" if fraction is None else f"{fraction:.0%}", 4, right=True),
        Content.styled(stage.detail, BAD if stage.failed else DIM),
    )
    return line.truncate(width, ellipsis=True)


def _trouble(view: ViewState) -> Lines:
    return [Content.styled(f"✗ {view.trouble}", BAD)] if view.trouble else []


class SetupPane(Pane):
    """The first progress display: shown until the world stands."""

    NAME = "Setup"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        return draw_setup(view, frame)
