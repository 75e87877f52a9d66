"""Readiness that a later item brings about: an API that says it is well only once its tables exist."""

from __future__ import annotations

import asyncio
import time

from wsdash.config import Settings
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import Notice
from wsdash.steps.api.items import client
from wsdash.steps.base import StepContext, command_output
from wsdash.steps.limits import CONTAINER_READY_SECONDS, READY_POLL_SECONDS
from wsdash.watch.board import containers_of_series


def needs_schema(settings: Settings) -> frozenset[str]:
    """Containers of the new stack whose health may need the tables: as configured, else the API's."""
    named = settings.stack.workspace.after_schema
    api = containers_of_series(settings).get("api-new")
    return frozenset(named or ([api] if api else []))


async def wait_for_api(ctx: StepContext, within: float = CONTAINER_READY_SECONDS) -> str:
    """Start what waited for the tables and ended meanwhile, and wait for the new API; '' once it is ready,
    else what it says. Nothing is waited for where the stack has no such container, or `within` is 0.
    """
    later = needs_schema(ctx.settings)
    readings = {one.name: one for one in await ctx.stack.readings() if one.name in later}
    if not readings:
        return ""
    ended = [name for name, one in readings.items() if one.state in ("exited", "created", "dead")]
    if ended:
        await ctx.stack.start(ended, command_output(ctx), unready=later)
    if not within:
        return ""
    async with client(ctx) as api:
        try:
            await api.wait_ready(within)
        except UnreachableError as error:
            ctx.emit(Notice(level="warning", text=error.what, item=ctx.item))
            return error.what
    return ""


async def unhealthy(ctx: StepContext) -> str:
    """The containers whose health needed the tables and that run without being healthy, with their health
    checks' own words; '' when there is none. A health that cannot be read counts as not healthy.
    """
    later = needs_schema(ctx.settings)
    ill = [
        one
        for one in await ctx.stack.readings()
        if one.name in later and one.state == "running" and one.health not in ("healthy", "none")
    ]
    return "; ".join(
        f"{one.name} is not healthy ({one.health})"
        + (f"; its health check says: {one.detail}" if one.detail else "")
        for one in ill
    )


async def require_healthy(ctx: StepContext, within: float = CONTAINER_READY_SECONDS) -> None:
    """Wait until no such container is unhealthy: its last check may be one of before the tables were there.

    Raises WsdashError with the health checks' own words after `within` seconds.
    """
    deadline = time.monotonic() + within
    while said := await unhealthy(ctx):
        if time.monotonic() > deadline:
            raise WsdashError(said, remedy="read the log of this container and its health check, then retry")
        await asyncio.sleep(READY_POLL_SECONDS)


async def api_state(ctx: StepContext) -> str:
    """How the new API is now, for the evidence; '' where the stack has no container of it."""
    later = needs_schema(ctx.settings)
    if not any(one.name in later and one.state == "running" for one in await ctx.stack.readings()):
        return ""
    async with client(ctx) as api:
        pong = await api.ping()
    if pong.ready:
        return f"; the API is ready ({pong.said})"
    return f"; the API is not ready yet ({pong.said}), which test-api waits for"
