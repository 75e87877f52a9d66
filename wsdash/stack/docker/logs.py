"""One container's log from the engine: frames taken apart, each line once across reconnects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wsdash.model import LogLine
from wsdash.stack.docker.parse import nanoseconds
from wsdash.stack.text import LINE_LIMIT, BoundedLine

_HEADER = 8
_STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}
_FRAME_LIMIT = 4 * LINE_LIMIT
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) ")
_LONGEST_STAMP = 40
_PART_OF = re.compile(rb"(?:^|,)CONTAINER_PARTIAL_ID=(\w+)")
PARTS = (16_384, 262_118)
"""Bytes after which the engine cuts a line: daemon/logger/copier.go, defaultBufSize; awslogs has a size of
its own, met in the engine's copy of such a log."""

_SLACK = 10**9
"""Nanoseconds by which lines may be out of order in the engine's log."""


@dataclass(frozen=True)
class Stamped:
    """A line with the engine's own time, in nanoseconds since the epoch."""

    at: int
    stream: str
    text: str


class LogParser(Protocol):
    """The engine's bytes in, in whatever pieces they come; whole lines out.

    Memory is bounded: of a longer line its beginning is kept.
    """

    def feed(self, piece: bytes) -> list[Stamped]:
        """The lines that `piece` completes."""
        ...

    def finish(self) -> list[Stamped]:
        """The lines that the end of the stream completes."""
        ...


class Frames:
    """A multiplexed log with timestamps. details: they come with it.

    The engine cuts a line after PARTS bytes into several frames, each with a timestamp of its own; here they
    are one line again, with the first one's time. Which frame is a line's last one: the one that ends with a
    newline (driver json-file) or that is shorter than a part (local, journald: no part has a newline there).
    With journald a line that ends where a part does has no last frame: details name the line of each part.
    """

    def __init__(self, *, details: bool = False) -> None:
        self._details = details
        self._rest = b""
        self._pending: dict[str, _Partial] = {}
        self._huge: _Huge | None = None

    def feed(self, piece: bytes) -> list[Stamped]:
        """The lines that `piece` completes."""
        data, at = self._rest + piece, 0
        lines: list[Stamped] = []
        while True:
            if self._huge is not None:
                at += self._huge.let_go(data, at)
                if self._huge.left:
                    break
                lines += self._frame(self._huge.stream, self._huge.kept, self._huge.dropped, self._huge.last)
                self._huge = None
            begin = at + _HEADER
            length = int.from_bytes(data[at + 4 : begin], "big")
            end = begin + min(length, _FRAME_LIMIT)
            if len(data) < max(begin, end):
                break
            stream, payload = _STREAMS.get(data[at], "stderr"), data[begin:end]
            at = end
            if length > len(payload):
                self._huge = _Huge(stream, payload, length - len(payload))
            else:
                lines += self._frame(stream, payload, 0, payload[-1:])
        self._rest = data[at:]
        return lines

    def finish(self) -> list[Stamped]:
        """The lines that the end of the stream completes: none where it broke off within a frame, because the
        next connection repeats what is pending."""
        if self._rest or self._huge is not None:
            return []
        return [partial.done(stream) for stream, partial in self._pending.items()]

    def _frame(self, stream: str, kept: bytes, dropped: int, last: bytes) -> Iterator[Stamped]:
        """dropped: the bytes after the kept ones; last: the frame's last byte."""
        newline = last == b"\n"
        stamp, _, body = kept.partition(b" ")
        of, before, body = _without_details(body) if self._details else (b"", 0, body)
        partial = self._pending.pop(stream, None)
        if partial is not None and partial.of != of:
            yield partial.done(stream)
            partial = None
        partial = partial or _Partial.begun(stamp, of)
        partial.line.add(
            body.removesuffix(b"\n") if newline and not dropped else body, max(0, dropped - newline)
        )
        if newline or len(kept) + dropped - len(stamp) - 1 - before not in PARTS:
            yield partial.done(stream)
        else:
            self._pending[stream] = partial


@dataclass
class _Huge:
    """A frame of which the beginning is kept, and what is still to come of it let go; bytes."""

    stream: str
    kept: bytes
    left: int
    dropped: int = 0
    last: bytes = b""

    def let_go(self, data: bytes, at: int) -> int:
        """How many bytes of `data` from `at` on are the frame's."""
        gone = min(self.left, len(data) - at)
        if gone:
            self.last = data[at + gone - 1 : at + gone]
        self.left -= gone
        self.dropped += gone
        return gone


@dataclass(frozen=True)
class _Partial:
    """A line of which the engine has sent a part, and its first part's time. of: its name in details."""

    at: int
    line: BoundedLine
    of: bytes = b""

    @classmethod
    def begun(cls, stamp: bytes, of: bytes = b"") -> _Partial:
        return cls(nanoseconds(stamp.decode("ascii", "replace")) or 0, BoundedLine(), of)

    def done(self, stream: str) -> Stamped:
        return Stamped(self.at, stream, self.line.text())


def _without_details(text: bytes) -> tuple[bytes, int, bytes]:
    """What the attributes before a text call its line (b"": it is no part), their bytes with the space after
    them, and the text. Spaces in attributes are escaped."""
    attributes, _, body = text.partition(b" ")
    found = _PART_OF.search(attributes)
    return found[1] if found else b"", len(attributes) + 1, body


class Terminal:
    """The log of a container with a terminal: not multiplexed, all of it stdout.

    Parts follow each other with nothing but their timestamps between them: these are found where a part may
    end, and are no part of the line.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._partial: _Partial | None = None

    def feed(self, piece: bytes) -> list[Stamped]:
        """The lines that `piece` completes."""
        self._rest += piece
        return list(self._lines(at_end=False))

    def finish(self) -> list[Stamped]:
        """The lines that the end of the stream completes."""
        lines = list(self._lines(at_end=True))
        return lines if self._partial is None else [*lines, self._partial.done("stdout")]

    def _lines(self, *, at_end: bool) -> Iterator[Stamped]:
        while (line := self._next(at_end=at_end)) is not None:
            yield from line

    def _next(self, *, at_end: bool) -> list[Stamped] | None:
        """Take one part off the front: the line it ends, if it does. None: more bytes are needed."""
        rest = self._rest
        stamp = _STAMP.match(rest)
        if not rest or (stamp is None and len(rest) < _LONGEST_STAMP and b"\n" not in rest and not at_end):
            return None
        begin = stamp.end() if stamp else rest.find(b" ", 0, _LONGEST_STAMP) + 1
        newline = rest.find(b"\n", begin)
        split = self._split(begin, newline)
        if newline < 0 and split is None and not at_end:
            if len(rest) - begin <= LINE_LIMIT + max(PARTS):
                return None
            split = begin + LINE_LIMIT  # endless: its beginning is enough
        end = split if split is not None else newline if newline >= 0 else len(rest)
        partial = self._partial or _Partial.begun(rest[:begin].strip())
        partial.line.add(rest[begin:end].removesuffix(b"\r"))
        self._rest = rest[end if split is not None else end + 1 :]
        if split is not None and split - begin in PARTS:
            self._partial = partial
            return []
        self._partial = None
        return [partial.done("stdout")]

    def _split(self, begin: int, newline: int) -> int | None:
        """Where the part ends without a newline: a timestamp follows it at once."""
        end = newline if newline >= 0 else len(self._rest)
        for size in PARTS:
            if begin + size < end and _STAMP.match(self._rest, begin + size):
                return begin + size
        if self._partial is None:
            return None
        found = _STAMP.search(self._rest, begin, end)  # a line's last part, which is shorter
        return found.start() if found else None


class Cursor:
    """How far a container's log was read: a stream's last time, and how many lines had that very time.

    A stream for itself, because the engine may write lines of the two streams slightly out of order.
    """

    def __init__(self, since: float) -> None:
        self._floor = since
        self._last: dict[str, tuple[int, int]] = {}
        self._repeated: dict[str, tuple[int, int]] = {}
        """Of streams that may still repeat lines on this connection: the last time before, and the lines of
        that time that are still to be repeated."""

    @property
    def since(self) -> str:
        """The engine's `since` parameter: early enough that nothing is missed."""
        newest = max((at for at, _ in self._last.values()), default=int(self._floor * 1e9))
        begin = max(0, newest - _SLACK)
        return f"{begin // 10**9}.{begin % 10**9:09d}"

    def begin(self) -> None:
        """A connection begins: the engine repeats what it sent before."""
        self._repeated = dict(self._last)

    def is_new(self, line: Stamped) -> bool:
        """Count a line; False when it was handed out before, or is not after the beginning."""
        if line.stream in self._repeated and not self._is_beyond(line):
            return False
        if line.stream not in self._last and line.at / 1e9 <= self._floor:
            return False
        at, count = self._last.get(line.stream, (0, 0))
        # a clock that was set back makes later lines earlier: they are new all the same
        self._last[line.stream] = (line.at, count + 1 if line.at == at else 1)
        return True

    def _is_beyond(self, line: Stamped) -> bool:
        at, left = self._repeated[line.stream]
        if line.at > at:
            del self._repeated[line.stream]
            return True
        if line.at == at and not left:
            return True
        if line.at == at:
            self._repeated[line.stream] = (at, left - 1)
        return False


def as_log_line(container: str, line: Stamped) -> LogLine:
    """In the shape that every stack gives."""
    return LogLine(container, line.at / 1e9, line.stream, line.text)
