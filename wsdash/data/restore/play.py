"""Playing a backup file's sections into an open transaction, and comparing what came out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import asyncpg

from wsdash.data.backup.file import Rows
from wsdash.data.backup.manifest import (
    BackupContent,
    BackupTable,
    check_file,
    load_manifest,
    manifest_of,
    sql_of,
)
from wsdash.data.backup.meter import Meter, OnProgress
from wsdash.data.backup.result import SESSION
from wsdash.data.catalog.read import Catalog
from wsdash.data.limits import STATEMENT_SECONDS
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.transactions import transaction
from wsdash.data.restore.reader import BackupReader
from wsdash.data.scratch.database import Watchdog
from wsdash.data.tables.shape import Table
from wsdash.data.verify.checksum import TableChecksum, checksum_table
from wsdash.errors import WsdashError

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
