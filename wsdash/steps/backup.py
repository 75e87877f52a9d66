"""Item backup: a plain SQL file that was read back."""

from __future__ import annotations

from pathlib import Path

from wsdash.data.backup.take import check_backup, take_backup
from wsdash.data.restore.proof import prove_backup
from wsdash.model import BackupTaken, Notice, StepId
from wsdash.model.facts import MANIFEST
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.load.benchmarks import record_baseline
from wsdash.steps.source_jobs import jobs_evidence


class Backup:
    """Backup current workspace data from TimescaleDB."""

    id: str = StepId.BACKUP

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run's backup is on disk, unchanged, and was restored and compared."""
        path = ctx.facts.get(MANIFEST)
        if path is None:
            jobs = await jobs_evidence(ctx)
            return Evidence(False, "no backup was taken in this run" + (f"; {jobs}" if jobs else ""))
        manifest = await check_backup(Path(path))
        if manifest.proof is None:
            return Evidence(False, f"{manifest.path.name} was never read back")
        rows = {name: table.rows for name, table in manifest.tables.items()}
        ctx.emit(BackupTaken(str(manifest.path), manifest.bytes, manifest.sha256, rows, restore_proven=True))
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(rows.items()))
        return Evidence(
            True,
            f"{manifest.path} ({manifest.bytes:,} bytes, sha256 {manifest.sha256[:16]}…): {counts} rows; "
            f"restored into a scratch database on {manifest.proof.server}, counts and checksums equal"
            + "".join(f"; {note}" for note in (manifest.chunks, _anew(manifest.retakes)) if note),
        )

    async def act(self, ctx: StepContext) -> None:
        """Dump one snapshot, restore it into a scratch database on the source's server, compare."""
        directory = Path(ctx.settings.paths.backups)
        manifest = await take_backup(
            ctx.source,
            ctx.settings.source.schema,
            directory,
            item=ctx.item,
            on_progress=ctx.emit,
            run=ctx.run,
            on_retake=lambda why: ctx.emit(Notice(level="warning", text=why, item=ctx.item)),
        )
        await prove_backup(manifest.manifest_path, ctx.source, item=ctx.item, on_progress=ctx.emit)
        await ctx.facts.put(MANIFEST, str(manifest.manifest_path))
        # how fast the old service is belongs to what the new one is measured by
        await record_baseline(ctx)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The file stays, it may be the only copy; but a further migration takes a new one."""
        path = ctx.facts.get(MANIFEST)
        await ctx.facts.put(MANIFEST, None)
        return None if path is None else Evidence(True, f"{path} stays; a new migration takes a new one")


def _anew(retakes: tuple[str, ...]) -> str:
    return f"taken anew {len(retakes)} times, at last because {retakes[-1]}" if retakes else ""
