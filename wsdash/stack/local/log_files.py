"""Log files of services: lines as JSON, two files a service, written by one and followed by many.

DIR/logs/NAME.jsonl is the newest file, NAME.jsonl.1 the one before. `at` grows strictly over all services
of a supervisor, so one number says exactly up to where a follower has read.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wsdash.model import LogLine

FILE_BYTES = 8 * 1024**2
_PIECE = 65_536
_LESS_THAN_A_STEP = 4e-7


class StoredLine(msgspec.Struct, frozen=True):
    """One line in a log file."""

    at: float
    stream: str
    text: str


_decoder = msgspec.json.Decoder(StoredLine)


def log_path(directory: Path, name: str) -> Path:
    """Where the newest lines of a service are."""
    return directory / "logs" / f"{name}.jsonl"


def older(path: Path) -> Path:
    """Where the lines before those are."""
    return path.with_name(path.name + ".1")


def _parse(line: bytes) -> StoredLine | None:
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        return None  # torn by a crash or a full disk


class LogFile:
    """The writing end. A full disk costs lines, which are counted and reported when there is room again."""

    def __init__(self, path: Path, limit: int = FILE_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._lost = 0
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._handle = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._handle).st_size
        if self._size:
            self._size += os.write(self._handle, b"\n")  # ends a line torn by a crash

    def append(self, lines: list[StoredLine]) -> None:
        """Write lines, rotating when the file is full. Blocking."""
        count = len(lines)
        if self._lost:
            text = f"{self._lost} lines were lost: they could not be written"
            lines = [StoredLine(lines[0].at - _LESS_THAN_A_STEP, "wsdash", text), *lines]
        data = b"\n" * bool(self._lost) + b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        try:
            if self._size and self._size + len(data) > self._limit:
                self._rotate()
            written = os.write(self._handle, data)
            self._size += written
            if written < len(data):
                os.write(self._handle, data[written:])
            self._lost = 0
        except OSError:
            self._lost += count

    def _rotate(self) -> None:
        with suppress(FileNotFoundError):
            os.replace(self._path, older(self._path))
        full = self._handle
        self._open()
        os.close(full)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


class _Tail:
    """The reading end of one service's log, positioned after `since`."""

    def __init__(self, directory: Path, name: str, since: float) -> None:
        self.name = name
        self._path = log_path(directory, name)
        self._since = since
        self._handle = -1
        self._rest = b""
        self._lines: list[StoredLine] = []
        self._next = 0
        self._switch(self._path)  # held open first: a rotation from here on is seen as one
        before = older(self._path)
        if last_at(before) > since and (self._handle < 0 or not _same(self._handle, before)):
            self._switch(before)
        if self._handle >= 0:
            os.lseek(self._handle, _offset_after(self._handle, since), os.SEEK_SET)

    def head(self) -> StoredLine | None:
        """The next line, or None when there is none yet."""
        while self._next >= len(self._lines):
            piece = self._read()
            if not piece:
                return None
            *whole, self._rest = (self._rest + piece).split(b"\n")
            parsed = (_parse(line) for line in whole if line)
            self._lines = [line for line in parsed if line is not None and line.at > self._since]
            self._next = 0
        return self._lines[self._next]

    def advance(self) -> None:
        """Go past the head."""
        self._since = self._lines[self._next].at
        self._next += 1

    def _read(self) -> bytes:
        if self._handle < 0:
            if not self._path.exists():
                return b""
            self._switch(self._path)
        piece = os.read(self._handle, _PIECE)
        if piece:
            return piece
        following = self._following()
        if following is None:
            return b""
        piece = os.read(self._handle, _PIECE)  # written between the end seen above and the rotation
        if not piece:
            self._switch(following)
            piece = os.read(self._handle, _PIECE)
        return piece

    def _following(self) -> Path | None:
        if not self._path.exists() or _same(self._handle, self._path):
            return None
        before = older(self._path)
        return self._path if _same(self._handle, before) or not before.exists() else before

    def _switch(self, path: Path) -> None:
        self.close()
        with suppress(FileNotFoundError):
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._rest = b""

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _same(handle: int, path: Path) -> bool:
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except OSError:
        return False


@dataclass
class LogReader:
    """Lines of several services after `since`, in the order of `at`. Blocking: use it in a thread."""

    directory: Path
    names: tuple[str, ...]
    since: float

    def __post_init__(self) -> None:
        self._tails = [_Tail(self.directory, name, self.since) for name in self.names]

    def read(self, until: float, limit: int = 1000) -> list[LogLine]:
        """At most `limit` lines written up to `until`; empty when there is nothing more for now."""
        lines: list[LogLine] = []
        while len(lines) < limit:
            heads = [(head.at, n, head) for n, tail in enumerate(self._tails) if (head := tail.head())]
            if not heads:
                break
            at, number, head = min(heads, key=lambda entry: entry[:2])
            if at > until:
                break
            self._tails[number].advance()
            lines.append(LogLine(self._tails[number].name, at, head.stream, head.text))
        return lines

    def close(self) -> None:
        """Let go of the files."""
        for tail in self._tails:
            tail.close()


def last_lines(path: Path, count: int) -> list[StoredLine]:
    """The newest lines of one log file, at most 64 KB of them. Blocking."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _PIECE))
            pieces = file.read().split(b"\n")
    except OSError:
        return []
    return [line for piece in pieces if piece and (line := _parse(piece))][-count:]


def newest_lines(directory: Path, name: str, count: int) -> list[StoredLine]:
    """The newest lines of a service. Blocking."""
    path = log_path(directory, name)
    return [*last_lines(older(path), count), *last_lines(path, count)][-count:]


def last_at(path: Path) -> float:
    """The newest line's time, 0 when there is none."""
    lines = last_lines(path, 1)
    return lines[-1].at if lines else 0.0


def _offset_after(handle: int, since: float) -> int:
    """An offset in the file at or before the first line after `since`, by halving."""
    low, high = 0, os.fstat(handle).st_size
    while high - low > _PIECE:
        middle = (low + high) // 2
        piece = os.pread(handle, _PIECE, middle)
        start = piece.find(b"\n") + 1
        line = _parse(piece[start : piece.find(b"\n", start)]) if start else None
        if line is None:
            break
        if line.at <= since:
            low = middle
        else:
            high = middle
    if low == 0:
        return 0
    return low + os.pread(handle, _PIECE, low).find(b"\n") + 1
