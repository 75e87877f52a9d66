"""Item branching: proven on a real database beside the compute's own; nothing is left, after a crash too."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from msgspec import structs

from tests.steps.support import context
from tests.support.servers import PASSWORD, Server, free_port
from wsdash.config import BranchingSettings, DatabaseSettings, EndpointSettings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.standins.branches import BranchDatabases, branch_database
from wsdash.demo.standins.shared import TENANT_ID, TIMELINE_ID
from wsdash.demo.standins.storage import create_app
from wsdash.demo.world.postgres import TARGET_ADMIN, TARGET_DATABASE, TARGET_USER
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import BranchesReading, ContainerReading
from wsdash.review.doctor.connection_test import connection_test
from wsdash.review.doctor.finding import Finding
from wsdash.stack.neon_api import NeonApi
from wsdash.steps.base import StepContext
from wsdash.steps.services import branching
from wsdash.steps.services.branching import Branching, branch_id, is_ours, made_at, workspace_timeline

STRANGER = "00" * 16


@pytest.fixture
async def compute(pg18: Server) -> AsyncIterator[Server]:
    """A compute with the roles and settings of the embedded one, for the length of a test."""
    for sql in (
        f"create role {TARGET_ADMIN} superuser login password '{PASSWORD}'",
        f"create role {TARGET_USER} login password '{PASSWORD}'",
        f"create database {TARGET_DATABASE} owner {TARGET_USER}",
        f"alter database {TARGET_DATABASE} set neon.tenant_id = '{TENANT_ID}'",
        f"alter database {TARGET_DATABASE} set neon.timeline_id = '{TIMELINE_ID}'",
    ):
        await pg18.execute(sql)
    await pg18.execute(
        f"create schema workspace authorization {TARGET_USER}; set role {TARGET_USER}; "
        "create table workspace.workspace_items as select generate_series(1, 7) as id",
        TARGET_DATABASE,
    )
    yield pg18
    await pg18.drop_database(TARGET_DATABASE)
    await pg18.execute(f"drop role {TARGET_USER}; drop role {TARGET_ADMIN}")


@pytest.fixture
async def ctx(compute: Server, tmp_path: Path) -> AsyncIterator[StepContext]:
    """A step's context on that compute, with both storage stand-ins serving."""
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    branches = BranchDatabases("127.0.0.1", compute.port, secret)
    pageserver = TestServer(create_app("pageserver", "127.0.0.1", free_port(), tmp_path, branches))
    safekeeper = TestServer(create_app("safekeeper", "127.0.0.1", free_port(), tmp_path))
    async with pageserver, safekeeper:
        made, events = context(
            tmp_path,
            target=DatabaseSettings(
                "workspace-db-compute",
                "127.0.0.1",
                compute.port,
                TARGET_DATABASE,
                TARGET_USER,
                "workspace",
                password_file=str(secret),
                sslmode="disable",
            ),
            endpoints=EndpointSettings("", str(pageserver.make_url("/")), "", str(safekeeper.make_url("/"))),
            branching=BranchingSettings("database", branch_database("{timeline}")),
        )
        made.options["events"] = events
        yield made


def _target(ctx: StepContext) -> Endpoint:
    return ctx.target


async def _databases(ctx: StepContext) -> list[str]:
    async with connection(_target(ctx), read_only=True) as conn:
        rows = await conn.fetch("select datname from pg_database where datname like 'branch%'")
        return [row["datname"] for row in rows]


def _api(ctx: StepContext) -> NeonApi:
    return NeonApi(ctx.settings.endpoints.pageserver_http, ctx.settings.endpoints.safekeeper_http)


async def _timelines(ctx: StepContext) -> list[str]:
    async with _api(ctx) as api:
        return [one.id for one in await api.timelines(TENANT_ID)]


async def test_a_branch_is_made_proven_and_removed(ctx: StepContext) -> None:
    step = Branching()
    assert not (await step.check(ctx)).holds
    await step.act(ctx)
    evidence = await step.check(ctx)
    assert evidence.holds
    assert "7 items on it" in evidence.text
    assert "do not show on the other" in evidence.text
    assert await _timelines(ctx) == [TIMELINE_ID]
    assert await _databases(ctx) == []
    async with connection(_target(ctx), read_only=True) as conn:
        assert await conn.fetchval(f"select to_regclass('{branching.TABLE}')") is None
        assert await conn.fetchval("select count(*) from workspace.workspace_items") == 7


async def _another_tenant_comes_first(ctx: StepContext) -> None:
    """The pageserver lists a stranger's tenant, with a timeline of its own, before the workspace's."""
    base = ctx.settings.endpoints.pageserver_http.rstrip("/")
    async with aiohttp.ClientSession() as session:
        for tenant, mode, timeline in (
            (TENANT_ID, "Detached", ""),
            (STRANGER, "AttachedSingle", "12" * 16),
            (TENANT_ID, "AttachedSingle", TIMELINE_ID),
        ):
            body = {"mode": mode, "generation": 1, "tenant_conf": {}}
            async with session.put(f"{base}/v1/tenant/{tenant}/location_config", json=body) as answer:
                assert answer.status == 200, await answer.text()
            made = {"new_timeline_id": timeline}
            while timeline:
                async with session.post(f"{base}/v1/tenant/{tenant}/timeline", json=made) as answer:
                    if answer.status == 201:
                        break
                    assert answer.status == 503, await answer.text()  # not active yet
                    await asyncio.sleep(0.02)


async def _tenth(ctx: StepContext) -> Finding:
    """What the connection test says of branching."""
    one = ctx.settings.stack.workspace.containers[0]
    return (await connection_test(ctx.settings, [ContainerReading(one, "running", "healthy")]))[-1]


async def test_the_connection_test_branches_the_workspaces_own_timeline(ctx: StepContext) -> None:
    await _another_tenant_comes_first(ctx)
    async with _api(ctx) as api:
        assert next(iter(await api.tenants())) == STRANGER
    found = await _tenth(ctx)
    assert (found.well, f"a branch of {TIMELINE_ID[:8]}" in found.seen) == (True, True), found
    assert await _timelines(ctx) == [TIMELINE_ID]


async def test_a_timeline_that_the_settings_name_and_the_compute_does_not_is_told(ctx: StepContext) -> None:
    other = structs.replace(ctx.settings.branching, tenant=STRANGER, timeline="12" * 16)
    changed = dataclasses.replace(ctx, settings=structs.replace(ctx.settings, branching=other))
    found = await _tenth(changed)
    assert found.well is False
    assert TIMELINE_ID in found.seen
    assert "branching.tenant" in found.remedy or "NEON_TENANT_ID" in found.remedy


async def test_without_a_compute_the_settings_say_which_timeline_it_is(ctx: StepContext) -> None:
    gone = structs.replace(ctx.settings.target, port=free_port())
    silent = structs.replace(ctx.settings, target=gone)
    with pytest.raises(UnreachableError, match=r"does not say which timeline") as caught:
        await workspace_timeline(silent)
    assert "branching.tenant" in caught.value.remedy
    named = structs.replace(ctx.settings.branching, tenant=TENANT_ID, timeline=TIMELINE_ID)
    assert await workspace_timeline(structs.replace(silent, branching=named)) == (TENANT_ID, TIMELINE_ID)


async def test_the_screens_see_the_branch_come_and_go(ctx: StepContext) -> None:
    await Branching().act(ctx)
    seen = [event for event in ctx.options["events"] if isinstance(event, BranchesReading)]
    assert [len(reading.branches) for reading in seen] == [1, 2, 1]
    branch = next(one for one in seen[1].branches if one.parent)
    assert branch.parent == TIMELINE_ID
    assert branch.bytes > 1_000_000
    assert branch.made_at is not None


async def test_a_branch_that_a_crash_left_is_found_and_removed(ctx: StepContext) -> None:
    left = branch_id(1_762_128_000)
    async with _api(ctx) as api:
        await api.create_branch(TENANT_ID, left, TIMELINE_ID, "0/16B5A50")
    evidence = await Branching().check(ctx)
    assert not evidence.holds
    assert left in evidence.text
    await Branching().act(ctx)
    assert await _timelines(ctx) == [TIMELINE_ID]
    assert await _databases(ctx) == []


async def test_a_branch_of_somebody_else_is_left_alone(ctx: StepContext) -> None:
    theirs = "ab" * 16
    async with _api(ctx) as api:
        await api.create_branch(TENANT_ID, theirs, TIMELINE_ID, "0/16B5A50")
    await Branching().act(ctx)
    assert set(await _timelines(ctx)) == {TIMELINE_ID, theirs}
    async with _api(ctx) as api:
        await api.delete_timeline(TENANT_ID, theirs)


async def test_a_branch_that_shares_the_parents_rows_is_no_proof(
    ctx: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a branch that is really the parent itself must be found out
    monkeypatch.setattr(
        "wsdash.steps.services.branching.open_branch", lambda ctx, timeline: branching.session_on(ctx.target)
    )
    with pytest.raises(WsdashError, match="not isolated"):
        await Branching().act(ctx)
    assert await _timelines(ctx) == [TIMELINE_ID]
    assert not (await Branching().check(ctx)).holds


async def test_no_pageserver_is_told_with_its_address(ctx: StepContext) -> None:
    async with NeonApi("http://127.0.0.1:9", "http://127.0.0.1:9") as api:
        with pytest.raises(WsdashError, match="got no answer"):
            await api.tenants()


def test_a_branch_id_tells_whose_it_is_and_when_it_was_made() -> None:
    one = branch_id(1_762_128_000.4)
    assert len(one) == 32
    assert is_ours(one)
    assert made_at(one) == 1_762_128_000
    assert made_at(TIMELINE_ID) is None
