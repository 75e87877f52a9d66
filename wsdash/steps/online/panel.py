"""The go/no-go panel before the switch: every line only reads, and each can say no."""

from __future__ import annotations

import asyncio
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wsdash.data.online.switch.window import look
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.timescaledb.jobs import scheduled_jobs
from wsdash.errors import WsdashError
from wsdash.model import GoNoGo, GoNoGoLine
from wsdash.model.facts import MANIFEST, VERIFIED
from wsdash.steps.base import StepContext

BACKUP_HOURS = 24.0
COMPARED_HOURS = 1.0
HOUR = 3600.0
JOB_SECONDS = 300.0
"""A job that starts so soon may rewrite chunks in the middle of the switch."""


async def panel(ctx: StepContext, move: Move) -> GoNoGo:
    """Every line, as it is now. What cannot be read says no."""
    lines = [_lag(ctx), _compared(ctx), *_way_back(ctx, move)]
    try:
        async with open_link(move, move.source) as link:
            with ServerErrors(move.source, "looking at the window"):
                lines += [
                    GoNoGoLine(one.name, one.ok, one.text, one.remedy)
                    for one in await look(link.steward, link)
                ]
    except WsdashError as error:
        lines.append(GoNoGoLine("the databases", False, error.what, error.remedy))
    lines += [await _jobs(ctx), await _disk(ctx), _alerts(ctx), await _backup(ctx)]
    return GoNoGo(tuple(lines))


def _lag(ctx: StepContext) -> GoNoGoLine:
    newest = ctx.following.newest if ctx.following is not None else None
    if newest is None:
        return GoNoGoLine("lag", False, "nothing carries changes", "run item catch-up")
    text = newest.trouble or ("unknown" if newest.lag is None else f"{newest.lag:.2f} s behind")
    return GoNoGoLine("lag", newest.keeps_up, text, "wait until the target keeps up")


def _compared(ctx: StepContext) -> GoNoGoLine:
    stored = ctx.facts.get(VERIFIED)
    name, remedy = "last full comparison", "run item verify-data again"
    if stored is None or not stored.get("holds"):
        return GoNoGoLine(name, False, "none found both sides equal", remedy)
    age = max(0.0, time.time() - float(stored.get("at") or 0.0))
    return GoNoGoLine(name, age <= COMPARED_HOURS * HOUR, f"equal, {_age(age)} ago", remedy)


def _way_back(ctx: StepContext, move: Move) -> list[GoNoGoLine]:
    """Only a mapping can leave none."""
    name, remedy = "way back", "correct the mapping, or agree: cutover.accept_no_way_back: true"
    if not any(table.mapped for table in move.tables):
        return []
    if not move.one_way:
        return [GoNoGoLine(name, True, "rows are taken back through the mapping", remedy)]
    agreed = ctx.settings.cutover.accept_no_way_back
    text = f"none{', as agreed' if agreed else ''}: {'; '.join(move.one_way)}"
    return [GoNoGoLine(name, agreed, text, remedy)]


async def _jobs(ctx: StepContext) -> GoNoGoLine:
    """Retention and compression would drop or rewrite chunks while the last changes follow."""
    name = "background jobs"
    try:
        jobs = await scheduled_jobs(ctx.source, ctx.settings.source.schema)
    except WsdashError as error:
        return GoNoGoLine(name, False, error.what, error.remedy)
    soon = datetime.now(UTC) + timedelta(seconds=JOB_SECONDS)
    near = [job for job in jobs if job.scheduled and (job.running or (job.next_start or soon) <= soon)]
    text = "; ".join(job.described for job in near) or f"none starts within {JOB_SECONDS / 60:.0f} min"
    return GoNoGoLine(name, not near, text, "wait for them, or pause them: source.pause_jobs: yes")


async def _disk(ctx: StepContext) -> GoNoGoLine:
    """The disk that holds this run's journal and backups."""
    usage = await asyncio.to_thread(shutil.disk_usage, ctx.state)
    percent, limit = 100 * usage.used / usage.total, ctx.settings.thresholds.alert_disk_percent
    text = f"{percent:.0f} % used, {usage.free / 2**30:.1f} GiB free (limit {limit:.0f} %)"
    return GoNoGoLine("disk", percent <= limit, text, "make room")


def _alerts(ctx: StepContext) -> GoNoGoLine:
    raised = list(ctx.alerts())
    text = "; ".join(raised[:3]) or "none that is critical is raised"
    return GoNoGoLine("alerts", not raised, text, "see to them, or acknowledge them")


async def _backup(ctx: StepContext) -> GoNoGoLine:
    name, remedy = "backup", "run item backup again"
    path = ctx.facts.get(MANIFEST)
    try:
        made = (await asyncio.to_thread(Path(path).stat)).st_mtime if path else None
    except OSError:
        made = None
    if made is None:
        return GoNoGoLine(name, False, "none of this run is there", remedy)
    age = max(0.0, time.time() - made)
    return GoNoGoLine(name, age <= BACKUP_HOURS * HOUR, f"{_age(age)} old, read back", remedy)


def _age(seconds: float) -> str:
    if seconds < 2 * 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.0f} h"
