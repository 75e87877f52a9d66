"""Containers' output made harmless: bytes to lines of clean, bounded text."""

from __future__ import annotations

import re

LINE_LIMIT = 16_384
"""Longest line that is kept, in bytes; the rest of a longer one is counted and dropped."""

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


class LineSplitter:
    """Bytes in whatever pieces they come, lines out; memory stays below LINE_LIMIT and one piece."""

    def __init__(self) -> None:
        self._head = b""
        self._dropped = 0

    def feed(self, piece: bytes) -> list[str]:
        """The lines that `piece` completes."""
        *ends, rest = piece.split(b"\n")
        lines = []
        for end in ends:
            self._add(end)
            lines.append(self._take())
        self._add(rest)
        return lines

    def finish(self) -> list[str]:
        """What came after the last newline, at the end of the stream."""
        return [self._take()] if self._head or self._dropped else []

    def _add(self, part: bytes) -> None:
        room = LINE_LIMIT - len(self._head)
        self._head += part[:room]
        self._dropped += max(0, len(part) - room)

    def _take(self) -> str:
        text = clean(self._head)
        if self._dropped:
            text += f" … ({self._dropped:,} more bytes)"
        self._head, self._dropped = b"", 0
        return text
