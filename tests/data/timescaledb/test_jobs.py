"""Background jobs of a real TimescaleDB: described, paused and put back, with proof."""

from __future__ import annotations

import pytest

from tests.data.backup_world import value
from tests.data.timescaledb.small import reader
from tests.support.timescaledb import make_field_schema
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.timescaledb.jobs import BackgroundJob, describe_jobs, pause_jobs, read_jobs, resume_jobs
from wsdash.errors import WsdashError

pytestmark = pytest.mark.timescaledb


async def jobs_of(endpoint: Endpoint, schema: str) -> list[BackgroundJob]:
    async with connection(endpoint, read_only=True) as conn:
        return await read_jobs(conn, schema)


async def test_every_kind_of_job_is_described_with_its_next_start(timescale: Endpoint) -> None:
    await make_field_schema(timescale, items=100)
    await value(
        timescale,
        "SELECT public.add_continuous_aggregate_policy('workspace.items_per_day', interval '1 month', "
        "interval '1 day', interval '1 hour', initial_start => now() + interval '1 hour')",
    )
    jobs = await jobs_of(timescale, "workspace")
    assert sorted((job.kind, job.subject) for job in jobs) == [
        ("compression", "workspace.workspace_audit_log"),
        ("compression", "workspace.workspace_items"),
        ("refresh of a continuous aggregate", "workspace.items_per_day"),
        ("retention", "workspace.workspace_items"),
        ("user-defined", "workspace.tidy"),
    ]
    told = describe_jobs(jobs)
    assert all(job.next_start is not None and f"{job.next_start:%Y-%m-%d %H:%M}" in told for job in jobs)
    # a job without a table may touch any schema; a policy of another schema's table may not
    assert [job.kind for job in await jobs_of(timescale, "public")] == ["user-defined"]


async def test_jobs_are_paused_and_put_back(small: Endpoint) -> None:
    ids = [job.id for job in await jobs_of(small, "s")]
    assert [job.scheduled for job in await pause_jobs(small, "s", ids)] == [False, False]
    assert describe_jobs(await jobs_of(small, "s")) == ""
    assert [job.scheduled for job in await resume_jobs(small, "s", [*ids, 9999])] == [True, True]
    assert [job.scheduled for job in await jobs_of(small, "s")] == [True, True]


async def test_what_a_role_may_not_pause_is_refused_whole(small: Endpoint) -> None:
    jobs = await jobs_of(reader(small), "s")
    assert [job.ours for job in jobs] == [False, False]
    with pytest.raises(WsdashError, match="pausing background jobs"):
        await pause_jobs(reader(small), "s", [job.id for job in jobs])
    assert [job.scheduled for job in await jobs_of(small, "s")] == [True, True]
