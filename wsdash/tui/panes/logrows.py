"""The rows that lines of a log take on the screen when they are broken at its width."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from rich.cells import cell_len

from wsdash.model import LogLine
from wsdash.tui.loglines import as_text

PREFIX = 14
"""Cells of a line before its text, beside the name."""
LEAST = 20
"""Where less room would be left behind the time and the name, later rows begin at the left edge."""


def indent_of(width: int, prefix: int) -> int:
    """Cells by which the later rows of a broken line are moved in."""
    return prefix if width - prefix >= LEAST else 0


def breaks(text: str, width: int, prefix: int) -> list[int]:
    """Where the rows of a line begin in its text. prefix: cells before what is aligned below each other."""
    width = max(1, width)
    after = width - indent_of(width, prefix)
    if text.isascii():
        return [0, *range(width, len(text), after)]
    begins, room = [0], width
    for place, sign in enumerate(text):
        cells = cell_len(sign)
        if cells > room and place > begins[-1]:
            begins.append(place)
            room = after
        room -= cells
    return begins


class LogRows:
    """The rows of all lines at one width, kept up as lines come at the end and go at the top."""

    def __init__(self, lines: Iterable[LogLine], width: int, name_width: int) -> None:
        self._width, self._name_width = width, name_width
        self._begins: list[int] = []
        self._end = 0
        self.extend(lines)

    def __len__(self) -> int:
        return self._end - (self._begins[0] if self._begins else self._end)

    def extend(self, lines: Iterable[LogLine]) -> None:
        """New lines at the end."""
        for line in lines:
            self._begins.append(self._end)
            text = as_text(line, self._name_width)
            self._end += len(breaks(text, self._width, self._name_width + PREFIX))

    def drop(self, lines: int) -> int:
        """So many lines went at the top; how many rows they took."""
        before = len(self)
        del self._begins[:lines]
        return before - len(self)

    def row(self, line: int) -> int:
        """The first row of a line; behind the last one, the number of rows."""
        if line >= len(self._begins):
            return len(self)
        return self._begins[line] - self._begins[0]

    def line(self, row: int) -> tuple[int, int]:
        """The line that a row belongs to, and which of its rows it is."""
        at = row + (self._begins[0] if self._begins else 0)
        found = max(0, bisect_right(self._begins, at) - 1)
        return found, at - (self._begins[found] if self._begins else 0)
