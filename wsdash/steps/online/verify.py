"""Item verify-data of mode online: the source goes on being written to, and every row is compared."""

from __future__ import annotations

import time

from wsdash.data.mapping.seed_rows import changed_seed_rows
from wsdash.data.online.sync.copying import compare_moving
from wsdash.data.online.sync.link import Link, open_link
from wsdash.data.pg.connect import connection
from wsdash.model import Notice, TableVerified
from wsdash.model.facts import VERIFIED, ComparedSides
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.online.move import following_of, move_of, went_over
from wsdash.steps.verify import VerifyData

BEFORE = " (compared before the switch, which compared what came after it)"


class VerifyOnline(VerifyData):
    """Verify data integrity."""

    async def check(self, ctx: StepContext) -> Evidence:
        """Hold a snapshot of the source, bring the target to exactly it, compare all; nothing is excluded.

        After the switch the comparison made before it counts: the target is meant to differ then.
        """
        stored = ctx.facts.get(VERIFIED)
        if await went_over(ctx.settings):
            if stored is None or not stored["holds"]:
                return Evidence(False, "both sides were not compared before the switch", insufficient=True)
            return Evidence(True, stored["text"] + BEFORE)
        if ctx.dry:
            return Evidence(False, "both sides are compared while changes are carried")
        move = await move_of(ctx)
        async with following_of(ctx).held(), open_link(move, move.source) as link:
            results = await self._compare(ctx, link)
            if again := [result.name for result in results if not result.match]:
                # a chunk that was dropped or rewritten fires no trigger, and a way back through a mapping
                # leaves what it cannot take: such tables are taken whole, once
                moved = {one.left.number for one in link.routes if one.target.table.qualified in again}
                if moved & link.suspects:
                    ctx.emit(Notice("warning", f"{', '.join(again)} differ and are taken whole", ctx.item))
                    await link.carry(whole=moved & link.suspects)
                    results = await self._compare(ctx, link)
        async with connection(ctx.target, read_only=True) as session:
            seeds = await changed_seed_rows(session)
        evidence = self._evidence(results, seeds)
        checksums = {result.name: result.source_checksum for result in results}
        found = ComparedSides(holds=evidence.holds, text=evidence.text, source=checksums, at=time.time())
        await ctx.facts.put(VERIFIED, found)
        return evidence

    async def _compare(self, ctx: StepContext, link: Link) -> list[TableVerified]:
        def tell(why: str) -> None:
            ctx.emit(Notice("warning", why, ctx.item))

        return await compare_moving(
            link, on_table=ctx.emit, on_retake=tell, workers=ctx.settings.copy.workers
        )
