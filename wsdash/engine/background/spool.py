"""The log spool: what containers wrote, kept on disk in bounded segments, written by the engine alone.

state/logs/NNNNNNNN.jsonl, one JSON LogLine a line. After a full segment comes the next; the oldest go first.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wsdash.engine.limits import GATHER_SECONDS
from wsdash.model import LogLine
from wsdash.outside import clean_texts
from wsdash.runtime import open_private

if TYPE_CHECKING:
    from wsdash.engine.journal.redact import Redactor

DIRECTORY = "logs"
SEGMENT_BYTES = 4 * 1024 * 1024
SEGMENTS = 16
LONGEST_QUEUE = 20_000
FULL_BATCH = 1000
"""Lines that are written at once."""
LONGEST_TEXT = 33_000
LONGEST_ROW = 1 << 20
"""Bytes of a line of the spool that are read at once; ours are far shorter."""
_REMEMBERED = 5000

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(LogLine)


class SpoolCursor(msgspec.Struct, frozen=True):
    """A place in the spool: segment number and byte offset in it.

    skipped: whole segments that were thrown away before this reader had read them, ever growing.
    """

    segment: int = 0
    offset: int = 0
    skipped: int = 0


class LogSpool:
    """The writing side: bounded on disk and in memory; lines that cannot be kept are counted in `dropped`.

    A line that the spool's tail already holds (same container, time and text) is not written again, so that
    following logs again after a restart repeats nothing.
    """

    def __init__(self, state: Path, redactor: Redactor | None = None) -> None:
        from wsdash.engine.journal.redact import Redactor  # its patterns take time, and no reader needs them

        self.redactor = redactor or Redactor()
        self.dropped = 0
        self._directory = state / DIRECTORY
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        tail, _ = SpoolReader(state).tail(_REMEMBERED)
        self._known = set(tail)
        self._known_until = max((line.at for line in tail), default=0.0)
        self.newest: float | None = self._known_until or None
        """Time of the newest line handed over, in this life or an earlier one."""
        numbers = _segments(self._directory)
        self._number = (numbers[-1] if numbers else 0) + 1  # never after a line that a crash cut in two
        self._queue: queue.SimpleQueue[LogLine | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_for_ever, name="spool", daemon=True)
        self._thread.start()

    def write(self, line: LogLine) -> None:
        """Hand over a line without waiting."""
        self.newest = max(line.at, self.newest or 0.0)
        if self._queue.qsize() >= LONGEST_QUEUE:
            self.dropped += 1
            return
        self._queue.put(line)

    async def close(self) -> None:
        """Write what is waiting and close (at most 5 s)."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, 5.0)

    def _write_for_ever(self) -> None:
        lines: list[LogLine] = []
        while True:
            line = self._queue.get()
            if line is not None and self._queue.qsize() < FULL_BATCH:
                time.sleep(GATHER_SECONDS)
            while line is not None:
                lines.append(line)
                if len(lines) >= FULL_BATCH or self._queue.empty():
                    break
                line = self._queue.get()
            if lines:
                self._append(lines)
                lines = []
            if line is None:
                return

    def _append(self, lines: list[LogLine]) -> None:
        encoded = [
            _encoder.encode(clean) + b"\n" for line in lines if (clean := self._accept(line)) is not None
        ]
        if not encoded:
            return
        path = _path(self._directory, self._number)
        try:
            with open_private(path) as file:
                file.write(b"".join(encoded))
                size = file.tell()
        except OSError:
            self.dropped += len(encoded)
            self._number += path.exists()  # it may end in half a line now
            return
        if size >= SEGMENT_BYTES:
            self._number += 1
            for number in _segments(self._directory)[: -(SEGMENTS - 1)]:
                with contextlib.suppress(OSError):
                    _path(self._directory, number).unlink()

    def _accept(self, line: LogLine) -> LogLine | None:
        clean = self.redactor.line(line)
        if len(clean.text) > LONGEST_TEXT:
            clean = msgspec.structs.replace(clean, text=clean.text[:LONGEST_TEXT] + "…")
        if line.at <= self._known_until and clean in self._known:
            return None
        return clean


class SpoolReader:
    """The reading side: opens files for reading only; an absent spool is an empty one."""

    def __init__(self, state: Path) -> None:
        self.directory = state / DIRECTORY

    def read(self, cursor: SpoolCursor | None = None, limit: int = 2000) -> tuple[list[LogLine], SpoolCursor]:
        """Up to `limit` lines after the cursor (None: from the oldest), and where to go on."""
        cursor = cursor or SpoolCursor()
        lines: list[LogLine] = []
        if self._nothing_since(cursor):
            return lines, cursor
        for number in _segments(self.directory):
            if number < cursor.segment or len(lines) >= limit:
                continue
            if number > cursor.segment:
                gap = max(0, number - cursor.segment - 1) if cursor.segment else 0
                cursor = SpoolCursor(number, 0, cursor.skipped + gap)
            found, offset = self._segment(number, cursor.offset, limit - len(lines))
            lines += found
            cursor = SpoolCursor(number, offset, cursor.skipped)
        return lines, cursor

    def _nothing_since(self, cursor: SpoolCursor) -> bool:
        """Whether nothing was written after the cursor, without listing the directory.

        A segment that is full is followed by the next number, which is made when it is first written to.
        """
        try:
            here = _path(self.directory, cursor.segment).stat().st_size
        except OSError:
            return False
        return here <= cursor.offset and not _path(self.directory, cursor.segment + 1).exists()

    def tail(self, count: int) -> tuple[list[LogLine], SpoolCursor]:
        """The newest `count` lines, and the cursor behind them."""
        lines: list[LogLine] = []
        cursor: SpoolCursor | None = None
        for number in reversed(_segments(self.directory)):
            found, offset = self._segment(number, 0, None)
            cursor = cursor or SpoolCursor(number, offset)
            lines = found + lines
            if len(lines) >= count:
                break
        return lines[len(lines) - min(count, len(lines)) :], cursor or SpoolCursor()

    def at(self, moment: float) -> SpoolCursor:
        """Where to read on from for the lines since that moment (epoch seconds): the last segment that begins
        before it, else the oldest. Lines of several containers are about, not wholly, in order of time."""
        cursor = SpoolCursor()
        for number in _segments(self.directory):
            first, _ = self._segment(number, 0, 1)
            if first and first[0].at >= moment:
                break
            cursor = SpoolCursor(number)
        return cursor

    def backwards(self, moment: float) -> Iterator[list[LogLine]]:
        """Whole segments that hold lines before that moment, the newest first."""
        for number in reversed([one for one in _segments(self.directory) if one <= self.at(moment).segment]):
            yield self._segment(number, 0, None)[0]

    def _segment(self, number: int, offset: int, limit: int | None) -> tuple[list[LogLine], int]:
        lines: list[LogLine] = []
        try:
            with _path(self.directory, number).open("rb") as file:
                file.seek(offset)
                while raw := file.readline(LONGEST_ROW):
                    if len(raw) == LONGEST_ROW and not raw.endswith(b"\n"):
                        offset += len(raw)  # no line of ours: its end, whenever it comes, is passed over too
                        continue
                    if not raw.endswith(b"\n") or (limit is not None and len(lines) >= limit):
                        break
                    offset += len(raw)
                    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                        lines.append(clean_texts(_decoder.decode(raw)))
        except FileNotFoundError:
            pass  # thrown away between listing and opening
        return lines, offset


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:08d}.jsonl"


def _segments(directory: Path) -> list[int]:
    try:
        return sorted(
            int(path.stem) for path in directory.glob("*.jsonl") if re.fullmatch("[0-9]{1,18}", path.stem)
        )
    except OSError:
        return []
