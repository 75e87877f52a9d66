"""Containers' output made harmless, bytes to lines of clean, bounded text; why a service did not start."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wsdash.outside import without_sequences

LINE_LIMIT = 32_768
"""Longest line that is kept, in bytes: beyond where Docker splits one (16 KiB). The rest of a longer one is
counted and dropped."""

# control characters, separators of lines, and marks that turn the direction of what follows
_UNSAFE = (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS = {code: "\ufffd" for code in _UNSAFE if code != 9} | {13: " "}


def clean(line: bytes) -> str:
    """One line as text that can do a screen no harm: no escape sequences, no control characters but tab.

    Of a line that was written over by carriage returns, as progress bars do, what was written last.
    """
    text = line.decode("utf-8", errors="replace").rstrip("\r\n")
    if text.isprintable():
        return text
    return without_sequences(text).rpartition("\r")[2].translate(_CONTROLS)


class BoundedLine:
    """A line that grows by pieces; memory stays below LINE_LIMIT."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._dropped = 0
        self._error = False

    def add(self, piece: bytes, left_out: int = 0) -> None:
        """Append bytes; left_out: how many more came that the caller has not kept.

        What a carriage return wrote over is let go, however long it went on.
        """
        if b"\r" in piece or self._head.endswith(b"\r"):
            piece = self._written_over(piece)
        room = LINE_LIMIT - len(self._head)
        self._head += piece[:room]
        if beyond := piece[room:] if room < len(piece) else b"":
            beyond = self._tail + beyond
            self._error = self._error or b"error" in beyond.lower()
            self._tail = beyond[-4:]
        self._dropped += max(0, len(piece) - room) + left_out

    def _written_over(self, piece: bytes) -> bytes:
        """The text since the last carriage return that something followed, and that return's rest."""
        whole = (self._head[-1:] if self._head.endswith(b"\r") else b"") + piece
        kept = whole.rstrip(b"\r")
        place = kept.rfind(b"\r")
        if place < 0:
            return piece
        self._head, self._tail, self._dropped, self._error = b"", b"", 0, False
        return whole[place + 1 :]

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


LONGEST = 200
_KNOWN = re.compile(
    r"address already in use|permission denied|no space left|cannot allocate memory|out of memory"
    r"|no such file or directory|read-only file system|too many open files|connection refused"
    r"|authentication failed|could not bind|exec format error|executable file not found|is not recognized",
    re.I,
)
"""What operating systems and servers say of the causes that somebody can do something about."""
_GRAVE = re.compile(r"\b(?:FATAL|PANIC|CRITICAL|ERROR)\b|\w(?:Error|Exception)\b|\berror:|\bpanic:")


def cause_of(lines: Sequence[str], *, or_last: bool = True) -> str:
    """The line that names the cause, '' when there is none: the first that says something well known, else
    the first grave one, else (or_last) the last. At most LONGEST characters."""
    written = [line.strip() for line in lines if line.strip()]
    for sign in (_KNOWN, _GRAVE):
        for line in written:
            if sign.search(line):
                return _cut(line, sign)
    return written[-1][:LONGEST] if written and or_last else ""


def _cut(line: str, sign: re.Pattern[str]) -> str:
    """The line, or of a long one the part that holds the cause."""
    if len(line) <= LONGEST:
        return line
    found = sign.search(line)
    start = max(0, (found.end() if found else LONGEST) - LONGEST)
    return ("…" if start else "") + line[start : start + LONGEST]
