"""Taking a backup: one snapshot, hypertables read through their roots, a plain SQL file and its manifest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from wsdash import __version__
from wsdash.data.backup.borrowed import self_contained
from wsdash.data.backup.manifest import (
    BackupContent,
    BackupManifest,
    BackupProof,
    BackupTable,
    DatabaseIdentity,
    check_file,
    find_backups,
    load_manifest,
    object_counts,
)
from wsdash.data.backup.partial import Meter, OnProgress, remove_leftovers, require_space, write_failure
from wsdash.data.backup.write import Frozen, WrittenBackup, new_file, write_draft
from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.limits import STATEMENT_SECONDS
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import session_lives
from wsdash.data.pg.sql import ident
from wsdash.data.schema.ddl import Statement, post_data, pre_data, sequence_values
from wsdash.data.scratch import server_errors
from wsdash.data.snapshot.chunk_states import read_anew
from wsdash.data.snapshot.hold import Snapshot, open_snapshot
from wsdash.data.tables.shape import Table
from wsdash.data.timescaledb.definitions import read_definitions
from wsdash.data.verify.checksum import checksum_table, row_source
from wsdash.errors import InputError, WsdashError

__all__ = [
    "BackupManifest",
    "BackupProof",
    "BackupTable",
    "check_backup",
    "database_identity",
    "find_backups",
    "keep_copy",
    "load_manifest",
    "take_backup",
]

TEXT_FACTOR = 1.25
"""How much larger than its table COPY's text may be, in the estimate of the disk that is needed."""
_MARGIN_BYTES = 16 << 20
_SAMPLE_ROWS = 1000
_SNAPSHOT_TRIES = 5


async def take_backup(
    source: Endpoint,
    schema: str,
    directory: Path,
    *,
    name: str | None = None,
    item: str,
    on_progress: OnProgress,
    run: str = "",
    role: str = "source",
    on_retake: Callable[[str], None] = lambda _: None,
) -> BackupManifest:
    """Back up `schema` into `directory` (made if missing) as NAME.sql and NAME.manifest.json.

    Rows, counts, checksums and schema belong to one snapshot; writers are not blocked. The file appears under
    its name only when it is complete and on the disk; its rows are as `psql -f` alone restores them. The
    manifest's proof is None: a backup counts only after prove_backup. Memory stays flat. When maintenance
    rewrites chunks meanwhile, it is taken anew a few times; on_retake hears why, and the manifest says so.
    Raises WsdashError (no tables, disk too small or full), InputError (name taken), UnreachableError.
    """
    directory = await _prepare(directory)
    doing = f"backing up schema {schema}"
    async with server_errors(source, doing):
        identity = await database_identity(source)
    retakes: list[str] = []

    async def take() -> BackupManifest:
        async with AsyncExitStack() as stack:
            draft = await write(stack)
            # the snapshot has ended: nothing that happens to its sessions can take back what gets its name
            return await draft.publish()

    async def write(stack: AsyncExitStack) -> WrittenBackup:
        async with (
            server_errors(source, doing),
            _snapshot_with_catalog(source, schema) as (snapshot, catalog),
        ):
            if not catalog.tables and role == "source":
                raise WsdashError(
                    f"schema {schema} holds no tables: there is nothing to back up",
                    where=source.address,
                    remedy="correct source.database and source.schema in wsdash.yaml",
                )
            frozen = await _freeze(snapshot, catalog, source, identity, run, role, item, on_progress)
            needed = await _bytes_needed(snapshot.conn, frozen)
            await require_space(directory, needed, f"a backup of schema {schema}")
            path = directory / _file_name(name, schema, snapshot.taken_at)
            writer = await stack.enter_async_context(new_file(path))
            return await write_draft(writer, snapshot, frozen, item, on_progress, retakes)

    def tell(why: str) -> None:
        retakes.append(why)
        on_retake(why)

    return await read_anew(take, tell)


async def keep_copy(
    endpoint: Endpoint,
    schema: str,
    directory: Path,
    *,
    prefix: str = "kept-copy",
    item: str,
    on_progress: OnProgress,
    run: str = "",
) -> BackupManifest:
    """Back up what a target holds before it is overridden, as PREFIX-SCHEMA-TIME.sql (invariant 2).

    Like take_backup, but a schema without tables is no error.
    """
    name = f"{prefix}-{_safe(schema)}-{_stamp(datetime.now(UTC).timestamp())}"
    return await take_backup(
        endpoint, schema, directory, name=name, item=item, on_progress=on_progress, run=run, role="target"
    )


async def check_backup(path: Path) -> BackupManifest:
    """The manifest of a backup whose file is unchanged and which was proven; named by either of its files.

    Raises InputError for a missing or broken manifest, WsdashError when the SQL file is missing or differs in
    size or sha256, or when the backup was never read back.
    """
    manifest = await asyncio.to_thread(load_manifest, path)
    await check_file(manifest)
    if manifest.proof is None or not manifest.proof.checksums_equal:
        raise WsdashError(
            f"{manifest.file} was never read back, so it does not count as a backup",
            where=str(manifest.path),
            remedy="run the backup item again: it restores the file into a scratch database and compares",
        )
    return manifest


async def database_identity(endpoint: Endpoint) -> DatabaseIdentity:
    """Which database it is, by whatever address; unknown (empty) when the server does not tell."""
    async with (
        server_errors(endpoint, "asking which database it is"),
        connection(endpoint, read_only=True) as conn,
    ):
        try:
            row = await conn.fetchrow(
                "SELECT (SELECT system_identifier FROM pg_control_system())::text AS system, oid "
                "FROM pg_database WHERE datname = current_database()",
                timeout=60,
            )
        except asyncpg.PostgresError as error:
            if not session_lives(error):
                raise
            return DatabaseIdentity()
    return DatabaseIdentity(row["system"], row["oid"]) if row is not None else DatabaseIdentity()


async def _prepare(directory: Path) -> Path:
    """The directory, made and free of dead runs' files, by its absolute path."""

    def prepare() -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        remove_leftovers(directory)
        return directory.absolute()

    try:
        return await asyncio.to_thread(prepare)
    except OSError as error:
        raise write_failure(error, directory, 0) from error


@asynccontextmanager
async def _snapshot_with_catalog(source: Endpoint, schema: str) -> AsyncIterator[tuple[Snapshot, Catalog]]:
    """A snapshot whose locks cover exactly the tables that its own catalog lists."""
    for _ in range(_SNAPSHOT_TRIES):
        async with connection(source, read_only=True) as conn:
            before = await read_catalog(conn, schema, part="tables")
        async with open_snapshot(source, before.tables) as snapshot:
            catalog = await read_catalog(snapshot.conn, schema)
            if [table.qualified for table in catalog.tables] == [t.qualified for t in before.tables]:
                yield snapshot, catalog
                return
    raise WsdashError(
        f"tables of schema {schema} come and go while the backup begins",
        where=source.address,
        remedy="stop the program that creates and drops tables there, then retry",
    )


async def _freeze(
    snapshot: Snapshot,
    catalog: Catalog,
    source: Endpoint,
    identity: DatabaseIdentity,
    run: str,
    role: str,
    item: str,
    on_progress: OnProgress,
) -> Frozen:
    tables: dict[str, BackupTable] = {}
    for table in catalog.tables:
        meter = Meter(on_progress, item, table.qualified, "checking", total_rows=table.rows or None)
        found = await checksum_table(snapshot.conn, table)
        meter.finish(found.rows)
        columns = tuple(column.name for column in table.copied_columns)
        tables[table.qualified] = BackupTable(table.schema, table.name, columns, found.rows, found.checksum)
    catalog, borrowed = await self_contained(snapshot.conn, catalog)
    before = borrowed + pre_data(catalog)
    after = post_data(catalog) + await sequence_values(snapshot.conn, catalog)
    after += [_analyze(table) for table in catalog.tables]
    content = BackupContent(
        tool=f"wsdash {__version__}",
        run=run,
        schema=catalog.schema,
        role=role,
        source=source.address,
        server_version=catalog.server_version,
        snapshot=snapshot.id,
        taken_at=snapshot.taken_at,
        tables=tables,
        objects=object_counts(catalog, frozenset({catalog.user})),
        reader=catalog.user,
        not_carried=tuple(f"{one.kind} {one.name}: {one.left_out}" for one in catalog.items if one.left_out),
        identity=identity,
        definitions=await read_definitions(snapshot.conn, catalog.schema, catalog.tables),
    )
    return Frozen(content, catalog.tables, before, after)


def _analyze(table: Table) -> Statement:
    return Statement(
        "analyze", table.qualified, f"ANALYZE {ident(table.schema, table.name)}", table.qualified
    )


async def _bytes_needed(conn: asyncpg.Connection, frozen: Frozen) -> int:
    """The larger of the relations' sizes and the rows times their sampled width (compressed chunks grow)."""
    needed = _MARGIN_BYTES
    for table in frozen.tables:
        width = await conn.fetchval(
            f"SELECT avg(octet_length(s::text)) FROM ({row_source(table)} LIMIT {_SAMPLE_ROWS}) s",
            timeout=STATEMENT_SECONDS,
        )
        rows = frozen.content.tables[table.qualified].rows
        needed += int(max(table.bytes, rows * float(width or 0)) * TEXT_FACTOR)
    return needed


def _file_name(name: str | None, schema: str, taken_at: float) -> str:
    if name is None:
        return f"backup-{_safe(schema)}-{_stamp(taken_at)}.sql"
    stem = name.removesuffix(".sql")
    if not stem or stem.startswith(".") or Path(stem).name != stem:
        raise InputError(
            f"{name!r} is no file name for a backup", where="--name", remedy="use letters, digits and dashes"
        )
    return f"{stem}.sql"


def _safe(schema: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", schema)


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%d-%H%M%S")
