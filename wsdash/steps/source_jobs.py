"""The source's background jobs: described, paused, and put back with proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdash.config import DatabaseSettings
from wsdash.data.timescaledb.jobs import (
    BackgroundJob,
    describe_jobs,
    pause_jobs,
    resume_jobs,
    scheduled_jobs,
)
from wsdash.errors import WsdashError
from wsdash.model import Notice
from wsdash.model.facts import PAUSED, Facts
from wsdash.steps.base import Emit, StepContext, endpoint

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
