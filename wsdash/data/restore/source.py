"""Giving a source back what it lost: missing and empty tables only, by CREATE and COPY, all or nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from wsdash.data.backup.file import Rows, Run
from wsdash.data.backup.manifest import (
    BackupContent,
    BackupTable,
    RestoreResult,
    object_counts,
    owners_of,
    refuse_differences,
)
from wsdash.data.backup.partial import OnProgress
from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.limits import STATEMENT_SECONDS, TIMEOUT
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.sql import ident
from wsdash.data.restore.play import (
    BackupReader,
    all_or_nothing,
    copy_rows,
    differences,
    forget_path,
    measure,
    skip_rows,
    verified_path,
)
from wsdash.data.schema.ddl import post_data, pre_data
from wsdash.data.scratch import server_errors
from wsdash.data.tables.read import routers_always
from wsdash.data.tables.shape import Table
from wsdash.data.timescaledb.definitions import enable_compression, made_again, make_hypertable
from wsdash.data.timescaledb.jobs import HOME
from wsdash.errors import RefusedError


@dataclass(frozen=True)
class _Gaps:
    """What the source lacks. live: (kind, name) of every object that it has."""

    missing: frozenset[str]
    empty: dict[str, Table]
    equal: tuple[str, ...]
    live: frozenset[tuple[str, str]]

    @property
    def restored(self) -> set[str]:
        return set(self.missing) | set(self.empty)

    def wants(self, marker: Run) -> bool:
        """Whether this command only adds what is missing."""
        if marker.kind == "setting":
            return True
        if marker.kind == "analyze":
            return marker.table in self.restored
        if not self.missing or (marker.kind, marker.name) in self.live:
            return False
        if marker.kind == "sequence value":
            return ("sequence", marker.name) not in self.live
        return marker.table in self.missing or not marker.table


async def restore_missing_into_source(
    file: Path, source: Endpoint, *, item: str, on_progress: OnProgress
) -> RestoreResult:
    """Give `source` the tables of a backup that it lacks or that are empty there; touch nothing else.

    Rows go by COPY through the root (of a hypertable too) with user triggers off; a missing table is created
    with its indexes and triggers, and is a hypertable again when it was one (notes say what it is not).
    Tables that equal the backup are left alone. Everything is
    read back before it is committed. Raises RefusedError with a comparison, changing nothing, when a table
    holds other rows than the backup; else as restore_backup does.
    """
    path = await verified_path(file)
    started = time.monotonic()
    async with BackupReader(path) as reader:
        content = reader.content
        async with (
            server_errors(source, f"restoring {path.name}"),
            all_or_nothing(source) as conn,
        ):
            gaps = await _find_gaps(conn, source, content, item, on_progress)
            _refuse_unknown(content, gaps, source, bool(await conn.fetchval(HOME, timeout=TIMEOUT)))
            if gaps.restored:
                await _triggers_off(conn, source)
                async with routers_always(conn, _inheriting(gaps.empty)):
                    await _fill(reader, conn, gaps, item, on_progress)
            catalog = await read_catalog(conn, content.schema)
            names = [name for name in content.tables if name in gaps.restored]
            refuse_differences(
                await differences(conn, catalog, content, item, on_progress, names), path, source
            )
    return RestoreResult(
        path=path,
        schema=content.schema,
        tables={name: content.tables[name] for name in names},
        objects=object_counts(catalog, owners_of(catalog, content.reader)),
        server_version=catalog.server_version,
        seconds=time.monotonic() - started,
        left_alone=gaps.equal,
        notes=tuple(
            made_again(name, one) for name, one in (content.definitions or {}).items() if name in gaps.missing
        ),
    )


def _refuse_unknown(content: BackupContent, gaps: _Gaps, source: Endpoint, has_timescaledb: bool) -> None:
    """A backup that does not say what its tables were must not turn hypertables into plain tables."""
    if content.definitions is None and gaps.missing and has_timescaledb:
        raise RefusedError(
            "this backup does not note which tables were hypertables: they would come back as plain tables: "
            + ", ".join(sorted(gaps.missing)),
            where=source.address,
            remedy="create the lost tables as hypertables first (empty ones are filled), then retry",
        )


async def _find_gaps(
    conn: asyncpg.Connection, source: Endpoint, content: BackupContent, item: str, on_progress: OnProgress
) -> _Gaps:
    catalog = await read_catalog(conn, content.schema)
    live = {table.qualified: table for table in catalog.tables}
    empty: dict[str, Table] = {}
    equal: list[str] = []
    lines: list[str] = []
    for name, entry in content.tables.items():
        table = live.get(name)
        if table is None:
            continue
        found = await measure(conn, table, entry, item, on_progress)
        if (found.rows, found.checksum) == (entry.rows, entry.checksum):
            equal.append(name)
        elif found.rows:
            same = "as many rows, other content" if found.rows == entry.rows else f"{found.rows:,} rows"
            lines.append(f"{name}: {same}, the backup has {entry.rows:,}")
        else:
            lines += await _lock_empty(conn, table, entry)
            empty[name] = table
    if lines:
        raise RefusedError(
            "the source holds other rows than the backup: " + "; ".join(lines),
            where=source.address,
            remedy="nothing was changed; keep them, or restore the backup into another database and compare",
        )
    missing = frozenset(content.tables.keys() - live.keys())
    return _Gaps(missing, empty, tuple(equal), _objects(catalog))


def _objects(catalog: Catalog) -> frozenset[tuple[str, str]]:
    return frozenset((one.kind, one.name) for one in pre_data(catalog) + post_data(catalog))


async def _lock_empty(conn: asyncpg.Connection, table: Table, entry: BackupTable) -> list[str]:
    """Keep writers out of an empty table; what speaks against filling it."""
    name = ident(table.schema, table.name)
    await conn.execute(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE", timeout=TIMEOUT)
    if await conn.fetchval(f"SELECT EXISTS (SELECT FROM {name})", timeout=STATEMENT_SECONDS):
        return [f"{table.qualified}: rows are being written, the backup has {entry.rows:,}"]
    lacking = sorted(set(entry.columns) - {column.name for column in table.copied_columns})
    return [f"{table.qualified}: it has no column {', '.join(lacking)}"] if lacking else []


async def _triggers_off(conn: asyncpg.Connection, source: Endpoint) -> None:
    try:
        await conn.execute("SET LOCAL session_replication_role = replica", timeout=TIMEOUT)
    except asyncpg.InsufficientPrivilegeError as error:
        raise RefusedError(
            f"user {source.user} may not load rows with the triggers off, which would add rows of their own",
            where=source.address,
            remedy=f"as a superuser: GRANT SET ON PARAMETER session_replication_role TO {ident(source.user)}",
        ) from error


def _inheriting(tables: dict[str, Table]) -> list[str]:
    return [ident(table.schema, table.name) for table in tables.values() if table.hypertable == "inheritance"]


async def _fill(
    reader: BackupReader, conn: asyncpg.Connection, gaps: _Gaps, item: str, on_progress: OnProgress
) -> None:
    made = {name: one for name, one in (reader.content.definitions or {}).items() if name in gaps.missing}
    async for marker, sql in reader.sections():
        if isinstance(marker, Run):
            # the file turns triggers on, for psql; here they stay off
            ours = marker.kind == "setting" and "session_replication_role" in sql
            if gaps.wants(marker) and not ours:
                await conn.execute(sql, timeout=STATEMENT_SECONDS)
        elif _name(marker) in gaps.restored:
            if _name(marker) in made and made[_name(marker)].dimensions:
                await make_hypertable(conn, marker.schema, marker.table, made[_name(marker)])
            await copy_rows(reader, conn, marker, item, on_progress)
        else:
            await skip_rows(reader)
    await forget_path(conn)
    for name, definition in made.items():
        entry = reader.content.tables[name]
        await enable_compression(conn, entry.schema, entry.name, definition)


def _name(marker: Rows) -> str:
    return f"{marker.schema}.{marker.table}"
