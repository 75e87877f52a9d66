"""Item backup: a plain SQL file that was read back.

While the source is read, its background jobs are described, paused, and put back with proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsdash.config import DatabaseSettings
from wsdash.data.backup.take import check_backup, take_backup
from wsdash.data.restore.run import prove_backup
from wsdash.data.timescaledb.jobs import (
    BackgroundJob,
    describe_jobs,
    pause_jobs,
    resume_jobs,
    scheduled_jobs,
)
from wsdash.errors import WsdashError
from wsdash.model import BackupTaken, Notice, StepId
from wsdash.model.facts import MANIFEST, PAUSED, Facts
from wsdash.steps.base import Emit, Evidence, StepContext, endpoint
from wsdash.steps.trials.load import record_baseline

WHETHER = {
    True: "they are paused meanwhile",
    False: "they run meanwhile (source.pause_jobs: no)",
    "ask": "whether they are paused meanwhile is asked before anything is read",
}
"""What the setting source.pause_jobs means, in words."""


@dataclass(frozen=True)
class JobsOf:
    """The source whose jobs they are, where it is noted what is paused, and who hears of it."""

    source: DatabaseSettings
    facts: Facts
    emit: Emit
    item: str

    async def scheduled(self) -> list[BackgroundJob]:
        """Those that may start, or run now. Raises WsdashError, UnreachableError."""
        return await scheduled_jobs(endpoint(self.source), self.source.schema)

    def tell(self, level: str, text: str) -> None:
        """A notice of the item's."""
        self.emit(Notice(level=level, text=text, item=self.item))


async def jobs_evidence(ctx: StepContext) -> str:
    """What may start during the run, for a check's evidence; '' without such jobs, or when it cannot be
    asked."""
    try:
        jobs = await scheduled_jobs(ctx.source, ctx.settings.source.schema)
    except WsdashError:
        return ""
    return f"{describe_jobs(jobs)}; {WHETHER[ctx.settings.source.pause_jobs]}" if jobs else ""


async def pause(of: JobsOf, jobs: Sequence[BackgroundJob]) -> None:
    """Pause these jobs, proven by reading. What the source's user may not alter is reported.

    Raises WsdashError when one cannot be paused (then none is), UnreachableError.
    """
    foreign = [job for job in jobs if job.scheduled and not job.ours]
    if foreign:
        names = "; ".join(f"{job.described} belongs to {job.owner}" for job in foreign)
        of.tell("warning", f"cannot be paused by {of.source.user}: {names}")
    ids = [job.id for job in jobs if job.scheduled and job.ours]
    if not ids:
        return
    await of.facts.put(PAUSED, sorted({*ids, *(of.facts.get(PAUSED) or [])}))
    paused = await pause_jobs(endpoint(of.source), of.source.schema, ids)
    of.tell("info", "paused, and read again: " + "; ".join(job.described for job in paused))


async def put_back(of: JobsOf) -> None:
    """Put back what is paused, proven by reading. What cannot be put back is reported, with what to do by
    hand, and stays noted: it is tried again later.
    """
    ids = of.facts.get(PAUSED) or []
    if not ids:
        return
    try:
        jobs = await resume_jobs(endpoint(of.source), of.source.schema, ids)
    except WsdashError as error:
        by_hand = "; ".join(f"SELECT alter_job({number}, scheduled => true)" for number in ids)
        of.tell("error", f"background jobs are still paused ({error.what}); by hand: {by_hand}")
        return
    await of.facts.put(PAUSED, None)
    of.tell("info", "put back, and read again: " + "; ".join(job.described for job in jobs))


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
