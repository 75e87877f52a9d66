"""One container's log from the engine: frames taken apart, each line once across reconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from wsdash.model import LogLine
from wsdash.stack.docker_parse import nanoseconds
from wsdash.stack.text import LINE_LIMIT, LineSplitter, clean

_HEADER = 8
_STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}
_PIECE = 65_536
_FRAME_LIMIT = 4 * LINE_LIMIT
_SLACK = 10**9
"""Nanoseconds by which lines may be out of order in the engine's log."""


class Source(Protocol):
    """The part of aiohttp.StreamReader that is needed."""

    async def readexactly(self, n: int) -> bytes:
        """The next n bytes. Raises asyncio.IncompleteReadError when the stream ends before."""
        ...

    async def read(self, n: int = -1) -> bytes:
        """At most n bytes as soon as there are any, -1: all to the end; empty at the end."""
        ...


@dataclass(frozen=True)
class Stamped:
    """A line with the engine's own time, in nanoseconds since the epoch."""

    at: int
    stream: str
    text: str


async def read_frames(source: Source) -> AsyncIterator[Stamped]:
    """Lines of a multiplexed log with timestamps, to the end of the stream.

    The engine cuts lines longer than 16 KB into several frames, each with a timestamp of its own; here they
    are one line again, with the first one's time. Memory is bounded: of a longer line its beginning is kept.
    """
    pending: dict[str, _Partial] = {}
    while True:
        try:
            header = await source.readexactly(_HEADER)
            payload, left_out, ends = await _read_bounded(source, int.from_bytes(header[4:], "big"))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                return  # broken off: the next connection repeats what is pending
            break
        stream = _STREAMS.get(header[0], "stderr")
        stamp, _, body = payload.partition(b" ")
        partial = pending.pop(stream, None) or _Partial(nanoseconds(stamp.decode("ascii", "replace")) or 0)
        partial.add(body.removesuffix(b"\n") if ends and not left_out else body, left_out)
        if ends:
            yield partial.line(stream)
        else:
            pending[stream] = partial
    for stream, partial in pending.items():
        yield partial.line(stream)


class _Partial:
    """A line of which the engine has sent a part."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._head = b""
        self._dropped = 0

    def add(self, body: bytes, left_out: int) -> None:
        room = LINE_LIMIT - len(self._head)
        self._head += body[:room]
        self._dropped += max(0, len(body) - room) + left_out

    def line(self, stream: str) -> Stamped:
        more = f" … ({self._dropped:,} more bytes)" if self._dropped else ""
        return Stamped(self._at, stream, clean(self._head) + more)


async def _read_bounded(source: Source, length: int) -> tuple[bytes, int, bool]:
    """A frame's beginning, how many bytes of its text were left out, and whether it ends a line.

    Raises IncompleteReadError with a partial when the stream ends in it.
    """
    try:
        kept = await source.readexactly(min(length, _FRAME_LIMIT))
        left, last = length - len(kept), kept[-1:]
        dropped = 0
        while left:
            piece = await source.readexactly(min(left, _PIECE))
            left, last = left - len(piece), piece[-1:]
            dropped += len(piece)
    except asyncio.IncompleteReadError as error:
        # not the end between two frames, even where it comes right after a header
        raise asyncio.IncompleteReadError(error.partial or b"?", error.expected) from error
    ends = last == b"\n"
    return kept, dropped - 1 if dropped and ends else dropped, ends


async def read_lines(source: Source) -> AsyncIterator[Stamped]:
    """Lines of a container with a terminal: not multiplexed, all of it stdout."""
    splitter = LineSplitter()
    while True:
        piece = await source.read(_PIECE)
        for line in splitter.feed(piece) if piece else splitter.finish():
            stamp, _, text = line.partition(" ")
            yield Stamped(nanoseconds(stamp) or 0, "stdout", text)
        if not piece:
            return


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
