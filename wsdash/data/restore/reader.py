"""Reads a backup's SQL file section by section, in bounded memory, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from wsdash.data.backup.file import (
    END_OF_ROWS,
    FIRST_LINE,
    MARKER,
    AnyMarker,
    Content,
    End,
    OnlyPsql,
    Rows,
    Run,
    copy_command,
)
from wsdash.data.backup.manifest import BackupContent
from wsdash.errors import InputError, WsdashError
from wsdash.outside import DocumentError, read_json

_BLOCK = 256 * 1024
_LONGEST_MARKER = 64 << 20
T = TypeVar("T")


class BackupReader:
    """An open backup file. Use it as an async context manager; `content` is what the file says of itself.

    Entering raises InputError for a file that wsdash did not write. sections() yields Run with its SQL, and
    Rows, whose data must be taken from rows() before the next section. A file that ends early or whose parts
    don't fit raises WsdashError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: BackupContent
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backup-reader")
        self._file: BinaryIO
        self._rows_open = False

    async def __aenter__(self) -> BackupReader:
        try:
            self.content = await self._in_thread(self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.submit(self._file.close)
        self._thread.shutdown(wait=False)

    async def sections(self) -> AsyncIterator[tuple[Run, str] | tuple[Rows, str]]:
        """Every section in the file's order: (Run, its SQL without the semicolon) or (Rows, '')."""
        statements = rows = 0
        while True:
            marker, text = await self._in_thread(self._next)
            if isinstance(marker, Run):
                statements += 1
                yield marker, text
            elif isinstance(marker, Rows):
                rows += marker.rows
                self._rows_open = True
                yield marker, ""
                if self._rows_open:
                    raise RuntimeError("the rows of a section were not read")
            elif isinstance(marker, End):
                if (marker.statements, marker.rows) != (statements, rows):
                    raise self._broken("its end does not fit what came before")
                return

    async def rows(self) -> AsyncIterator[bytes]:
        """The data of the Rows section just yielded: text format, cut anywhere, without its last line."""
        carry, virtual = b"\n", 1
        while True:
            block = carry + await self._in_thread(self._block)
            if len(block) == len(carry):
                raise self._broken("it ends inside the rows of a table")
            end = block.find(b"\n" + END_OF_ROWS)
            keep = end + 1 if end >= 0 else len(block) - len(END_OF_ROWS)
            if keep > virtual:
                yield block[virtual:keep]
            if end >= 0:
                await self._in_thread(partial(self._back, len(block) - keep - len(END_OF_ROWS)))
                self._rows_open = False
                return
            carry, virtual = (block[keep:], 0) if keep >= virtual else (block, virtual)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as error:
            raise InputError(
                f"{self.path.name} cannot be read: {error.strerror or error}",
                where=str(self.path.parent),
                remedy="name a backup file that is there and readable",
            ) from error

    def _open(self) -> BackupContent:
        self._file = self.path.open("rb")
        try:
            if self._file.readline(len(FIRST_LINE)) != FIRST_LINE:
                raise InputError(
                    f"{self.path.name} is not a backup made by wsdash",
                    where=str(self.path),
                    remedy="restore it with psql -v ON_ERROR_STOP=1 -f FILE, or name a backup of wsdash",
                )
            marker, _ = self._next()
            if not isinstance(marker, Content):
                raise self._broken("its content is not described")
            return marker.content
        except BaseException:
            self._file.close()
            raise

    def _next(self) -> tuple[AnyMarker, str]:
        marker = self._marker()
        if isinstance(marker, Run | OnlyPsql):
            data = self._file.read(marker.bytes)
            if len(data) != marker.bytes or not data.endswith(b"\n"):
                raise self._broken("it ends inside a command, or was edited")
            return marker, data.decode().rstrip().removesuffix(";").rstrip()
        if isinstance(marker, Rows):
            command = copy_command(marker)
            if self._file.read(len(command)) != command:
                raise self._broken(f"the COPY command of {marker.schema}.{marker.table} is missing")
        return marker, ""

    def _marker(self) -> AnyMarker:
        while line := self._file.readline(_LONGEST_MARKER):
            if line.startswith(MARKER):
                try:
                    decoded: AnyMarker = read_json(line[len(MARKER) - 1 :], AnyMarker)
                except DocumentError as error:
                    raise self._broken(f"a marker is damaged ({error})") from error
                return decoded
            if line.strip() and not line.startswith(b"--"):
                raise self._broken("it holds SQL that wsdash did not write")
        raise self._broken("it ends early")

    def _block(self) -> bytes:
        return self._file.read(_BLOCK)

    def _back(self, size: int) -> None:
        self._file.seek(-size, 1)

    def _broken(self, what: str) -> WsdashError:
        return WsdashError(
            f"{self.path.name} is incomplete or damaged: {what}",
            where=str(self.path),
            remedy="don't restore it; use another backup",
        )
