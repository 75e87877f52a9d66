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
_SLACK = 10**9
"""Nanoseconds by which lines may be out of order in the engine's log."""


class Source(Protocol):
    """The part of aiohttp.StreamReader that is needed."""

    async def readexactly(self, n: int) -> bytes: ...

    async def read(self, n: int = -1) -> bytes: ...


@dataclass(frozen=True)
class Stamped:
    """A line with the engine's own time, in nanoseconds since the epoch."""

    at: int
    stream: str
    text: str


async def read_frames(source: Source) -> AsyncIterator[Stamped]:
    """Lines of a multiplexed log with timestamps, to the end of the stream.

    The engine cuts lines longer than 16 KB into several frames, each with a timestamp of its own; here they
    are one line again, with the first one's time.
    """
    pending: dict[str, tuple[int, bytes]] = {}
    while True:
        try:
            header = await source.readexactly(_HEADER)
            payload = await source.readexactly(int.from_bytes(header[4:], "big"))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                return  # broken off: the next connection repeats what is pending
            break
        stream = _STREAMS.get(header[0], "stderr")
        stamp, _, body = payload.partition(b" ")
        at, head = pending.pop(stream, (nanoseconds(stamp.decode("ascii", "replace")) or 0, b""))
        line = (head + body)[: LINE_LIMIT + 1]
        if payload.endswith(b"\n"):
            yield Stamped(at, stream, clean(line[:LINE_LIMIT]))
        else:
            pending[stream] = (at, line)
    for stream, (at, line) in pending.items():
        yield Stamped(at, stream, clean(line[:LINE_LIMIT]))


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
        self._seen: dict[str, int] = {}

    @property
    def since(self) -> str:
        """The engine's `since` parameter: early enough that nothing is missed."""
        newest = max((at for at, _ in self._last.values()), default=int(self._floor * 1e9))
        begin = max(0, newest - _SLACK)
        return f"{begin // 10**9}.{begin % 10**9:09d}"

    def begin(self) -> None:
        """A connection begins: the engine repeats what it sent before."""
        self._seen = {}

    def is_new(self, line: Stamped) -> bool:
        """Count a line; False when it was handed out before, or is not after the beginning."""
        at, count = self._last.get(line.stream, (0, 0))
        if line.at / 1e9 <= self._floor or line.at < at:
            return False
        if line.at > at:
            self._last[line.stream], self._seen[line.stream] = (line.at, 1), 1
            return True
        seen = self._seen[line.stream] = self._seen.get(line.stream, 0) + 1
        self._last[line.stream] = (at, max(count, seen))
        return seen > count


def as_log_line(container: str, line: Stamped) -> LogLine:
    """In the shape that every stack gives."""
    return LogLine(container, line.at / 1e9, line.stream, line.text)
