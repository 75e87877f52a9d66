"""Item migrate-data of mode online: the rows as one snapshot has them, and from where on changes lack."""

from __future__ import annotations

from dataclasses import replace

from wsdash.data.copy.run import CopyRequest
from wsdash.data.online.switch.move_state import read_side_state
from wsdash.data.online.sync.copying import copy_online
from wsdash.model import Notice
from wsdash.model.facts import READ
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.migrate import MigrateData, how_read
from wsdash.steps.online.move import following_of, gives_up, move_of, went_over


class MigrateOnline(MigrateData):
    """Migrate data from TimescaleDB."""

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when this run's manifest says that all is complete, and the target refuses writers."""
        evidence = await super().check(ctx)
        if evidence.holds and await read_side_state(ctx.target) is None:
            return Evidence(False, "the rows are there, but nothing says from where on changes lack")
        return evidence

    async def _copy(self, ctx: StepContext, request: CopyRequest) -> None:
        def tell(why: str) -> None:
            ctx.emit(Notice(level="warning", text=why, item=ctx.item))

        async with following_of(ctx).held():
            result = await copy_online(await move_of(ctx), replace(request, snapshot=None), ctx.emit, tell)
        await ctx.facts.put(READ, how_read(result))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """The target's rows stay. What users wrote there went back with the switch; else they are kept."""
        if not (await went_over(ctx.settings) or await gives_up(ctx, await move_of(ctx))):
            return Evidence(True, "the target holds nothing that the source does not")
        return await super().undo(ctx)
