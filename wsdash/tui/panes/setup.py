"""The world's own start-up, before the first item: a stage a line, each with its bar."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textual.content import Content

from wsdash.tui.drawn.cells import Frame, Lines, cell, row
from wsdash.tui.drawn.looks import BAD, BUSY, DIM, GOOD, SPINNER, TITLE, WARN, age, bar
from wsdash.tui.panes.base import Pane
from wsdash.tui.state.freshness import EngineState, engine_state, heartbeat_age
from wsdash.tui.state.viewstate import SetupStage, ViewState

BAR = 20
OF = re.compile(r"([\d,]+) of ([\d,]+)")


def draw_setup(view: ViewState, frame: Frame) -> Lines:
    """What is being started, how far each stage is, and why nothing moves when nothing does."""
    spin = SPINNER[int(frame.now * 8) % len(SPINNER)]
    engine = engine_state(view, frame.now)
    if not view.setup:
        if engine is EngineState.STARTING:
            word = "starting the engine" if frame.operator else "no engine yet: an operator starts one"
            return [Content.styled(f"{spin} {word}", WARN), *_trouble(view)]
        return [Content.styled(f"{spin} the engine is taking up the run", WARN), *_trouble(view)]
    newest = view.setup[view.setup_now].progress
    fraction = newest.done / newest.total if newest.total else None
    style = BAD if newest.failed else BUSY
    overall = Content.styled(bar(fraction, max(10, min(40, frame.width // 3))), style)
    lines: Lines = [
        row(Content.styled("Building the world", TITLE), overall, f"{newest.done} of {newest.total}")
    ]
    name = max(12, *(len(stage) for stage in view.setup))
    lines += [
        _stage(stage, stage.finished(view.setup_now), name, spin, frame) for stage in view.setup.values()
    ]
    if engine in (EngineState.GONE, EngineState.STOPPED):
        since = age(heartbeat_age(view, frame.now))
        lines.append(Content.styled(f"✗ the engine ended {since} ago; run the same command again", BAD))
    return lines + _trouble(view)


def _stage(stage: SetupStage, finished: bool, name: int, spin: str, frame: Frame) -> Content:
    glyph, style = ("✗", BAD) if stage.progress.failed else ("✓", GOOD) if finished else (spin, BUSY)
    detail = Content.styled(stage.progress.detail, BAD if stage.progress.failed else DIM)
    cells = [Content.styled(glyph, style), cell(stage.progress.stage, name)]
    part = _part(stage.progress.detail)
    if part is not None and not finished:
        cells.append(Content.styled(bar(part, BAR), BUSY))
    line = row(*cells, detail)
    return line if stage.progress.failed else line.truncate(frame.width, ellipsis=True)


def _part(detail: str) -> float | None:
    """How far a stage says it is ("4,200 of 10,000"), None when it does not say."""
    match = OF.match(detail)
    if match is None:
        return None
    done, total = (int(number.replace(",", "")) for number in match.groups())
    return done / total if total else None


def _trouble(view: ViewState) -> Lines:
    return [Content.styled(f"✗ {view.trouble}", BAD)] if view.trouble else []


class SetupPane(Pane):
    """The first progress display: shown until the world is built."""

    NAME = "Setup"

    def __init__(self, id: str) -> None:
        super().__init__(id, wraps=True)

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """A line a stage of the world's building, with how far it is, and below what went wrong."""
        return draw_setup(view, frame)
