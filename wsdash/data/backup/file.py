"""The backup's plain SQL file: how its sections are marked, and the writer that never shows half a file.

psql reads it as SQL with comments. Our restorer reads the comment before each section, which tells what the
section is and how long: nothing in the data can be taken for a marker.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from wsdash.data.backup.manifest import FORMAT, BackupContent, BackupTable
from wsdash.data.backup.partial import open_partial, publish, write_failure
from wsdash.data.pg.sql import column_list, ident
from wsdash.errors import InputError

FIRST_LINE = f"-- wsdash backup, format {FORMAT}\n".encode()
MARKER = b"-- wsdash {"
END_OF_ROWS = b"\\.\n"
_BATCH = 256 * 1024
T = TypeVar("T")


class _Marker(msgspec.Struct, frozen=True, tag_field="do"):
    pass


class Content(_Marker, frozen=True, tag="backup"):
    """The first marker: the whole content, so that the file speaks for itself without its manifest."""

    content: BackupContent


class OnlyPsql(_Marker, frozen=True, tag="psql"):
    """`bytes` of lines that only psql needs."""

    bytes: int


class Run(_Marker, frozen=True, tag="run"):
    """One SQL command of `bytes`, its semicolon and newline included."""

    bytes: int
    kind: str
    name: str
    table: str = ""


class Rows(_Marker, frozen=True, tag="rows"):
    """A COPY line, then the rows in COPY's text format, then a line with backslash and dot."""

    schema: str
    table: str
    columns: tuple[str, ...]
    rows: int


class End(_Marker, frozen=True, tag="end"):
    """The file is complete."""

    statements: int
    rows: int


AnyMarker = Content | OnlyPsql | Run | Rows | End


def marker_line(marker: AnyMarker) -> bytes:
    """The comment line of a marker."""
    return b"-- wsdash " + msgspec.json.encode(marker) + b"\n"


def statement_section(kind: str, name: str, sql: str, table: str = "") -> bytes:
    """One SQL command with its marker."""
    last_line = sql.rsplit("\n", 1)[-1]
    text = (sql + ("\n;\n" if "--" in last_line else ";\n")).encode()
    return marker_line(Run(len(text), kind, name, table)) + text + b"\n"


def psql_section(text: str) -> bytes:
    """Lines for psql alone, with their marker."""
    data = text.encode()
    return marker_line(OnlyPsql(len(data))) + data + b"\n"


def rows_head(table: BackupTable) -> bytes:
    """The marker and the COPY command of a table."""
    rows = Rows(table.schema, table.name, table.columns, table.rows)
    return marker_line(rows) + copy_command(rows)


def copy_command(rows: Rows) -> bytes:
    """The command before a table's rows: one line, unless a name has a line break in it."""
    columns = f" ({column_list(rows.columns)})" if rows.columns else ""
    return f"COPY {ident(rows.schema, rows.table)}{columns} FROM stdin;\n".encode()


def comment_lines(lines: Sequence[str]) -> bytes:
    """Comments for people; a name with a newline in it cannot leave its line."""
    return "".join(f"-- {' '.join(line.splitlines())}\n" for line in lines).encode()


class BackupWriter:
    """Writes one file in a thread of its own, with back-pressure, counting bytes and hashing as it goes.

    Until publish() the file has a hidden name; discard() leaves nothing. Every method raises WsdashError with
    the disk's own reason.
    """

    def __init__(self, final: Path) -> None:
        self.final = final
        self.bytes = 0
        self._sha = hashlib.sha256()
        self._hidden: Path | None = None
        self._descriptor = -1
        self._published = False
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backup-writer")

    async def open(self) -> None:
        """Create the hidden file. Raises InputError when the final name is taken."""
        await self._in_thread(self._open)

    async def write(self, data: bytes) -> None:
        """Append; returns at once while less than a batch is waiting, else when the batch is written."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= _BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Hand everything that waits to the operating system."""
        batch, self._pending, self._pending_bytes = self._pending, [], 0
        await self._in_thread(lambda: self._write(batch))

    async def publish(self) -> str:
        """Flush to the disk, give the file its name, close it. Returns its sha256.

        Await it to its end: a call that is cancelled may still give the file its name.
        """
        await self.flush()
        await self._in_thread(self._publish)
        self._published = True
        self._thread.shutdown(wait=False)
        return self._sha.hexdigest()

    async def discard(self) -> None:
        """Close and remove the hidden file, whatever state it is in; nothing after publish()."""
        if self._published:
            return
        self._pending = []
        await self._in_thread(self._discard)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as error:
            raise write_failure(error, self.final, self.bytes) from error

    def _open(self) -> None:
        if self.final.exists():
            raise InputError(
                f"{self.final.name} exists already",
                where=str(self.final.parent),
                remedy="give the backup another name; an existing one is never overwritten",
            )
        self._descriptor, self._hidden = open_partial(self.final)

    def _write(self, batch: list[bytes]) -> None:
        for data in batch:
            view = memoryview(data)
            while view:
                done = os.write(self._descriptor, view)
                self._sha.update(view[:done])
                self.bytes += done
                view = view[done:]

    def _publish(self) -> None:
        if self._hidden is None:
            raise RuntimeError("the writer was never opened")
        os.fsync(self._descriptor)
        publish(self._hidden, self.final)
        self._hidden = None
        os.close(self._descriptor)

    def _discard(self) -> None:
        hidden, self._hidden = self._hidden, None
        if hidden is not None:
            hidden.unlink(missing_ok=True)
            os.close(self._descriptor)
