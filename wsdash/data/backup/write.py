"""Writing the backup's SQL file out of an open snapshot, in psql's order, and its manifest last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from wsdash.data.backup.file import (
    END_OF_ROWS,
    FIRST_LINE,
    BackupWriter,
    Content,
    End,
    comment_lines,
    marker_line,
    psql_section,
    rows_head,
    statement_section,
)
from wsdash.data.backup.manifest import (
    BackupContent,
    BackupManifest,
    BackupTable,
    manifest_of,
    write_manifest,
)
from wsdash.data.backup.partial import Meter, OnProgress, write_failure
from wsdash.data.schema.ddl import Statement, search_path
from wsdash.data.scratch import Watchdog
from wsdash.data.snapshot.hold import Snapshot
from wsdash.data.tables.shape import Table
from wsdash.data.verify.checksum import row_source
from wsdash.errors import WsdashError
from wsdash.tasks import finished_though_cancelled

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE"
_SETTINGS = (
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET idle_session_timeout = 0",
    "SELECT pg_catalog.set_config('transaction_timeout', '0', false) "
    "WHERE pg_catalog.current_setting('transaction_timeout', true) <> '0'",
    "SELECT pg_catalog.set_config('session_replication_role', 'origin', false) "
    "WHERE pg_catalog.current_setting('session_replication_role') <> 'origin' "
    "AND pg_catalog.current_setting('is_superuser') = 'on'",
    "SELECT pg_catalog.set_config('temp_file_limit', '-1', false) "
    "WHERE pg_catalog.current_setting('temp_file_limit') <> '-1' "
    "AND pg_catalog.current_setting('is_superuser') = 'on'",
    "SET client_encoding = 'UTF8'",
    "SET standard_conforming_strings = on",
    "SET backslash_quote = safe_encoding",
    "SET array_nulls = on",
    "SET transform_null_equals = off",
    "SET quote_all_identifiers = off",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, MDY'",
    "SET IntervalStyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET bytea_output = hex",
    "SET xmlbinary = base64",
    "SET xmloption = content",
    "SET lc_monetary = 'C'",
    "SET lc_numeric = 'C'",
    "SET lc_time = 'C'",
    "SET default_tablespace = ''",
    "SET temp_tablespaces = ''",
    "SET default_table_access_method = heap",
    "SET default_toast_compression = pglz",
    "SET check_function_bodies = off",
    "SET row_security = off",
    "SET client_min_messages = warning",
)
"""As wsdash.data.pg.connect, for whoever runs the file: servers from 14 on know these names."""


@dataclass(frozen=True)
class Frozen:
    """What one snapshot held: the content for the header, and the commands around the rows."""

    content: BackupContent
    tables: tuple[Table, ...]
    before: list[Statement]
    after: list[Statement]


@dataclass(frozen=True)
class WrittenBackup:
    """A backup that is complete under a hidden name; publish() gives it its own."""

    writer: BackupWriter
    frozen: Frozen
    chunks: str
    retakes: tuple[str, ...]

    async def publish(self) -> BackupManifest:
        """Give the file its name and write its manifest, unproven: both, or neither.

        Cancelled meanwhile, it takes both back. Raises WsdashError when the disk is full.
        """
        try:
            return await finished_though_cancelled(self._publish())
        except asyncio.CancelledError:
            await asyncio.to_thread(_remove, self.writer.final)
            raise

    async def _publish(self) -> BackupManifest:
        sha = await self.writer.publish()
        fields = msgspec.structs.asdict(self.frozen.content)
        final = self.writer.final
        manifest = BackupManifest(
            **fields,
            file=final.name,
            bytes=self.writer.bytes,
            sha256=sha,
            directory=str(final.parent),
            chunks=self.chunks,
            retakes=self.retakes,
        )
        try:
            await asyncio.to_thread(write_manifest, manifest)
        except OSError as error:
            await asyncio.to_thread(_remove, final)
            raise write_failure(error, manifest.manifest_path, 0) from error
        return manifest


@asynccontextmanager
async def new_file(path: Path) -> AsyncIterator[BackupWriter]:
    """A writer for `path` (or path-2 ...); what it wrote is gone after the block, unless it was published."""
    writer = BackupWriter(await asyncio.to_thread(_free_path, path))
    try:
        await writer.open()
        yield writer
    finally:
        await finished_though_cancelled(writer.discard())


async def write_draft(
    writer: BackupWriter,
    snapshot: Snapshot,
    frozen: Frozen,
    item: str,
    on_progress: OnProgress,
    retakes: Sequence[str] = (),
) -> WrittenBackup:
    """Write what the snapshot holds. retakes: why it was begun anew, for the manifest.

    The snapshot may end afterwards. Raises WsdashError when the disk is full, MovedError when chunks were
    rewritten meanwhile.
    """
    await _write_sections(writer, snapshot.conn, frozen, item, on_progress)
    await writer.flush()
    await snapshot.require_unmoved()
    return WrittenBackup(writer, frozen, snapshot.chunks.evidence, tuple(retakes))


def _free_path(path: Path) -> Path:
    """`path`, or the first of path-2, path-3 ... for which neither file exists."""
    free, number = path, 1
    while free.exists() or manifest_of(free).exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}.sql")
    return free


def _remove(path: Path) -> None:
    for one in (manifest_of(path), path):
        one.unlink(missing_ok=True)


async def _write_sections(
    writer: BackupWriter, conn: asyncpg.Connection, frozen: Frozen, item: str, on_progress: OnProgress
) -> None:
    content = frozen.content
    await writer.write(FIRST_LINE + comment_lines(_introduction(content, writer.final.name)))
    await writer.write(marker_line(Content(content)) + b"\n")
    await writer.write(psql_section(f"\\set ON_ERROR_STOP on\n{_BEGIN};\n"))
    path = f"SET search_path = {search_path(content.schema)}"
    settings = [Statement("setting", sql.split()[1], sql) for sql in (*_SETTINGS, path)]
    await _write_statements(writer, settings + frozen.before)
    for table in frozen.tables:
        await _write_rows(writer, conn, table, content.tables[table.qualified], item, on_progress)
    await _write_statements(writer, frozen.after)
    await writer.write(psql_section("COMMIT;\n"))
    statements = len(settings) + len(frozen.before) + len(frozen.after)
    await writer.write(marker_line(End(statements, content.total_rows)))


def _introduction(content: BackupContent, file: str) -> list[str]:
    taken = datetime.fromtimestamp(content.taken_at, UTC).isoformat(timespec="seconds")
    rows = [f"  {table.qualified}: {table.rows:,} rows" for table in content.tables.values()]
    return [
        f"Schema {content.schema} of {content.source}, server version {content.server_version},",
        f"taken by {content.tool} from one snapshot ({content.snapshot}) at {taken}:",
        *rows,
        *(f"Not in this file: {line}" for line in content.not_carried),
        "Hypertables are plain tables here: all rows, without chunks, compression and policies.",
        f"Restore into an empty database with: psql -d DATABASE -f {file}",
        "It runs in one transaction and stops at the first error.",
    ]


async def _write_statements(writer: BackupWriter, statements: Sequence[Statement]) -> None:
    for one in statements:
        await writer.write(statement_section(one.kind, one.name, one.sql, one.table))


async def _write_rows(
    writer: BackupWriter,
    conn: asyncpg.Connection,
    table: Table,
    entry: BackupTable,
    item: str,
    on_progress: OnProgress,
) -> None:
    meter = Meter(on_progress, item, table.qualified, "dumping", total_rows=entry.rows)
    await writer.write(rows_head(entry))
    async with Watchdog() as watchdog:

        async def sink(data: bytes) -> None:
            meter.add(data.count(b"\n"), len(data))
            await writer.write(data)
            watchdog.alive()

        status = await conn.copy_from_query(row_source(table), output=sink, format="text")
    await writer.write(END_OF_ROWS + b"\n")
    dumped = int(status.rsplit(" ", 1)[1])
    if dumped != entry.rows:
        raise WsdashError(
            f"{table.qualified} gave {dumped:,} rows, but its snapshot holds {entry.rows:,}",
            where=f"snapshot {writer.final.name}",
            remedy="stop jobs that drop, compress or move chunks there, then retry",
        )
    meter.finish(dumped)
