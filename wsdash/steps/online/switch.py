"""Items stop-old, test-api and switch of mode online: users come to write to the target.

Writers are refused for a moment while the last changes follow; the old service answers reads until the target
is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from wsdash.api.allowance import allowance_of
from wsdash.data.online.switch.cutover import AbortedError, Switched, resume, switch_over
from wsdash.data.online.switch.move_state import read_side_state
from wsdash.data.online.sync.link import catch_up, open_link
from wsdash.data.online.sync.move import Move
from wsdash.errors import RefusedError, UnreachableError
from wsdash.model import ContainerReading, Downtime, Notice, StepId, SwitchedOver
from wsdash.model.facts import CARRIED_BACK, KEEP, CarriedBack
from wsdash.steps.base import Evidence, StepContext, command_output, endpoint
from wsdash.steps.items import client
from wsdash.steps.limits import API_READY_SECONDS
from wsdash.steps.online.move import following_of, gives_up, move_of, move_state
from wsdash.steps.online.panel import panel
from wsdash.steps.online.way_back import carry_with_choices, open_without_the_target, state_on_the_way_back
from wsdash.steps.services.stop_and_start import DOWN, StopOld
from wsdash.steps.trials.api import TestApi
from wsdash.tasks import task_group

SWITCH_ATTEMPTS = 3
SWITCH_PAUSE_SECONDS = 2.0
OnStage = Callable[[str], Awaitable[None]]
LAST_DELTA_SECONDS = 0.5


async def _nobody(_: str) -> None:
    """Nobody listens."""


class SwitchWrites:
    """Switch writes to the new database. on_stage hears each stage's name before it begins."""

    id: str = StepId.SWITCH

    def __init__(self, on_stage: OnStage = _nobody) -> None:
        self._on_stage = on_stage
        self._fenced_at: float | None = None

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when the source is closed and the target open: read from both, and from nothing else."""
        if ctx.dry:
            return Evidence(False, "writers are refused for a moment, the last changes follow")
        sides = await move_state(ctx.settings)
        if sides is None:
            return Evidence(False, "the target knows of no move yet")
        if sides.between:
            return Evidence(False, "both sides are closed: the switch goes forward from here")
        source, target = endpoint(ctx.settings.source), endpoint(ctx.settings.target)
        text = (
            f"{source.label} is {sides.source.state}, {target.label} is {sides.target.state} "
            f"(turn {max(sides.source.turn, sides.target.turn)})"
        )
        return Evidence(sides.target.open, text)

    async def act(self, ctx: StepContext) -> None:
        """Look at the panel, then switch; or go forward where it was past its point of no return.

        A switch that was taken back, or a moment that is none, is tried again twice. Raises RefusedError,
        AbortedError: the source goes on then.
        """
        move = await move_of(ctx)
        for attempt in range(1, SWITCH_ATTEMPTS + 1):
            try:
                await self._once(ctx, move)
                break
            except (AbortedError, RefusedError) as error:
                await self._taken_back(ctx)
                if attempt == SWITCH_ATTEMPTS:
                    raise
                ctx.emit(Notice("warning", f"not switched: {error.what}; tried again", ctx.item))
            await asyncio.sleep(SWITCH_PAUSE_SECONDS)

    async def _once(self, ctx: StepContext, move: Move) -> None:
        sides = await move_state(ctx.settings)
        if sides is not None and sides.between:
            async with following_of(ctx).held():
                taken_up = await resume(move, on_stage=self._on_stage)
            await self._over(ctx, taken_up)
            return
        if sides is None or sides.target.open:
            return
        seen = await panel(ctx, move)
        ctx.emit(seen)
        if seen.against:
            raise RefusedError(
                "this is no moment for the switch: "
                + "; ".join(f"{line.name}: {line.text}" for line in seen.against),
                where=move.source.address,
                remedy="; ".join(dict.fromkeys(line.remedy for line in seen.against)),
            )

        async def heard(stage: str) -> None:
            if stage == "fence":
                self._fenced_at = ctx.now()
                ctx.emit(Downtime(running=True, started_at=self._fenced_at))
            await self._on_stage(stage)

        limit = ctx.settings.cutover.max_write_downtime_seconds
        async with following_of(ctx).held():
            switched = await switch_over(move, move.source, limit=limit, on_stage=heard)
        await self._over(ctx, switched)

    async def _over(self, ctx: StepContext, switched: Switched | None) -> None:
        if switched is None:
            return
        self._fenced_at = None
        if switched.downtime is not None:
            now = ctx.now()
            begun = now - switched.downtime
            await ctx.record(Downtime(running=True, started_at=begun))
            await ctx.record(Downtime(running=False, started_at=begun, ended_at=now))
        await ctx.record(SwitchedOver("target", switched.downtime, switched.lines))
        if switched.downtime is not None:
            stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in switched.seconds.items())
            text = f"writers were refused for {switched.downtime:.2f} s; seconds of each stage: {stages}"
            ctx.emit(Notice("info", text, ctx.item))

    async def _taken_back(self, ctx: StepContext) -> None:
        """The source takes writes again."""
        begun, self._fenced_at = self._fenced_at, None
        if begun is not None:
            await ctx.record(Downtime(running=False, started_at=begun, ended_at=ctx.now()))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Back: the target is fenced, its changes follow, and the source opens, with capture on."""
        move = await move_of(ctx)
        source = await read_side_state(move.source)
        if source is None or (source.open and source.turn == 0):
            return Evidence(True, "nothing was switched")
        sides = await state_on_the_way_back(ctx, move)
        if sides is None and not source.open:
            return await open_without_the_target(ctx, move)
        taken_up: Switched | None = None
        if sides is not None and sides.between:
            async with following_of(ctx).held():
                taken_up = await resume(move, on_stage=self._on_stage)
            sides = await move_state(ctx.settings)
        if sides is None or sides.source.open:
            if ctx.facts.get(CARRIED_BACK) is not None:  # begun by an engine that was killed
                await self._back(ctx, None, taken_up.lines if taken_up is not None else 0, 0)
            return Evidence(True, f"{move.source.label} takes writes")
        if ctx.facts.get(CARRIED_BACK) is None:
            await ctx.facts.put(CARRIED_BACK, CarriedBack(lines=0, conflicts=0))
        limit = ctx.settings.cutover.max_write_downtime_seconds
        give_up = await gives_up(ctx, move)

        async def back(overwrite: list[str]) -> Switched:
            async with following_of(ctx).held():
                return await switch_over(
                    move,
                    move.target,
                    limit=limit,
                    on_stage=self._on_stage,
                    overwrite=overwrite,
                    give_up=give_up,
                )

        async def tried() -> tuple[Switched, int]:
            for attempt in range(1, SWITCH_ATTEMPTS):
                try:
                    return await carry_with_choices(ctx, move, back)
                except AbortedError as error:
                    text = f"not switched back (attempt {attempt}): {error.what}; tried again"
                    ctx.emit(Notice("warning", text, ctx.item))
                await asyncio.sleep(SWITCH_PAUSE_SECONDS)
            return await carry_with_choices(ctx, move, back)

        switched, chosen = await tried()
        await self._back(ctx, switched.downtime, switched.lines, chosen)
        down = "" if switched.downtime is None else f"; writers were refused for {switched.downtime:.2f} s"
        what = "as it was at the switch, without what users wrote since" if give_up else "with every change"
        return Evidence(True, f"{move.source.label} takes writes again, {what}{down}")

    async def _back(self, ctx: StepContext, downtime: float | None, lines: int, chosen: int) -> None:
        """Users write to the source again; the whole way back is counted."""
        before = ctx.facts.get(CARRIED_BACK) or CarriedBack(lines=0, conflicts=0)
        carried, chosen = lines + before["lines"], chosen + before["conflicts"]
        await ctx.record(SwitchedOver("source", downtime, lines, carried, chosen))
        await ctx.facts.put(CARRIED_BACK, None)
        await ctx.facts.put(KEEP, None)  # what was chosen of these rows says nothing of the next ones


class StopOldOnline(StopOld):
    """Stop old workspace service."""

    async def check(self, ctx: StepContext) -> Evidence:
        """As offline; but where the new stack has a relay, it answers at the old address instead."""
        relay = ctx.settings.stack.workspace.relay
        name, base = ctx.settings.stack.apps.old_service, ctx.settings.api.old
        if not relay:
            return await super().check(ctx)
        found = {reading.name: reading for reading in await ctx.stack.readings()}
        old = found.get(name) or ContainerReading(name=name, state="missing", health="unknown")
        passes = found.get(relay) or ContainerReading(name=relay, state="missing", health="unknown")
        if old.state not in DOWN:
            return await super().check(ctx)
        well = passes.state == "running" and passes.health in ("healthy", "none")
        async with client(ctx, base) as api:
            pong = await api.ping()
        text = f"{name} is {old.state}; {relay} is {passes.state}, {passes.health}; {base}: {pong.said}"
        return Evidence(well and pong.ready, text)

    async def act(self, ctx: StepContext) -> None:
        """Stop the old service, and have the relay take its address."""
        relay = ctx.settings.stack.workspace.relay
        if not relay:
            await super().act(ctx)
        else:
            output = command_output(ctx)
            # at once: it waits for the address, and takes it long before the old process has ended
            async with task_group() as group:
                group.create_task(ctx.stack.start([relay], output))
                old = [ctx.settings.stack.apps.old_service]
                group.create_task(ctx.stack.stop(old, output, handed_on=True))
            allowance_of(ctx.settings.api.old).forget()
            async with client(ctx, ctx.settings.api.old) as api:
                # what answered so far may have been the old service; the check says what is still lacking
                with suppress(UnreachableError):
                    await api.wait_ready(API_READY_SECONDS)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """What users wrote to the target goes to the source, then the old service serves again: its reads are
        answered from there on, its writes when the switch back is over.
        """
        move = await move_of(ctx)
        sides = await state_on_the_way_back(ctx, move)
        if sides is not None and sides.target.open and not await gives_up(ctx, move):

            async def carry(overwrite: list[str]) -> int:
                async with (
                    following_of(ctx).held(),
                    open_link(move, move.target, overwrite=overwrite) as link,
                ):
                    return await catch_up(link, LAST_DELTA_SECONDS)

            lines, conflicts = await carry_with_choices(ctx, move, carry)
            before = ctx.facts.get(CARRIED_BACK) or CarriedBack(lines=0, conflicts=0)
            carried = CarriedBack(lines=before["lines"] + lines, conflicts=before["conflicts"] + conflicts)
            await ctx.facts.put(CARRIED_BACK, carried)
        if relay := ctx.settings.stack.workspace.relay:
            await ctx.stack.stop([relay], command_output(ctx))
        return await super().undo(ctx)


class TestApiOnline(TestApi):
    """Test API endpoints."""

    __test__ = False

    async def _expected(self, ctx: StepContext) -> int | None:
        """Users write meanwhile: no count of the rows is that of the list."""
        return None
