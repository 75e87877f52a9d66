"""Proving a backup: restored into a scratch database, counted and hashed, compared with its manifest."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from wsdash.data.backup.manifest import (
    BackupManifest,
    BackupProof,
    check_file,
    load_manifest,
    write_manifest,
)
from wsdash.data.backup.meter import OnProgress
from wsdash.data.backup.partial import write_failure
from wsdash.data.backup.result import RestoreResult
from wsdash.data.pg.connect import Endpoint
from wsdash.data.restore.run import restore_backup
from wsdash.data.scratch.database import scratch_database
from wsdash.errors import WsdashError


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
