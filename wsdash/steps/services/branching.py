"""Item branching: a branch of the workspace timeline is made, opened, proven isolated, and removed.

The proof is a row from before it, and a row written on either side afterwards.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

import asyncpg

from wsdash.config import Settings
from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import ident, literal
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import Branch, BranchesReading, StepId
from wsdash.model.facts import BRANCHED, Tried
from wsdash.stack.base import Stack
from wsdash.stack.neon_api import NeonApi, NeonTimeline
from wsdash.steps.base import Evidence, StepContext, endpoint
from wsdash.steps.limits import CALL_SECONDS, OPEN_SECONDS

TABLE = f"{SCHEMA}.branch_probe"
"""A table of wsdash's own in the target: users' tables are only read."""
SCRIPT, BRANCH_PORT = "/neon/branch.sh", "55433"
"""compose/neon/branch.sh as the compute's container sees it, and where it opens the branch."""


class Side(Protocol):
    """One side of a branch: the parent's compute, or the branch's."""

    async def value(self, sql: str) -> str:
        """The first value of the statement's result as text. Raises WsdashError with the server's words."""
        ...


class Session:
    """A side that is reached over the network."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._conn = conn

    async def value(self, sql: str) -> str:
        """As Side promises."""
        with ServerErrors(self._conn, "proving the branch", "then run the item again"):
            return str(await self._conn.fetchval(sql, timeout=CALL_SECONDS))


class Inside:
    """A side that is reached inside the compute's container: a second compute publishes no port."""

    def __init__(self, stack: Stack, container: str, database: str) -> None:
        self._stack, self._container = stack, container
        self._psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "localhost", "-p", BRANCH_PORT]
        self._psql += ["-U", "cloud_admin", "-d", database, "-c"]

    async def value(self, sql: str) -> str:
        """As Side promises."""
        said = await self._stack.execute(self._container, [*self._psql, sql], CALL_SECONDS)
        return said.strip()


@asynccontextmanager
async def _second_compute(ctx: StepContext, timeline: str) -> AsyncIterator[str]:
    """A compute on the branch, beside the container's own one; gone at the end. Yields the container."""
    container = ctx.target.label
    try:
        await ctx.stack.execute(container, ["bash", SCRIPT, "start", timeline], OPEN_SECONDS)
        yield container
    finally:
        await ctx.stack.execute(container, ["bash", SCRIPT, "stop"], CALL_SECONDS)


@asynccontextmanager
async def session_on(endpoint: Endpoint) -> AsyncIterator[Session]:
    """A session that may write."""
    async with connection(endpoint, read_only=False) as conn:
        yield Session(conn)


@asynccontextmanager
async def open_branch(ctx: StepContext, timeline: str) -> AsyncIterator[Side]:
    """The branch's own side, opened as the settings say, closed at the end. Raises WsdashError."""
    settings = ctx.settings.branching
    name = settings.database.replace("{timeline}", timeline)
    if settings.open == "compute":
        async with _second_compute(ctx, timeline) as container:
            yield Inside(ctx.stack, container, name)
        return
    async with session_on(replace(ctx.target, label=f"branch {timeline[:8]}", database=name)) as side:
        yield side


async def prepare(parent: Side) -> None:
    """The probe's table with the one row that the branch must have."""
    await parent.value(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    await parent.value(f"DROP TABLE IF EXISTS {TABLE}")
    await parent.value(f"CREATE TABLE {TABLE} (word text PRIMARY KEY)")
    await parent.value(f"INSERT INTO {TABLE} VALUES ('before')")


async def remove(parent: Side) -> None:
    """Leave nothing of the probe on the parent."""
    await parent.value(f"DROP TABLE IF EXISTS {TABLE}")


async def prove_isolation(parent: Side, branch: Side, timeline: str, schema: str) -> str:
    """Write on either side and read both. The evidence in words; raises WsdashError when they mix."""
    shown = await branch.value("SHOW neon.timeline_id")
    await parent.value(f"INSERT INTO {TABLE} VALUES ('parent')")
    await branch.value(f"INSERT INTO {TABLE} VALUES ('branch')")
    words = f"SELECT string_agg(word, ',' ORDER BY word) FROM {TABLE}"
    on_parent, on_branch = await parent.value(words), await branch.value(words)
    if (shown, on_parent, on_branch) != (timeline, "before,parent", "before,branch"):
        raise WsdashError(
            f"the branch is not isolated: it shows timeline {shown} and rows {on_branch}; "
            f"the parent has {on_parent}",
            where=f"branch {timeline}",
            remedy="do not rely on branching; read the pageserver's and the compute's logs",
        )
    items = f"SELECT count(*) FROM {ident(schema, 'workspace_items')}"
    table = f"(schemaname, tablename) = ({literal(schema)}, 'workspace_items')"
    there = await branch.value(f"SELECT count(*) FROM pg_tables WHERE {table}")
    served = f", {int(await branch.value(items)):,} items on it" if there == "1" else ""
    return f"rows written on either side do not show on the other{served}"


OURS = "77736462"
"""How a branch of wsdash's own begins ('wsdb' in hexadecimal); the eight digits after it are the time it was
made at. Timelines have no names: this is how one that a crash left behind is known."""


NEON_IDS = "SELECT name, current_setting(name, true) AS setting FROM unnest($1::text[]) AS name"


def branch_id(at: float) -> str:
    """A new timeline id that tells whose it is and when it was made."""
    return f"{OURS}{int(at):08x}{secrets.token_hex(8)}"


def is_ours(timeline: str) -> bool:
    """Whether wsdash made it."""
    return timeline.startswith(OURS)


def made_at(timeline: str) -> float | None:
    """When a branch of ours was made, in seconds since the epoch; None for others."""
    return float(int(timeline[len(OURS) : len(OURS) + 8], 16)) if is_ours(timeline) else None


def branches_of(timelines: Sequence[NeonTimeline]) -> BranchesReading:
    """The timelines as a reading for the screens."""
    return BranchesReading(
        tuple(
            Branch(
                timeline=one.id,
                parent=one.ancestor,
                lsn=one.ancestor_lsn or one.lsn,
                bytes=one.size,
                state=one.state,
                made_at=made_at(one.id),
            )
            for one in timelines
        )
    )


async def list_branches(settings: Settings) -> BranchesReading:
    """The timelines of every tenant, now. Only reads. Raises UnreachableError and WsdashError."""
    async with _api(settings) as api:
        return branches_of([one for tenant in await api.tenants() for one in await api.timelines(tenant)])


async def workspace_timeline(settings: Settings) -> tuple[str, str]:
    """Tenant and timeline that the compute works on; those of the settings where it does not answer.

    A pageserver may have other tenants: theirs are nobody's to branch. Raises WsdashError when compute and
    settings name different ones, UnreachableError when neither names any.
    """
    named = settings.branching.tenant, settings.branching.timeline
    try:
        async with connection(endpoint(settings.target), read_only=True) as conn:
            with ServerErrors(conn, "asking for the timeline"):
                rows = await conn.fetch(NEON_IDS, ["neon.tenant_id", "neon.timeline_id"], timeout=10)
    except WsdashError as error:
        if all(named):
            return named
        raise UnreachableError(
            f"the compute does not say which timeline is the workspace's: {error}",
            where=endpoint(settings.target).address,
            remedy="start it, or name branching.tenant and branching.timeline in wsdash.yaml",
        ) from error
    found = {row["name"]: str(row["setting"] or "") for row in rows}
    own = found.get("neon.tenant_id", ""), found.get("neon.timeline_id", "")
    if all(own) and all(named) and own != named:
        raise WsdashError(
            f"the compute works on timeline {own[1]} of tenant {own[0]}, the settings name others",
            where="branching.tenant and branching.timeline in wsdash.yaml",
            remedy="correct them (the compose file has them as NEON_TENANT_ID and NEON_TIMELINE_ID)",
        )
    if all(own) or all(named):
        return own if all(own) else named
    raise WsdashError(
        "the target's server names no tenant and no timeline: it is no compute of Neon's",
        where=endpoint(settings.target).address,
        remedy="check target in wsdash.yaml, or name branching.tenant and branching.timeline",
    )


class Branching:
    """Test database branching feature."""

    id: str = StepId.BRANCHING

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run proved a branch and no branch of ours is left on the pageserver."""
        if not ctx.settings.endpoints.pageserver_http:
            text = "no pageserver is configured (key endpoints.pageserver_http): there is nothing to branch"
            return Evidence(False, text, insufficient=True, remedy="skip this item with that reason")
        result = ctx.facts.get(BRANCHED)
        async with _api(ctx.settings) as api:
            left = [one.id for tenant in await api.tenants() for one in await _ours(ctx, api, tenant)]
        if left:
            return Evidence(False, f"{len(left)} branches of wsdash are left over: {', '.join(left)}")
        if result is None:
            return Evidence(False, "no branch was made in this run")
        return Evidence(True, result["text"])

    async def act(self, ctx: StepContext) -> None:
        """Make a branch at the compute's current LSN, prove it, remove it; nothing stays whatever happens."""
        if not ctx.settings.endpoints.pageserver_http:
            return  # the check says so
        async with _api(ctx.settings) as api, session_on(ctx.target) as parent:
            tenant = await parent.value("SHOW neon.tenant_id")
            ancestor = await parent.value("SHOW neon.timeline_id")
            await self._remove_left_over(ctx, api, tenant)
            await prepare(parent)
            branch = branch_id(time.time())
            try:
                text = await self._prove(ctx, api, parent, tenant, ancestor, branch)
            except BaseException:
                with contextlib.suppress(WsdashError):  # what failed first is what must be reported
                    await self._clear(ctx, api, parent, tenant, branch)
                raise
            await self._clear(ctx, api, parent, tenant, branch)
        await ctx.facts.put(BRANCHED, Tried(text=text, at=time.time()))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Nothing stays of a branch."""
        return None

    async def _prove(
        self, ctx: StepContext, api: NeonApi, parent: Side, tenant: str, ancestor: str, branch: str
    ) -> str:
        lsn = await parent.value("SELECT pg_current_wal_lsn()::text")
        began = time.monotonic()
        await api.create_branch(tenant, branch, ancestor, lsn)
        made = time.monotonic() - began
        await _ours(ctx, api, tenant)
        async with open_branch(ctx, branch) as side:
            proof = await prove_isolation(parent, side, branch, ctx.settings.target.schema)
        what = f"branch {branch[:16]}… of timeline {ancestor[:8]}… at {lsn}, made in {made:.1f} s"
        return f"{what}: {proof}; removed, nothing left"

    async def _clear(self, ctx: StepContext, api: NeonApi, parent: Side, tenant: str, branch: str) -> None:
        await api.delete_timeline(tenant, branch)
        await remove(parent)
        await _ours(ctx, api, tenant)

    async def _remove_left_over(self, ctx: StepContext, api: NeonApi, tenant: str) -> None:
        for one in await _ours(ctx, api, tenant):
            await api.delete_timeline(tenant, one.id)


async def _ours(ctx: StepContext, api: NeonApi, tenant: str) -> list[NeonTimeline]:
    """wsdash's branches on the pageserver; the screens show all of them."""
    timelines = await api.timelines(tenant)
    ctx.emit(branches_of(timelines))
    return [one for one in timelines if is_ours(one.id)]


def _api(settings: Settings) -> NeonApi:
    nodes = settings.endpoints
    if not nodes.pageserver_http:
        raise WsdashError(
            "no pageserver is configured",
            where="wsdash.yaml, key endpoints.pageserver_http",
            remedy="name it there, or do without branches",
        )
    return NeonApi(nodes.pageserver_http, nodes.safekeeper_http)
