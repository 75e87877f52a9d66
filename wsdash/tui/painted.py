"""What the terminal shows, cell by cell, and of every update only what differs from that.

Textual paints a whole widget again when anything of it changed. Over a slow line that is most of what is
sent, and a screen at rest should send next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

Cell = tuple[str, str]
"""A sign and what sets its looks; the second cell of a wide sign has an empty one."""
UNKNOWN: Cell = ("\0", "")
WORTH_A_MOVE = 8
"""Cells that are sent again sooner than the cursor is moved past them."""
RESET = "\x1b[0m"
_CODE = re.compile(r"[34]8;(?:5;\d+|2;\d+;\d+;\d+)|\d+")
"""One thing that a sequence of looks sets: a colour, or an attribute such as bold."""


class Difference(CompositorUpdate):
    """Pieces of lines to be written, each at its column and row."""

    def __init__(self, pieces: list[tuple[int, int, Strip]]) -> None:
        self.pieces = pieces

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for x, y, strip in self.pieces:
            yield Control.move_to(x, y).segment
            yield from strip

    def render_segments(self, console: Console) -> str:
        """The pieces as what a terminal takes: of their looks only what differs from the cell sent before."""
        colors = console._color_system or ColorSystem.TRUECOLOR
        written: list[str] = []
        looks = ""
        for x, y, strip in self.pieces:
            written.append(Control.move_to(x, y).segment.text)
            for segment in strip:
                if segment.control:
                    continue
                wanted = _codes(segment, colors)
                written += (_turn(looks, wanted), segment.text)
                looks = wanted
        return "".join(written) + (RESET if looks else "")


class Painted:
    """Remembers what was painted. Only what the compositor hands over may be written to the terminal."""

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._rows: list[list[Cell]] = []
        self._strips: list[dict[int, tuple[int, Strip]]] = []

    def forget(self) -> None:
        """Somebody else wrote to the terminal: all is painted again."""
        self._size = Size(0, 0)

    def difference(self, update: ChopsUpdate | LayoutUpdate, console: Console, size: Size) -> Difference:
        """What of the update is not shown yet; from now on it counts as shown. size: of the terminal."""
        if size != self._size:
            self._size = size
            self._rows = [[UNKNOWN] * size.width for _ in range(size.height)]
            self._strips = [{} for _ in range(size.height)]
        pieces: list[tuple[int, int, Strip]] = []
        for y, x, strip in _pieces(update):
            if y < size.height and strip.cell_length:
                pieces += [(at, y, piece) for at, piece in self._news(y, x, strip, console)]
        return Difference(pieces)

    def _news(self, y: int, x: int, strip: Strip, console: Console) -> list[tuple[int, Strip]]:
        end = x + strip.cell_length
        strips = self._strips[y]
        before = strips.get(x)
        if before is not None and before[0] == end:
            if before[1] is strip:
                return []
        else:
            for start in [start for start, (until, _) in strips.items() if start < end and x < until]:
                del strips[start]
        strips[x] = (end, strip)
        row, now = self._rows[y], _cells(strip, console)
        found = [(x + a, strip.crop(a, b)) for a, b in _runs(row[x:end], now)]
        row[x:end] = now[: self._size.width - x]
        return found


def _pieces(update: ChopsUpdate | LayoutUpdate) -> Iterable[tuple[int, int, Strip]]:
    """Every strip of an update with its row and column."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield y, x, strip
                x += strip.cell_length
        return
    # beside the spans the compositor may have drawn only what lies under a pane, not the pane
    lines: dict[int, list[tuple[int, int]]] = {}
    for y, begin, end in update.spans:
        lines.setdefault(y, []).append((begin, end))
    for y, spans in sorted(lines.items()):
        for until, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if chop is not None and any(x < end and begin < until for begin, end in spans):
                yield y, x, chop


def _cells(strip: Strip, console: Console) -> list[Cell]:
    """Its cells: compared is what would be sent, not styles, which also say what a click means."""
    colors = console._color_system or ColorSystem.TRUECOLOR
    cells: list[Cell] = []
    for segment in strip:
        if segment.control:
            continue
        looks = _codes(segment, colors)
        text = segment.text
        if segment.cell_length == len(text):
            cells += [(sign, looks) for sign in text]
            continue
        for sign in text:
            width = Segment(sign).cell_length
            if width:
                cells += [(sign, looks), *[("", looks)] * (width - 1)]
            elif cells:  # it joins the sign before it
                at = max(n for n in range(len(cells)) if cells[n][0])
                cells[at] = (cells[at][0] + sign, cells[at][1])
    return cells


def _codes(segment: Segment, colors: ColorSystem) -> str:
    """What sets the looks of a segment on a terminal that was reset, without what is around it; '' for none.

    No pane makes links of the terminal's own, which would be more than that.
    """
    style = segment.style
    if style is None:
        return ""
    return Strip.render_ansi(style, colors) if style._ansi is None else style._ansi


@lru_cache(1024)
def _turn(before: str, after: str) -> str:
    """The shortest sequence from one look to another; all is set anew where something of it has to end."""
    if before == after:
        return ""
    if not after:
        return RESET
    old, new = _CODE.findall(before), _CODE.findall(after)
    ends = [code for code in old if code not in new and not any(_replaces(other, code) for other in new)]
    if ends:
        return f"\x1b[0;{after}m"
    return f"\x1b[{';'.join(code for code in new if code not in old)}m"


def _replaces(code: str, other: str) -> bool:
    """Whether both set the same colour, the foreground's or the background's."""
    return _ground(code) is not None and _ground(code) == _ground(other)


def _ground(code: str) -> int | None:
    """3 for a foreground, 4 for a background, None for an attribute."""
    number = int(code.partition(";")[0])
    for first, bright in ((3, 90), (4, 100)):
        if number // 10 == first or bright <= number < bright + 8:
            return first
    return None


def _runs(old: list[Cell], new: list[Cell]) -> list[tuple[int, int]]:
    """Begin and end of the cells that differ; near ones together, a wide sign never cut in two."""
    runs: list[tuple[int, int]] = []
    count = len(new)
    for n in range(count):
        if n < len(old) and old[n] == new[n]:
            continue
        begin, end = n, n + 1
        while begin and not new[begin][0]:
            begin -= 1
        while end < count and not new[end][0]:
            end += 1
        if runs and begin - runs[-1][1] < WORTH_A_MOVE:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((begin, end))
    return runs
