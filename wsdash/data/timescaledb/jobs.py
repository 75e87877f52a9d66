"""TimescaleDB's background jobs: which may change the source during a run, paused and put back with proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors, described
from wsdash.data.pg.transactions import transaction
from wsdash.errors import WsdashError

PRESENT = "SELECT to_regclass('timescaledb_information.jobs') IS NOT NULL"
HOME = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'timescaledb'"
"""The schema of its functions, ready for SQL."""
KINDS = {
    "policy_retention": "retention",
    "policy_compression": "compression",
    "policy_reorder": "reorder",
    "policy_refresh_continuous_aggregate": "refresh of a continuous aggregate",
}
CHANGES_ROWS = frozenset({"retention", "user-defined"})
"""Kinds that may remove or change rows; the others rewrite chunks."""

JOBS = """
SELECT j.job_id AS id, j.proc_schema, j.proc_name, j.scheduled, j.schedule_interval::text AS every,
       coalesce(a.view_schema, j.hypertable_schema)::text AS schema,
       coalesce(a.view_name, j.hypertable_name)::text AS name,
       coalesce(j.next_start, s.next_start) AS next_start, s.job_status = 'Running' AS running,
       j.owner::text AS owner, pg_has_role(j.owner, 'USAGE') AS ours
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
LEFT JOIN timescaledb_information.continuous_aggregates a
  ON (a.materialization_hypertable_schema, a.materialization_hypertable_name)
   = (j.hypertable_schema, j.hypertable_name)
WHERE j.job_id >= 1000
  AND (j.hypertable_name IS NULL OR coalesce(a.view_schema, j.hypertable_schema) = $1 OR a.hypertable_schema
  = $1)
ORDER BY j.job_id
"""
"""Numbers below 1000 are TimescaleDB's own (telemetry, its job log)."""


@dataclass(frozen=True)
class BackgroundJob:
    """One background job that may touch the schema.

    kind: retention, compression ... or user-defined. subject: its table, or its procedure. next_start: None
    when it has none. running: right now. owner: its role. ours: the session's role may alter it.
    """

    id: int
    kind: str
    subject: str
    every: str
    next_start: datetime | None
    scheduled: bool
    running: bool
    owner: str
    ours: bool

    @property
    def described(self) -> str:
        """The job in words: what it is, of what, how often, and when it starts next."""
        state = "paused" if not self.scheduled else "running now" if self.running else ""
        when = state or (
            "no next start known" if self.next_start is None else f"next at {_clock(self.next_start)}"
        )
        return f"job {self.id} ({self.kind}, {self.subject}, every {self.every}; {when})"


@described("reading background jobs")
async def read_jobs(conn: asyncpg.Connection, schema: str) -> list[BackgroundJob]:
    """The jobs that may touch the schema: policies of its hypertables and aggregates, and every
    user-defined one.

    Empty on a server without TimescaleDB. Raises WsdashError, UnreachableError.
    """
    return await fetch_jobs(conn, schema)


async def fetch_jobs(conn: asyncpg.Connection, schema: str) -> list[BackgroundJob]:
    """As read_jobs, for readers that tell the driver's errors apart: raises asyncpg.PostgresError."""
    if not await conn.fetchval(PRESENT, timeout=TIMEOUT):
        return []
    return [_job(row) for row in await conn.fetch(JOBS, schema, timeout=TIMEOUT)]


async def scheduled_jobs(source: Endpoint, schema: str) -> list[BackgroundJob]:
    """Those of read_jobs that may start, or run now. Raises WsdashError, UnreachableError."""
    async with connection(source, read_only=True) as session:
        with ServerErrors(source, "reading the background jobs"):
            jobs = await read_jobs(session, schema)
    return [job for job in jobs if job.scheduled or job.running]


def describe_jobs(jobs: Sequence[BackgroundJob]) -> str:
    """One sentence on the active jobs that may start during a run; '' where there are none."""
    active = [job for job in jobs if job.scheduled or job.running]
    if not active:
        return ""
    return "may start during the run: " + "; ".join(job.described for job in active)


async def pause_jobs(source: Endpoint, schema: str, ids: Sequence[int]) -> list[BackgroundJob]:
    """Pause these jobs in one transaction, and read that they are; returns them as they are now.

    A job that runs right now goes on to its end. Raises WsdashError when one may not be altered or is still
    scheduled afterwards (then none of them is paused), UnreachableError.
    """
    return await _set(source, schema, ids, scheduled=False)


async def resume_jobs(source: Endpoint, schema: str, ids: Sequence[int]) -> list[BackgroundJob]:
    """Put these jobs back, as pause_jobs pauses them. One that was deleted meanwhile is passed over."""
    return await _set(source, schema, ids, scheduled=True)


async def _set(source: Endpoint, schema: str, ids: Sequence[int], *, scheduled: bool) -> list[BackgroundJob]:
    doing = f"{'putting back' if scheduled else 'pausing'} background jobs"
    async with connection(source, read_only=False) as conn:
        with ServerErrors(source, doing):
            async with transaction(conn):
                home = await conn.fetchval(HOME, timeout=TIMEOUT)
                for number in ids:
                    await conn.execute(
                        f"SELECT {home}.alter_job($1, scheduled => $2, if_exists => true)",
                        number,
                        scheduled,
                        timeout=TIMEOUT,
                    )
                jobs = [job for job in await read_jobs(conn, schema) if job.id in ids]
                wrong = [job for job in jobs if job.scheduled != scheduled]
                if wrong:
                    raise WsdashError(
                        f"{doing}: {', '.join(job.described for job in wrong)} did not change",
                        where=source.address,
                        remedy="alter it by hand: SELECT alter_job(ID, scheduled => ...)",
                    )
    return jobs


def _job(row: asyncpg.Record) -> BackgroundJob:
    policy = row["proc_schema"].startswith("_timescaledb_")
    kind = KINDS.get(row["proc_name"], row["proc_name"]) if policy else "user-defined"
    table = f"{row['schema']}.{row['name']}" if row["name"] else ""
    start = row["next_start"]
    return BackgroundJob(
        id=row["id"],
        kind=kind,
        subject=table if policy and table else f"{row['proc_schema']}.{row['proc_name']}",
        every=row["every"],
        next_start=start if isinstance(start, datetime) and start.year < 9999 else None,
        scheduled=row["scheduled"],
        running=bool(row["running"]),
        owner=row["owner"],
        ours=bool(row["ours"]),
    )


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
