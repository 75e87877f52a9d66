"""Items stop-old and start-stack: services stopped and started, proven by what runs and what answers.

Absence proves nothing by itself: a service that was never found may well run, and an address that never
answered may be wrong. Both make an item insufficient, not done.
"""

from __future__ import annotations

import time
from pathlib import Path

from wsdash.api.allowance import allowance_of
from wsdash.data.restore.source import restore_missing_into_source
from wsdash.data.tables.read import count_of
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import ContainerReading, StepId
from wsdash.model.facts import ANSWERED, RESTORE_FIRST, STARTED, STOPPED_AT
from wsdash.steps.base import Evidence, StepContext, command_output
from wsdash.steps.items import client
from wsdash.steps.limits import CONTAINER_READY_SECONDS
from wsdash.steps.services.readiness import needs_schema
from wsdash.watch.board import not_known_to_fail

UP = ("running", "restarting", "paused")
DOWN = ("exited", "created", "dead", "removing")


class StopOld:
    """Stop old workspace service."""

    id: str = StepId.STOP_OLD
    fence = True  # no writer on the source while its rows are copied
    until_open = False

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when the old service was found, does not run, and its API is gone: nobody listens at its
        address, or it answered there before and does not now.
        """
        name, base = ctx.settings.stack.apps.old_service, ctx.settings.api.old
        reading = await _reading(ctx, name)
        async with client(ctx, base) as api:
            pong = await api.ping()
        if reading.state in UP:
            return Evidence(False, f"{name} is {reading.state}", broken_at=reading.started_at or time.time())
        if pong.status:
            return Evidence(False, f"{name} is {reading.state}, yet {base} answers", broken_at=time.time())
        known = ctx.facts.get(ANSWERED) == base
        unseen = ctx.settings.stack.engine == "external" and reading.state == "unknown"
        if unseen and known and pong.refused:
            return Evidence(True, f"{name}: {base} answered before it was to be stopped, and refuses now")
        if reading.state not in DOWN:
            return Evidence(
                False,
                f"{name} is {reading.state}: it was not found, so nothing shows that it does not run "
                f"({base}: {pong.said})",
                insufficient=True,
                remedy="correct stack.apps.old_service in wsdash.yaml (wsdash doctor lists what is there)",
            )
        if not pong.refused and not known:
            return Evidence(
                False,
                f"{name} is {reading.state}, but whether {base} is its address is not known: {pong.said}",
                insufficient=True,
                remedy="correct api.old in wsdash.yaml: it must name where the old service answers",
            )
        gone = "refuses connections" if pong.refused else f"answered before and does not now ({pong.said})"
        return Evidence(True, f"{name} is {reading.state}; {base} {gone}")

    async def act(self, ctx: StepContext) -> None:
        """Stop the old service gracefully; when another process serves its port, say so."""
        name, base = ctx.settings.stack.apps.old_service, ctx.settings.api.old
        await ctx.facts.put(STOPPED_AT, time.time())
        async with client(ctx, base) as api:
            if (await api.ping()).status:
                await ctx.facts.put(ANSWERED, base)
            await ctx.stack.stop([name], command_output(ctx))
            if (await api.ping()).status:
                raise WsdashError(
                    f"{name} is stopped, but something still answers at {base}",
                    where=base,
                    remedy="find the process on that port (wsdash doctor names it), stop it, then retry",
                )

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Start the old service and prove that it serves the source's rows, as far as its API tells them."""
        name = ctx.settings.stack.apps.old_service
        database = [c for c in ctx.settings.stack.apps.containers if c != name]
        await ctx.stack.start(database, command_output(ctx))
        restored = await _restore_if_asked(ctx)
        await ctx.stack.start([name], command_output(ctx))
        allowance_of(ctx.settings.api.old).forget()  # a relay's, until now
        return Evidence(True, f"{restored}{name} {await _serves(ctx)}")


class StartStack:
    """Start Workspace Stack."""

    id: str = StepId.START_STACK
    fence = False
    until_open = False

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when every container of the new stack runs and is healthy. Of one whose readiness needs the
        tables only that it was started is asked; what it lacks is described, and init-neon waits for it.
        """
        return await stack_evidence(ctx, needs_schema(ctx.settings))

    async def act(self, ctx: StepContext) -> None:
        """Start in dependency order, each after the health of what it needs."""
        names, later = list(ctx.settings.stack.workspace.containers), needs_schema(ctx.settings)
        await ctx.stack.start(names, command_output(ctx), unready=later)
        allowance_of(ctx.settings.api.new).forget()  # of a process that has ended
        await ctx.facts.put(STARTED, True)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Stop the new stack and prove that nothing of it runs, or answers at the new API's address."""
        await ctx.facts.put(STARTED, None)
        wanted = ctx.settings.stack.workspace.containers
        await ctx.stack.stop(list(wanted), command_output(ctx))
        states = {r.name: r.state for r in await ctx.stack.readings() if r.name in wanted}
        still = [f"{name} ({state})" for name, state in states.items() if state not in (*DOWN, "missing")]
        if still:
            raise WsdashError(
                "containers of the new stack still run: " + ", ".join(still),
                where=ctx.settings.stack.workspace.file,
                remedy="stop them by hand, then run the rollback again",
            )
        async with client(ctx) as api:
            if (await api.ping()).status:
                raise WsdashError(
                    "the new stack is stopped, yet its API's address answers",
                    where=ctx.settings.api.new,
                    remedy="find and stop the process there (wsdash doctor), then run the rollback again",
                )
        return Evidence(True, "stopped: " + ", ".join(wanted))


async def stack_evidence(ctx: StepContext, unready: frozenset[str] = frozenset()) -> Evidence:
    """How the new stack's containers are. unready: those that need not be healthy, only started."""
    wanted = ctx.settings.stack.workspace.containers
    found = {reading.name: reading for reading in await ctx.stack.readings()}
    if not wanted:
        return Evidence(False, "stack.workspace.containers names nothing to look at", insufficient=True)
    states, lacking = [], []
    holds = True
    for name in wanted:
        reading = found.get(name) or ContainerReading(name=name, state="missing", health="unknown")
        well = reading.state == "running" and reading.health in ("healthy", "none")
        if not well and name in unready and (reading.state in UP or _gave_up(ctx, reading)):
            said = f": {reading.detail}" if reading.detail else ""
            lacking.append(f"{name} is not ready yet{said}; init-neon waits for it")
        else:
            holds = holds and well
        said = f" ({reading.detail})" if reading.detail and not well and name not in unready else ""
        states.append(f"{name} {reading.state}, {reading.health}{said}")
    return Evidence(holds, "; ".join([*states, *lacking]))


def _gave_up(ctx: StepContext, reading: ContainerReading) -> bool:
    """This run started it, and it ended by itself: some services do, where their tables are not there."""
    ended = reading.state == "exited" and not not_known_to_fail(reading)
    started = ctx.facts.get(STARTED)
    return ended and bool(started)


async def _serves(ctx: StepContext) -> str:
    """What shows that the old service serves again. Raises WsdashError where something speaks against it."""
    base, table = ctx.settings.api.old, ctx.settings.api.table
    async with client(ctx, base) as api:
        pong = await api.wait_ready(CONTAINER_READY_SECONDS)
        stored = await count_of(ctx.source, ctx.settings.source.schema, table)
        if stored is None or not api.api.path:
            return f"answers at {base} ({pong.said}); there is no table {table} to compare its items with"
        try:
            rows, count = await api.list_items()
        except UnreachableError:
            raise
        except WsdashError as error:  # another API than ours lists its items in another way
            return f"answers at {base} ({pong.said}); its items were not counted: {error.what}"
    if count is None:
        return f"answers at {base} and lists {len(rows):,} items; it tells no count to compare"
    if count != stored:
        raise WsdashError(
            f"the old API serves {count:,} items, the source holds {stored:,}",
            where=base,
            remedy="check that the old service uses this source, then run the rollback again",
        )
    return f"serves {count:,} items at {base}, as many as the source"


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
