"""Item branching: a branch of the workspace timeline is made, opened, proven isolated, and removed."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Sequence

from wsdash.config import Settings
from wsdash.data.pg.connect import connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import Branch, BranchesReading, StepId
from wsdash.model.facts import BRANCHED, Tried
from wsdash.stack.neon_api import NeonApi, NeonTimeline
from wsdash.steps.base import Evidence, StepContext, endpoint
from wsdash.steps.branch_probe import Side, open_branch, prepare, prove_isolation, remove, session_on

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
