"""What moves in this run, and the state of the move."""

from __future__ import annotations

from wsdash.config import Settings
from wsdash.data.online.switch.move_state import MoveState, read_move_state, read_side_state
from wsdash.data.online.sync.move import Move, require_way_back
from wsdash.errors import RefusedError
from wsdash.model import WayBackBlocked
from wsdash.model.facts import GIVE_UP
from wsdash.steps.base import Following, StepContext, endpoint
from wsdash.steps.database.scope import read_examined


async def read_move(run: str, settings: Settings) -> Move:
    """The move of all tables that are carried now. With a mapping the target's must be there.

    Raises InputError for a mapping that does not fit, UnreachableError.
    """
    tables = await read_examined(settings)
    return Move(run, endpoint(settings.source), endpoint(settings.target), tables)


async def move_of(ctx: StepContext) -> Move:
    """The move of the step's run. Raises as read_move."""
    return await read_move(ctx.run, ctx.settings)


async def move_state(settings: Settings) -> MoveState | None:
    """The state of the move. Answers and raises as read_move_state."""
    return await read_move_state(endpoint(settings.source), endpoint(settings.target))


async def went_over(settings: Settings) -> bool:
    """Whether the switch is past its point of no return: the source is closed. Raises UnreachableError."""
    state = await read_side_state(endpoint(settings.source))
    return state is not None and not state.open


async def gives_up(ctx: StepContext, move: Move) -> bool:
    """Whether a rollback leaves behind what users wrote to the target: the mapping cannot be taken back,
    and a person gave these writes up.

    Raises RefusedError where nobody did.
    """
    if not move.one_way:
        return False
    if not ctx.facts.get(GIVE_UP):
        try:
            require_way_back(move)
        except RefusedError as error:
            await ctx.record(WayBackBlocked(error.what))
            raise
    return True


def following_of(ctx: StepContext) -> Following:
    """What carries changes in the background. Raises RefusedError where no engine does."""
    if ctx.following is None:
        raise RefusedError(
            "nothing carries changes here",
            where=ctx.item,
            remedy="run this item in an engine: wsdash migrate --mode online",
        )
    return ctx.following
