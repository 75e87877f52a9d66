"""The source's background jobs around an item that reads it: described, and paused where that was agreed
to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wsdash.data.pg.connect import connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.timescaledb.jobs import BackgroundJob, describe_jobs, pause_jobs, read_jobs, resume_jobs
from wsdash.errors import WsdashError
from wsdash.model import Notice
from wsdash.steps.base import StepContext

PAUSED = "source.paused-jobs"
"""The fact that lists the jobs that are, or are about to be, paused: their ids. Written before they are
paused,
so that a run that was killed knows what to put back."""


async def jobs_evidence(ctx: StepContext) -> str:
    """What may start during the run, for a check's evidence; '' without such jobs, or when it cannot be
    asked."""
    try:
        jobs = await _read(ctx)
    except WsdashError:
        return ""
    told = describe_jobs(jobs)
    if told and ctx.settings.source.pause_jobs:
        told += "; they are paused meanwhile"
    return told


@asynccontextmanager
async def jobs_paused(ctx: StepContext) -> AsyncIterator[None]:
    """Describe the active jobs before anything is read; pause them for the block where source.pause_jobs is
    yes.

    What a killed run left paused is put back first. At the end, also after a failure, they are put back and
    read again; when that fails, a notice says which and how, and the next item that reads the source tries
    again. Raises WsdashError when a job cannot be paused.
    """
    await put_back(ctx)
    jobs = [job for job in await _read(ctx) if job.scheduled]
    if not jobs:
        yield
        return
    if not ctx.settings.source.pause_jobs:
        _tell(ctx, "warning", f"{describe_jobs(jobs)} (source.pause_jobs: yes pauses them meanwhile)")
        yield
        return
    foreign = [job for job in jobs if not job.ours]
    if foreign:
        told = "; ".join(f"{job.described} belongs to {job.owner}" for job in foreign)
        _tell(ctx, "warning", f"cannot be paused by {ctx.source.user}: {told}")
    ids = [job.id for job in jobs if job.ours]
    await ctx.facts.put(PAUSED, ids)
    try:
        await _pause(ctx, ids)
        yield
    finally:
        await _put_back_or_tell(ctx)


async def put_back(ctx: StepContext) -> list[BackgroundJob]:
    """Put back what was left paused, proven by reading; the jobs. Raises WsdashError, UnreachableError."""
    ids = ctx.facts.get(PAUSED) or []
    if not ids:
        return []
    jobs = await resume_jobs(ctx.source, ctx.settings.source.schema, ids)
    await ctx.facts.put(PAUSED, None)
    _tell(ctx, "info", "put back, and read again: " + "; ".join(job.described for job in jobs))
    return jobs


async def _pause(ctx: StepContext, ids: list[int]) -> None:
    if ids:
        jobs = await pause_jobs(ctx.source, ctx.settings.source.schema, ids)
        _tell(ctx, "info", "paused, and read again: " + "; ".join(job.described for job in jobs))


async def _put_back_or_tell(ctx: StepContext) -> None:
    try:
        await put_back(ctx)
    except WsdashError as error:
        ids = ctx.facts.get(PAUSED) or []
        by_hand = "; ".join(f"SELECT alter_job({number}, scheduled => true)" for number in ids)
        _tell(ctx, "error", f"background jobs are still paused ({error.what}); by hand: {by_hand}")


async def _read(ctx: StepContext) -> list[BackgroundJob]:
    async with connection(ctx.source, read_only=True) as session:
        with ServerErrors(ctx.source, "reading the background jobs"):
            return await read_jobs(session, ctx.settings.source.schema)


def _tell(ctx: StepContext, level: str, text: str) -> None:
    ctx.emit(Notice(level=level, text=text, item=ctx.item))
