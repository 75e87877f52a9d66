"""The way back while the new database is away: what would be lost without it, and what a person gave up."""

from __future__ import annotations

from wsdash.data.online.switch.cutover import open_side
from wsdash.data.online.switch.move_state import MoveState, read_side_state
from wsdash.data.online.sync.move import Move
from wsdash.errors import RefusedError, UnreachableError
from wsdash.model import SwitchedOver, WayBackBlocked
from wsdash.model.facts import CARRIED_BACK, GIVE_UP, WAY_BACK
from wsdash.model.written import age, count
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.online.move import following_of, move_state


async def state_on_the_way_back(ctx: StepContext, move: Move) -> MoveState | None:
    """The state of the move. None where nothing is carried back: no side or the source alone takes writes, as
    far as it answers, or the target is away and a person gave up what users wrote there.

    Raises RefusedError that says what would be lost, where the target is away and nobody gave that up;
    UnreachableError where it is the source.
    """
    source = await read_side_state(move.source)
    if source is None:
        return None
    try:
        return await move_state(ctx.settings)
    except UnreachableError as error:
        if source.open or ctx.facts.get(GIVE_UP):
            return None
        lost = f"{error.what}: {_written(ctx)} cannot be carried back without it"
        await ctx.record(WayBackBlocked(lost))
        raise RefusedError(lost, where=move.target.address, remedy=_remedy(ctx)) from error


async def open_without_the_target(ctx: StepContext, move: Move) -> Evidence:
    """Open the source as it was when it was closed, without what users wrote to the target since: a person
    gave that up. Raises UnreachableError, WsdashError."""
    source = await read_side_state(move.source)
    assert source is not None
    lost = _written(ctx)
    async with following_of(ctx).held():
        await open_side(move, move.source, source.turn + 1, [])
    kept = ctx.facts.get(WAY_BACK)
    before = ctx.facts.get(CARRIED_BACK) or {"lines": 0, "conflicts": 0}
    given_up = kept["changes"] if kept is not None else 0
    await ctx.record(SwitchedOver("source", None, 0, before["lines"], before["conflicts"], given_up))
    await ctx.facts.put(CARRIED_BACK, None)
    return Evidence(
        True, f"{move.source.label} takes writes again, as it was at the switch; given up: {lost}"
    )


def _written(ctx: StepContext) -> str:
    kept = ctx.facts.get(WAY_BACK)
    if kept is None:
        return "what users changed there since the switch (how much was not counted)"
    since = age(max(0.0, ctx.now() - kept["at"]))
    return f"{count(kept['changes'])} or more changes that users made there (counted {since} ago)"


def _remedy(ctx: StepContext) -> str:
    label = ctx.settings.target.label
    known = label in ctx.settings.stack.workspace.services
    start = f"wsdash container start {label}" if known else "its own command"
    return (
        f"start it again ({start}), then roll back again, and nothing is lost; where it is gone for good, "
        "wsdash rollback --give-up-writes (R on the screen) opens the old database as it was at the switch"
    )
