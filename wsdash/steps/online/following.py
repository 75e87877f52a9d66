"""Items capture, migrate-data, catch-up and verify-data of mode online: the target follows the source.

Triggers of ours note every change of the source's rows. The rows are copied as one snapshot has them, changes
follow until the target keeps up, and every row is compared while the source goes on being written to.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from wsdash.data.copy.run import CopyRequest
from wsdash.data.mapping.seed_rows import changed_seed_rows
from wsdash.data.online.capture.install import install, read_objects, uninstall
from wsdash.data.online.capture.structure import differences, read_shape, read_trees
from wsdash.data.online.switch.move_state import read_side_state
from wsdash.data.online.switch.refusals import refuse_impossible
from wsdash.data.online.switch.window import begin_anew
from wsdash.data.online.sync.copying import compare_moving, copy_online
from wsdash.data.online.sync.link import Link, open_link
from wsdash.data.pg.connect import connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.errors import RefusedError, UnreachableError, WsdashError
from wsdash.model import Followed, Notice, StepId, TableVerified
from wsdash.model.facts import CATALOG, READ, VERIFIED, ComparedSides
from wsdash.model.online import KEEPS_UP_SECONDS
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.database.migrate import MigrateData, how_read
from wsdash.steps.database.verify import VerifyData
from wsdash.steps.limits import CATCH_UP_POLL_SECONDS, CATCH_UP_SECONDS, CATCH_UP_TROUBLE_SECONDS
from wsdash.steps.online.move import following_of, gives_up, move_of, went_over
from wsdash.steps.online.refused import against, refuse, way_back_refusals

BEFORE = " (compared before the switch, which compared what came after it)"
NAMED = 5


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


class CatchUp:
    """Carry changes until the new database keeps up."""

    id: str = StepId.CATCH_UP
    fence = False
    until_open = True

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds while changes are applied and the target is at most a second behind; and after the switch."""
        if ctx.following is None:
            return Evidence(False, "nothing carries changes yet")
        if await went_over(ctx.settings):
            return Evidence(True, "the switch carried the last change")
        newest = ctx.following.newest
        if newest is None or newest.lag is None:
            return Evidence(False, "nothing carries changes yet" if newest is None else newest.trouble)
        return Evidence(newest.keeps_up, _words(newest))

    async def act(self, ctx: StepContext) -> None:
        """Begin to carry, and wait until it keeps up. It goes on until the switch, whoever looks."""
        following = following_of(ctx)
        await following.begin()
        began = well = time.monotonic()
        while True:
            newest, now = following.newest, time.monotonic()
            if newest is not None and newest.keeps_up:
                return
            if newest is None or not newest.trouble:
                well = now
            elif now - well > CATCH_UP_TROUBLE_SECONDS:
                raise WsdashError(newest.trouble, remedy="see to what it names, then retry")
            if now - began > CATCH_UP_SECONDS:
                raise WsdashError(
                    "changes come faster than they are applied: "
                    + (_words(newest) if newest is not None else "none was carried"),
                    where=ctx.target.address,
                    remedy="retry when less is written, or migrate with --mode offline",
                )
            await asyncio.sleep(CATCH_UP_POLL_SECONDS)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Changes are no longer applied."""
        await following_of(ctx).end()
        return Evidence(True, "changes are no longer applied")


def _words(newest: Followed) -> str:
    if newest.trouble:
        return f"nothing is applied now: {newest.trouble}"
    lag = "unknown" if newest.lag is None else f"{newest.lag:.2f} s"
    return (
        f"{newest.carried:,} changes applied; behind by {lag} (limit {KEEPS_UP_SECONDS:.0f} s); "
        f"the log takes {newest.log_bytes:,} bytes"
    )


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
            return Evidence(False, "both sides are compared while changes are applied")
        move = await move_of(ctx)
        async with following_of(ctx).held(), open_link(move, move.source) as link:
            results = await self._compare(ctx, link)
            if again := [result.name for result in results if not result.match]:
                # a chunk that was dropped or rewritten fires no trigger, and a way back through a mapping
                # leaves what it cannot take: such tables are taken whole, once
                moved = {one.left.number for one in link.routes if one.target.table.qualified in again}
                if moved & link.suspects:
                    ctx.emit(Notice("warning", f"{', '.join(again)} differ and are taken whole", ctx.item))
                    await link.apply(whole=moved & link.suspects)
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


class Capture:
    """Capture changes of the old database."""

    id: str = StepId.CAPTURE
    fence = False
    until_open = True

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when each table has our triggers, and none of them is switched off."""
        state = await read_side_state(ctx.source)
        if state is None:
            return Evidence(False, "no change is captured yet")
        move = await move_of(ctx)
        async with connection(move.source, read_only=True) as session:
            with ServerErrors(move.source, "looking for the capture"):
                trees = await read_trees(session, move.tracked)
                shape = await read_shape(session, move.tracked)
        if state.run != move.run:
            raise RefusedError(
                f"capture of run {state.run} is on {move.source.label}",
                where=move.source.address,
                remedy="finish that run first, which takes its capture away (wsdash finish --remove-traces)",
            )
        bare = [name for tree in trees.values() for name in tree.unguarded]
        if bare:
            return Evidence(False, f"triggers are missing or disabled on {', '.join(bare[:NAMED])}")
        changed = differences(state.shape, shape) if state.open and state.shape else []
        if changed:
            text = f"the schema changed since capture began: {'; '.join(changed[:NAMED])}"
            return Evidence(False, text, remedy=begin_anew(move, move.source, state.turn))
        return Evidence(
            True, f"{len(move.tables)} tables: each change notes its key in schema wsdash ({state.state})"
        )

    async def act(self, ctx: StepContext) -> None:
        """Put the triggers on, each table in a transaction of its own, with short locks."""
        move = await move_of(ctx)
        if await read_side_state(move.source) is None:
            await refuse_impossible(move)
            refuse(against(way_back_refusals(move, ctx.settings)))
            await ctx.facts.put(CATALOG, await read_objects(move.source))
        await install(move.source, move.tracked, move.run, closed=False)

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Take them off both sides, unless users ever wrote to the target: then they keep the way open."""
        move = await move_of(ctx)
        await following_of(ctx).end()
        state = await read_side_state(move.source)
        if state is None:
            return Evidence(True, "no capture is on the source")
        if not state.open:
            raise RefusedError(
                f"{move.source.label} is closed: taking capture off would open it behind the run's back",
                where=move.source.address,
                remedy="roll back: item switch opens it again",
            )
        if state.turn > 0:
            await following_of(ctx).fold_only()
            return Evidence(
                True,
                f"capture stays on {move.source.label}: going forward again needs no new copy; its log has "
                "a line for each changed row until then, where an engine folds it (wsdash watch); "
                "wsdash finish --remove-traces takes it away",
            )
        await uninstall(move.source)
        try:
            await uninstall(move.target)
        except UnreachableError as error:  # it never took a write, and is stopped next
            return Evidence(
                True, f"nothing of ours is left on the source; the target was not asked: {error.what}"
            )
        return Evidence(True, "no trigger and no log of ours is left on the source or the target")
