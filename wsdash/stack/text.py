"""Containers' output made harmless: bytes to lines of clean, bounded text."""

from __future__ import annotations

import re

LINE_LIMIT = 32_768
"""Longest line that is kept, in bytes: beyond where Docker splits one (16 KiB). The rest of a longer one is
counted and dropped."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
# control characters, separators of lines, and marks that turn the direction of what follows
_UNSAFE = (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS = {code: "\ufffd" for code in _UNSAFE if code != 9} | {13: " "}


def clean(line: bytes) -> str:
    """One line as text that can do a screen no harm: no escape sequences, no control characters but tab."""
    text = line.decode("utf-8", errors="replace").rstrip("\r\n")
    if text.isprintable():
        return text
    return _ESCAPES.sub("", text).translate(_CONTROLS)


class BoundedLine:
    """A line that grows by pieces; memory stays below LINE_LIMIT."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._dropped = 0
        self._error = False

    def add(self, piece: bytes, left_out: int = 0) -> None:
        """Append bytes; left_out: how many more came that the caller has not kept."""
        room = LINE_LIMIT - len(self._head)
        self._head += piece[:room]
        if beyond := piece[room:] if room < len(piece) else b"":
            beyond = self._tail + beyond
            self._error = self._error or b"error" in beyond.lower()
            self._tail = beyond[-4:]
        self._dropped += max(0, len(piece) - room) + left_out

    def text(self) -> str:
        """Made harmless. What was dropped is counted, and said to hold an error where the word is in it."""
        if not self._dropped:
            return clean(self._head)
        what = ", with an error among them" if self._error else ""
        return f"{clean(self._head)} … ({self._dropped:,} more bytes{what})"

    def __bool__(self) -> bool:
        return bool(self._head or self._dropped)


class LineSplitter:
    """Bytes in whatever pieces they come, lines out; memory stays below LINE_LIMIT and one piece."""

    def __init__(self) -> None:
        self._line = BoundedLine()

    def feed(self, piece: bytes) -> list[str]:
        """The lines that `piece` completes."""
        *ends, rest = piece.split(b"\n")
        lines = []
        for end in ends:
            self._line.add(end)
            lines.append(self._take())
        self._line.add(rest)
        return lines

    def finish(self) -> list[str]:
        """What came after the last newline, at the end of the stream."""
        return [self._take()] if self._line else []

    def _take(self) -> str:
        line, self._line = self._line, BoundedLine()
        return line.text()
