"""Item capture: every change of the source's rows is noted there from now on, by triggers of ours."""

from __future__ import annotations

from wsdash.data.online.capture.install import install, read_objects, uninstall
from wsdash.data.online.capture.structure import read_trees
from wsdash.data.online.switch.move_state import read_side_state
from wsdash.data.online.switch.refusals import refuse_impossible
from wsdash.data.pg.connect import connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.errors import RefusedError, UnreachableError
from wsdash.model import StepId
from wsdash.model.facts import CATALOG
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.online.move import following_of, move_of
from wsdash.steps.online.refused import against, refuse, way_back_refusals

NAMED = 5


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
        if state.run != move.run:
            raise RefusedError(
                f"capture of run {state.run} is on {move.source.label}",
                where=move.source.address,
                remedy="finish that run first, which takes its capture away (wsdash finish --remove-traces)",
            )
        bare = [name for tree in trees.values() for name in tree.unguarded]
        if bare:
            return Evidence(False, f"triggers are missing or disabled on {', '.join(bare[:NAMED])}")
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
