"""Restoring a backup: into an empty database, over a target that was copied first, or what a source lost.

A backup is proven so too: restored into a scratch database, counted and hashed, compared with its manifest.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
import msgspec

from wsdash.data.backup.manifest import (
    BackupContent,
    BackupManifest,
    BackupProof,
    DatabaseIdentity,
    RestoreResult,
    check_file,
    load_manifest,
    object_counts,
    owners_of,
    refuse_differences,
    write_manifest,
)
from wsdash.data.backup.partial import OnProgress, write_failure
from wsdash.data.backup.take import database_identity, keep_copy
from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.limits import STATEMENT_SECONDS, TIMEOUT
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.sql import ident
from wsdash.data.restore.play import BackupReader, all_or_nothing, differences, play, verified_path
from wsdash.data.scratch import scratch_database, server_errors
from wsdash.errors import RefusedError, WsdashError

_OBJECTS = """
SELECT count(*) FROM (
  SELECT FROM pg_class WHERE relnamespace = $1::oid AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  UNION ALL SELECT FROM pg_proc WHERE pronamespace = $1::oid
  UNION ALL SELECT FROM pg_type WHERE typnamespace = $1::oid AND typtype IN ('e', 'd')
) objects
"""
_DEPENDENTS = """
SELECT n.nspname || '.' || v.relname AS name
FROM pg_depend d JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace n ON n.oid = v.relnamespace
WHERE t.relnamespace = $1::oid AND v.relnamespace <> $1::oid
UNION
SELECT n.nspname || '.' || c.relname FROM pg_constraint f
JOIN pg_class t ON t.oid = f.confrelid JOIN pg_class c ON c.oid = f.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE f.contype = 'f' AND t.relnamespace = $1::oid AND c.relnamespace <> $1::oid
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
ORDER BY 1
"""


async def restore_backup(
    file: Path,
    target: Endpoint,
    *,
    replace: bool = False,
    source: Endpoint | None = None,
    allow_source: bool = False,
    item: str,
    on_progress: OnProgress,
    run: str = "",
) -> RestoreResult:
    """Restore a wsdash backup (.sql or .manifest.json) into `target`: all of it, read back equal, or nothing.

    A schema that holds anything refuses (RefusedError) unless `replace`: then a backup of it is taken into
    the same directory first (before-restore-...), and only a schema equal to that copy is dropped. The source
    (`source`, the database the backup came from, or any schema with hypertables) is never replaced without
    `allow_source` as well. Raises InputError for a file that wsdash did not write, WsdashError for a file
    that changed or a server's error, UnreachableError.
    """
    path = await verified_path(file)
    started = time.monotonic()
    async with BackupReader(path) as reader, server_errors(target, f"restoring {path.name}"):
        content, kept = reader.content, None
        occupied = await _occupied(target, content.schema)
        if occupied is not None:
            await _may_replace(target, content, occupied, replace, source, allow_source)
            kept = await keep_copy(
                target,
                content.schema,
                path.parent,
                prefix="before-restore",
                item=item,
                on_progress=on_progress,
                run=run,
            )
        async with all_or_nothing(target) as conn:
            if kept is not None:
                await _drop_kept(conn, kept, item, on_progress)
            await play(reader, conn, item, on_progress)
            catalog = await read_catalog(conn, content.schema)
            refuse_differences(await differences(conn, catalog, content, item, on_progress), path, target)
    return RestoreResult(
        path=path,
        schema=content.schema,
        tables=dict(content.tables),
        objects=object_counts(catalog, owners_of(catalog, content.reader)),
        server_version=catalog.server_version,
        seconds=time.monotonic() - started,
        kept_copy=kept,
    )


async def _occupied(target: Endpoint, schema: str) -> Catalog | None:
    """The catalog of the target's schema when there is anything in it, else None."""
    async with connection(target, read_only=True) as conn:
        namespace = await conn.fetchval(
            "SELECT oid FROM pg_namespace WHERE nspname = $1", schema, timeout=TIMEOUT
        )
        if namespace is None or not await conn.fetchval(_OBJECTS, namespace, timeout=TIMEOUT):
            return None
        return await read_catalog(conn, schema)


async def _may_replace(
    target: Endpoint,
    content: BackupContent,
    occupied: Catalog,
    replace: bool,
    source: Endpoint | None,
    allow_source: bool,
) -> None:
    if not replace:
        raise RefusedError(
            f"schema {content.schema} there is not empty: {await _holdings(target, occupied)}",
            where=target.address,
            remedy="restore into an empty database, or add --replace: a copy of what is there is kept first",
        )
    if not allow_source and await _is_source(target, content, occupied, source):
        raise RefusedError(
            f"this is the source: its schema {content.schema} is never dropped",
            where=target.address,
            remedy="restore only what the source lost (missing or empty tables), or name another database",
        )
    async with connection(target, read_only=True) as conn:
        namespace = await conn.fetchval(
            "SELECT oid FROM pg_namespace WHERE nspname = $1", content.schema, timeout=TIMEOUT
        )
        outside = [row["name"] for row in await conn.fetch(_DEPENDENTS, namespace, timeout=TIMEOUT)]
    if outside:
        raise RefusedError(
            f"objects outside schema {content.schema} depend on it: {', '.join(outside[:10])}",
            where=target.address,
            remedy="drop them knowingly, or restore into another database",
        )


async def _holdings(target: Endpoint, occupied: Catalog) -> str:
    counts = []
    async with connection(target, read_only=True) as conn:
        for table in occupied.tables:
            query = f"SELECT count(*) FROM {ident(table.schema, table.name)}"
            counts.append(f"{table.qualified} {await conn.fetchval(query, timeout=STATEMENT_SECONDS):,} rows")
    return ", ".join(counts) or "no tables, but other objects"


async def _is_source(
    target: Endpoint, content: BackupContent, occupied: Catalog, source: Endpoint | None
) -> bool:
    if any(table.hypertable for table in occupied.tables):
        return True
    here = await database_identity(target)
    same = content.source == target.address or (here.known() and here == content.identity)
    if content.role == "source" and same:
        return True
    return source is not None and (source.address == target.address or await _same(here, source))


async def _same(here: DatabaseIdentity, source: Endpoint) -> bool:
    there = await database_identity(source)
    return there.known() and there == here


async def _drop_kept(
    conn: asyncpg.Connection, kept: BackupManifest, item: str, on_progress: OnProgress
) -> None:
    """Drop the schema, whose tables nobody can write any more, if the kept copy still equals it."""
    for table in kept.tables.values():
        name = ident(table.schema, table.name)
        await conn.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE", timeout=TIMEOUT)
    catalog = await read_catalog(conn, kept.schema)
    lines = await differences(conn, catalog, kept, item, on_progress)
    lines += [f"{t.qualified}: new" for t in catalog.tables if t.qualified not in kept.tables]
    if lines:
        raise RefusedError(
            "it was written to after its copy was kept: " + "; ".join(lines),
            where=kept.source,
            remedy="stop whatever writes there, then retry",
        )
    await conn.execute(f"DROP SCHEMA {ident(kept.schema)} CASCADE", timeout=STATEMENT_SECONDS)


async def prove_backup(
    manifest_path: Path, server: Endpoint, *, item: str, on_progress: OnProgress
) -> BackupProof:
    """Restore the backup into a scratch database on `server`, compare, and write the proof in the manifest.

    `server` is any server where the user may create databases; no database that exists there is touched, and
    the scratch database is always dropped (roles that a grant needs and the server lacks stay, as after any
    restore). Raises WsdashError naming the tables or kinds of objects that differ, and everything that
    restore_backup raises; then the manifest keeps no proof.
    """
    started = time.monotonic()
    manifest = await asyncio.to_thread(load_manifest, manifest_path)
    await check_file(manifest)
    if manifest.proof is not None:
        manifest = await _save(manifest, None)
    async with scratch_database(server) as scratch:
        result = await restore_backup(manifest.path, scratch, item=item, on_progress=on_progress)
    _compare(manifest, result, server)
    proof = BackupProof(
        proven_at=time.time(),
        server=server.address,
        server_version=result.server_version,
        rows=sum(result.rows.values()),
        tables=len(result.tables),
        objects=result.objects,
        checksums_equal=True,
        seconds=round(time.monotonic() - started, 3),
    )
    await _save(manifest, proof)
    return proof


async def _save(manifest: BackupManifest, proof: BackupProof | None) -> BackupManifest:
    changed = msgspec.structs.replace(manifest, proof=proof)
    try:
        await asyncio.to_thread(write_manifest, changed)
    except OSError as error:
        raise write_failure(error, manifest.manifest_path, 0) from error
    return changed


def _compare(manifest: BackupManifest, result: RestoreResult, server: Endpoint) -> None:
    names = sorted(manifest.tables.keys() | result.tables.keys())
    lines = [name for name in names if manifest.tables.get(name) != result.tables.get(name)]
    kinds = sorted(manifest.objects.keys() | result.objects.keys())
    for kind in kinds:
        wanted, found = manifest.objects.get(kind, 0), result.objects.get(kind, 0)
        if wanted != found:
            lines.append(f"{found} of {wanted} objects of kind {kind}")
    if lines:
        raise WsdashError(
            f"{manifest.file} was restored, but differs from its manifest: " + "; ".join(lines),
            where=server.address,
            remedy="don't rely on this backup; take a new one",
        )
