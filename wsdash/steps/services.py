"""Items stop-old and start-stack: containers stopped and started, proven by their ports and health."""

from __future__ import annotations

import time
from pathlib import Path

from wsdash.data.restore import restore_missing_into_source
from wsdash.errors import WsdashError
from wsdash.model import ContainerReading
from wsdash.steps.api_client import ApiClient
from wsdash.steps.base import RESTORE_FIRST, Evidence, StepContext, command_output
from wsdash.steps.rows import count_table

STOPPED_AT = "stop-old.at"
"""The fact that says when the old service was last told to stop: another one means that it ran in between."""


class StopOld:
    """Stop old workspace service."""

    id = "stop-old"
    fence = True  # no writer on the source while its rows are carried
    until_open = False

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when the old container does not run and its API does not answer."""
        name = ctx.settings.stack.apps.old_service
        reading = await _reading(ctx, name)
        async with ApiClient(ctx.settings.api.old) as api:
            answers = await api.answers()
        if reading.state in ("running", "restarting", "paused"):
            return Evidence(False, f"{name} is {reading.state}", broken_at=reading.started_at or time.time())
        if answers:
            text = f"{name} is {reading.state}, yet {ctx.settings.api.old} answers"
            return Evidence(False, text, broken_at=time.time())
        return Evidence(True, f"{name} is {reading.state}; {ctx.settings.api.old} refuses connections")

    async def act(self, ctx: StepContext) -> None:
        """Stop the old service gracefully; when another process serves its port, say so."""
        name = ctx.settings.stack.apps.old_service
        await ctx.facts.put(STOPPED_AT, time.time())
        await ctx.stack.stop([name], command_output(ctx))
        async with ApiClient(ctx.settings.api.old) as api:
            if await api.answers():
                raise WsdashError(
                    f"{name} is stopped, but something still answers at {ctx.settings.api.old}",
                    where=ctx.settings.api.old,
                    remedy="find the process on that port (wsdash doctor names it), stop it, then retry",
                )

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Start the old service and prove that it serves the source's rows."""
        name = ctx.settings.stack.apps.old_service
        database = [c for c in ctx.settings.stack.apps.containers if c != name]
        await ctx.stack.start(database, command_output(ctx))
        restored = await _restore_if_asked(ctx)
        await ctx.stack.start([name], command_output(ctx))
        async with ApiClient(ctx.settings.api.old) as api:
            await api.wait_healthy(30.0)
            served = await api.count_items()
        stored = await count_table(ctx.source, ctx.settings.source.schema, "workspace_items")
        if served != stored:
            raise WsdashError(
                f"the old API serves {served:,} items, the source holds {stored:,}",
                where=ctx.settings.api.old,
                remedy="check that the old service uses this source, then run the rollback again",
            )
        return Evidence(
            True,
            f"{restored}{name} serves {served:,} items at {ctx.settings.api.old}, as many as the source",
        )


class StartStack:
    """Start Workspace Stack."""

    id = "start-stack"
    fence = False
    until_open = False

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when every container of the new stack runs and is healthy."""
        wanted = ctx.settings.stack.workspace.containers
        found = {reading.name: reading for reading in await ctx.stack.readings()}
        states = []
        holds = True
        for name in wanted:
            reading = found.get(name)
            state = reading.state if reading else "missing"
            health = reading.health if reading else "unknown"
            holds = holds and state == "running" and health in ("healthy", "none")
            states.append(f"{name} {state}, {health}")
        return Evidence(holds, "; ".join(states))

    async def act(self, ctx: StepContext) -> None:
        """Start in dependency order, each after the health of what it needs."""
        await ctx.stack.start(list(ctx.settings.stack.workspace.containers), command_output(ctx))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Stop the new stack and prove that nothing of it runs."""
        wanted = ctx.settings.stack.workspace.containers
        await ctx.stack.stop(list(wanted), command_output(ctx))
        still = [r.name for r in await ctx.stack.readings() if r.name in wanted and r.state == "running"]
        if still:
            raise WsdashError(
                "containers of the new stack still run: " + ", ".join(still),
                where=ctx.settings.stack.workspace.file,
                remedy="stop them by hand, then run the rollback again",
            )
        return Evidence(True, "stopped: " + ", ".join(wanted))


async def _restore_if_asked(ctx: StepContext) -> str:
    """Fill what the source lacks from the backup that the rollback names; what was done, for the evidence."""
    file = ctx.facts.get(RESTORE_FIRST)
    if not file:
        return ""
    done = await restore_missing_into_source(Path(file), ctx.source, item=ctx.item, on_progress=ctx.emit)
    rows = sum(done.rows.values())
    return f"{rows:,} rows of {len(done.rows)} tables restored from {file}; "


async def _reading(ctx: StepContext, name: str) -> ContainerReading:
    for reading in await ctx.stack.readings():
        if reading.name == name:
            return reading
    return ContainerReading(name=name, state="missing", health="unknown")
