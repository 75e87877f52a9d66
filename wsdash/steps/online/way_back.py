"""The way back, where a person decides: conflicts, and a new database that is away.

Conflicts are shown side by side, and which side's row stays is chosen. Without the new database, it is said
what would be lost, and recorded what a person gave up.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from wsdash.data.online.delta.conflicts import Conflict, ConflictsError, keep_theirs
from wsdash.data.online.switch.cutover import open_side
from wsdash.data.online.switch.move_state import MoveState, read_side_state
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.errors import RefusedError, UnreachableError
from wsdash.model import ConflictCell, ConflictFound, ConflictsFound, SwitchedOver, WayBackBlocked
from wsdash.model.facts import CARRIED_BACK, GIVE_UP, KEEP, WAY_BACK
from wsdash.model.online import Side
from wsdash.model.written import age, count
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.online.move import following_of, move_state

SHOWN = 200
BEFORE, LONGEST = 10, 200
"""Of a value so many characters are shown before the first that differs, and so many in all."""
ROUNDS = 20
"""So often conflicts may come up that nobody knew of when it was chosen."""
T = TypeVar("T")


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


async def carry_with_choices(
    ctx: StepContext, move: Move, work: Callable[[list[str]], Awaitable[T]]
) -> tuple[T, int]:
    """Do `work(overwrite)`, with what was chosen of conflicts; its result, and how many were chosen.

    overwrite: as of open_link. Raises ConflictsError, shown as rows before, where nobody has chosen.
    """
    keep = ctx.facts.get(KEEP) or {}
    for_all, rows = str(keep.get("all") or ""), dict(keep.get("rows") or {})
    overwrite: list[str] = []  # asked without any choice first: what is not known yet cannot be counted
    chosen: set[str] = set()
    for _ in range(ROUNDS):
        try:
            return await work(overwrite), len(chosen)
        except ConflictsError as error:
            sides = {one.id: rows.get(one.id, for_all) for one in error.conflicts}
            theirs = [one for one in error.conflicts if sides[one.id] == "source"]
            ours = [one.id for one in error.conflicts if sides[one.id] == "target"]
            if not theirs and not ours:
                shown = error.conflicts[:SHOWN]
                found = tuple(_found(one) for one in shown)
                await ctx.record(ConflictsFound(found, len(error.conflicts)))
                raise RefusedError(
                    error.what,
                    where=error.where,
                    remedy="choose which side's row stays: wsdash rollback --keep source|target for all, "
                    "--keep-row 'ID=source' for one (R on the screen shows them side by side)",
                ) from error
        overwrite = [*overwrite, *ours]
        chosen |= {*ours, *(one.id for one in theirs)}
        if theirs:
            async with connection(move.target, read_only=False) as session:
                with ServerErrors(move.target, "keeping the source's rows"):
                    await keep_theirs(session, theirs)
    raise RefusedError(
        "rows of the source are changed again and again while the way back is tried",
        where=move.source.address,
        remedy="find who writes there past its gates (replica role, disabled triggers), then roll back again",
    )


def _found(one: Conflict) -> ConflictFound:
    """A conflict of the way back, where changes come from the target."""
    cells = []
    if one.ours is not None and one.theirs is not None:
        for name in one.differing:
            target, source = _about_the_difference(_text(one.ours.get(name)), _text(one.theirs.get(name)))
            cells.append(ConflictCell(name, target, source))
    gone: Side | Literal[""] = "target" if one.ours is None else "source" if one.theirs is None else ""
    return ConflictFound(one.id, tuple(one.lines()), tuple(cells), gone)


def _text(value: object) -> str:
    if value is None:
        return "NULL"
    return repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _about_the_difference(one: str, other: str) -> tuple[str, str]:
    """Both texts, cut to where they begin to differ."""
    pairs = enumerate(zip(one, other, strict=False))
    same = next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
    begin = same - BEFORE if same > 2 * BEFORE else 0
    cut = [("…" if begin else "") + text[begin : begin + LONGEST] for text in (one, other)]
    return cut[0], cut[1]
