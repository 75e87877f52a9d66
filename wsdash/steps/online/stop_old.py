"""Items stop-old and test-api of mode online: the old service answers reads until the target is open."""

from __future__ import annotations

from contextlib import suppress

from wsdash.api.allowance import allowance_of
from wsdash.data.online.sync.link import catch_up, open_link
from wsdash.errors import UnreachableError
from wsdash.model import ContainerReading
from wsdash.model.facts import CARRIED_BACK, CarriedBack
from wsdash.steps.api.items import client
from wsdash.steps.api.tests import TestApi
from wsdash.steps.base import Evidence, StepContext, command_output
from wsdash.steps.limits import API_READY_SECONDS
from wsdash.steps.online.choices import carry_with_choices
from wsdash.steps.online.move import following_of, gives_up, move_of
from wsdash.steps.online.target_away import state_on_the_way_back
from wsdash.steps.services import DOWN, StopOld
from wsdash.tasks import task_group

LAST_DELTA_SECONDS = 0.5


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
