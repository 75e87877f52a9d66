"""A backup's SQL file read section by section, in bounded memory, and played into an open transaction.

What came out of it is compared with the manifest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import asyncpg

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
from wsdash.data.backup.manifest import (
    SESSION,
    BackupContent,
    BackupTable,
    check_file,
    load_manifest,
    manifest_of,
    sql_of,
)
from wsdash.data.backup.partial import Meter, OnProgress
from wsdash.data.catalog.read import Catalog
from wsdash.data.limits import STATEMENT_SECONDS
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transactions import transaction
from wsdash.data.scratch import Watchdog
from wsdash.data.tables.shape import Table
from wsdash.data.verify.checksum import TableChecksum, checksum_table
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


INDEX_KINDS = frozenset({"index", "constraint"})


async def verified_path(file: Path) -> Path:
    """The SQL file of a backup named by either of its files, unchanged as far as its manifest can tell.

    Raises InputError for a broken manifest, WsdashError when the file differs from it.
    """
    path = sql_of(file)
    if file != path or await asyncio.to_thread(manifest_of(path).exists):
        await check_file(await asyncio.to_thread(load_manifest, file))
    return path


@asynccontextmanager
async def all_or_nothing(endpoint: Endpoint) -> AsyncIterator[asyncpg.Connection]:
    """A session in one transaction: committed at the block's end, else rolled back, or cut if that hangs."""
    async with (
        connection(endpoint, read_only=False, settings=SESSION) as conn,
        transaction(conn, commit_seconds=STATEMENT_SECONDS),
    ):
        yield conn


async def play(reader: BackupReader, conn: asyncpg.Connection, item: str, on_progress: OnProgress) -> None:
    """Run every section of the file on `conn`, inside the caller's transaction."""
    async for marker, sql in reader.sections():
        if isinstance(marker, Rows):
            await copy_rows(reader, conn, marker, item, on_progress)
        elif marker.kind in INDEX_KINDS:
            meter = Meter(on_progress, item, marker.name, "indexing")
            await conn.execute(sql, timeout=STATEMENT_SECONDS)
            meter.finish()
        else:
            await conn.execute(sql, timeout=STATEMENT_SECONDS)
    await forget_path(conn)


async def forget_path(conn: asyncpg.Connection) -> None:
    """Take back the file's own search_path: the text of a row, and so its checksum, depends on it."""
    await conn.execute("SET search_path = pg_catalog", timeout=STATEMENT_SECONDS)


async def copy_rows(
    reader: BackupReader, conn: asyncpg.Connection, marker: Rows, item: str, on_progress: OnProgress
) -> None:
    """Stream the rows of one table out of the file into the table, in bounded memory."""
    subject = f"{marker.schema}.{marker.table}"
    meter = Meter(on_progress, item, subject, "restoring", total_rows=marker.rows)
    async with Watchdog() as watchdog:

        async def blocks() -> AsyncGenerator[bytes, None]:
            async for block in reader.rows():
                watchdog.alive()
                meter.add(block.count(b"\n"), len(block))
                yield block

        async with aclosing(blocks()) as source:
            await conn.copy_to_table(
                marker.table,
                schema_name=marker.schema,
                columns=list(marker.columns) or None,
                source=source,
                format="text",
            )
    if meter.rows != marker.rows:
        raise WsdashError(
            f"{reader.path.name} holds {meter.rows:,} rows of {subject} and promises {marker.rows:,}",
            where=str(reader.path),
            remedy="don't restore it; use another backup",
        )
    meter.finish()


async def skip_rows(reader: BackupReader) -> None:
    """Pass over the rows of the section just yielded."""
    async for _ in reader.rows():
        pass


async def measure(
    conn: asyncpg.Connection, table: Table, entry: BackupTable, item: str, on_progress: OnProgress
) -> TableChecksum:
    """Count and hash a live table over the columns that the backup has of it."""
    meter = Meter(on_progress, item, table.qualified, "checking", total_rows=entry.rows)
    columns = [column for column in table.copied_columns if column.name in entry.columns]
    found = await checksum_table(conn, table, columns=columns)
    meter.finish(found.rows)
    return found


async def differences(
    conn: asyncpg.Connection,
    catalog: Catalog,
    content: BackupContent,
    item: str,
    on_progress: OnProgress,
    names: Sequence[str] | None = None,
) -> list[str]:
    """How the live tables differ from the backup's, one line a table; `names` limits it to those tables."""
    live = {table.qualified: table for table in catalog.tables}
    lines = []
    for name in content.tables if names is None else names:
        entry, table = content.tables[name], live.get(name)
        if table is None:
            lines.append(f"{name}: missing")
            continue
        found = await measure(conn, table, entry, item, on_progress)
        if found.rows != entry.rows:
            lines.append(f"{name}: {found.rows:,} rows, the backup has {entry.rows:,}")
        elif found.checksum != entry.checksum:
            lines.append(f"{name}: {found.rows:,} rows as in the backup, but their content differs")
    return lines
