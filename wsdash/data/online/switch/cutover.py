"""The switch: writers are refused on one side, the rest is applied to the other, and the other side opens.

The stages are one table. Until `close` has committed, everything is undone by ending one transaction; from
then on the way is forward only. The side that is left closes before the other one opens, so that never both
take writes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import asyncpg

from wsdash.data.limits import ANSWER_SECONDS, OPEN_SECONDS, SIDE_PAUSE_SECONDS
from wsdash.data.online.capture.objects import open_functions
from wsdash.data.online.capture.position import read_state
from wsdash.data.online.capture.structure import read_ground, to_text
from wsdash.data.online.capture.tracked import APPLIED, STATE
from wsdash.data.online.delta.sequences import follow_sequences
from wsdash.data.online.delta.transfer import Delta
from wsdash.data.online.switch.fence import Fence
from wsdash.data.online.switch.move_state import read_move_state, settle
from wsdash.data.online.switch.window import require_window
from wsdash.data.online.sync.crashed import emptied_by_crash
from wsdash.data.online.sync.link import Link, catch_up, open_link
from wsdash.data.online.sync.move import Move, require_way_back
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import DATABASE_ERRORS, ServerErrors, words_of
from wsdash.data.pg.transactions import begin, commit, roll_back
from wsdash.errors import RefusedError, UnreachableError, WsdashError

LIMIT_SECONDS = 2.0
LAST_DELTA_SHARE = 0.25
"""The share of the limit that applying the last changes may be expected to take."""


class AbortedError(WsdashError):
    """The switch was taken back before its point of no return: the side that was to be left goes on."""


@dataclass
class Switch:
    """One switch under way. fenced_at, opened_at: monotonic seconds. closing: COMMIT may have been sent."""

    link: Link
    fence: Fence
    turn: int
    closing: bool = False
    closed: bool = False
    fenced_at: float = 0.0
    opened_at: float = 0.0
    delta: Delta | None = None
    lines: int = 0
    sequences: list[str] = field(default_factory=list)
    asked: asyncio.Task[None] | None = None


@dataclass(frozen=True)
class CutoverStage:
    """One stage. fenced: writers are refused in it, and the limit counts. back: it can be taken back."""

    name: str
    title: str
    work: Callable[[Switch], Awaitable[None]]
    fenced: bool = True
    back: bool = True


@dataclass(frozen=True)
class Switched:
    """A finished switch. downtime: seconds from asking for the fence to the other side's opening; None where
    it was taken up after a crash. lines: changes applied inside the fence."""

    opened: Endpoint
    turn: int
    downtime: float | None
    lines: int
    seconds: dict[str, float]


async def _warm(switch: Switch) -> None:
    """Apply what is waiting, with the sessions and plans that the fence will need, and look once more."""
    link = switch.link
    seconds = switch.fence.limit * LAST_DELTA_SHARE
    await catch_up(link, seconds)
    with ServerErrors(link.leaving, "looking at the window"):
        await require_window(link.steward, link)
    await _read_sequences(switch)
    await catch_up(link, seconds)


async def _fence(switch: Switch) -> None:
    await switch.fence.prepare()
    switch.fenced_at = time.monotonic()
    switch.asked = asyncio.ensure_future(switch.fence.ask())
    await asyncio.sleep(0)


async def _drain(switch: Switch) -> None:
    assert switch.asked is not None
    try:
        await switch.asked
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as error:
        raise AbortedError(
            "writers that were under way did not end in time",
            where=switch.link.leaving.address,
            remedy="end them or wait for them (pg_stat_activity), then switch again",
        ) from error


async def _delta(switch: Switch) -> None:
    switch.delta = await switch.link.read()
    switch.lines = switch.delta.lines
    if switch.delta.changes:
        await switch.link.write(switch.delta)


async def _check(switch: Switch) -> None:
    link, delta = switch.link, switch.delta
    assert delta is not None
    if delta.changes:
        await link.check(delta)
        await link.commit(delta)
    await link.let_go()


async def _read_sequences(switch: Switch) -> None:
    link = switch.link
    switch.sequences = await follow_sequences(link.steward, link.writer, link.routes)


async def _close(switch: Switch) -> None:
    link, fence = switch.link, switch.fence
    await fence.lock()
    if await link.pending():  # of a writer that passed no gate
        switch.lines += await link.apply()
    await require_window(fence.session, link, closing=True)
    await fence.close(switch.turn)
    switch.closing = True
    await fence.commit()
    switch.closed = True


async def _open(switch: Switch) -> None:
    link = switch.link
    await open_side(link.move, link.entering, switch.turn, switch.sequences, link.writer)
    switch.opened_at = time.monotonic()


STAGES: tuple[CutoverStage, ...] = (
    CutoverStage("warm", "apply what waits, sessions and plans warm", _warm, fenced=False),
    CutoverStage("fence", "refuse new writers", _fence),
    CutoverStage("drain", "wait for open writers", _drain),
    CutoverStage("delta", "apply the last changes", _delta),
    CutoverStage("check", "compare them on both sides", _check),
    CutoverStage("sequences", "read the positions of sequences", _read_sequences),
    CutoverStage("close", "close the old side: the point of no return", _close),
    CutoverStage("open", "open the new side, its capture on", _open, back=False),
)

OnStage = Callable[[str], Awaitable[None]]


async def _nobody(_: str) -> None:
    """Nobody listens."""


async def switch_over(
    move: Move,
    leaving: Endpoint,
    *,
    limit: float = LIMIT_SECONDS,
    on_stage: OnStage = _nobody,
    overwrite: Collection[str] | None = (),
    give_up: bool = False,
) -> Switched:
    """Switch from one side to the other. limit: the longest that writers may be refused before it is taken
    back, in seconds. on_stage hears each stage's name before it begins. overwrite: as of open_link. give_up:
    leave behind what was written to the target, where a mapping cannot be taken back.

    Raises AbortedError when it was taken back (the side that was to be left goes on, or could not be
    reached), RefusedError when it must not begin, WsdashError when the one side is closed and the other one
    could not be opened: resume() goes on then.
    """
    if leaving == move.target and not give_up:
        require_way_back(move)
    settings = {"application_name": "wsdash fence", "client_connection_check_interval": "200ms"}
    async with (
        open_link(move, leaving, overwrite=overwrite) as link,
        connection(leaving, read_only=False, settings=settings) as session,
    ):
        with ServerErrors(leaving, "reading the state of the move"):
            state = await read_state(session)
        if state is None or not state.open:
            raise RefusedError(
                f"{leaving.label} is not open", where=leaving.address, remedy="resume the move"
            )
        switch = Switch(link, Fence(session, limit, link.tracked), state.turn + 1)
        seconds: dict[str, float] = {}
        try:
            async with asyncio.timeout(None) as deadline:
                for stage in (one for one in STAGES if one.back):
                    if stage.fenced and deadline.when() is None:
                        deadline.reschedule(asyncio.get_running_loop().time() + limit)
                    await _run(stage, switch, seconds, on_stage)
        except BaseException as error:
            await _settle_or_take_back(switch, error)
        for stage in (one for one in STAGES if not one.back):
            await _run(stage, switch, seconds, on_stage)
    downtime = switch.opened_at - switch.fenced_at
    return Switched(link.entering, switch.turn, downtime, switch.lines, seconds)


async def _run(stage: CutoverStage, switch: Switch, seconds: dict[str, float], on_stage: OnStage) -> None:
    await on_stage(stage.name)
    started = time.monotonic()
    with ServerErrors(switch.link.leaving, f"switching over ({stage.name})"):
        await stage.work(switch)
    seconds[stage.name] = time.monotonic() - started


async def _settle_or_take_back(switch: Switch, error: BaseException) -> None:
    """Returns when the side was closed after all; else the fence is lifted and the reason raised."""
    leaving = switch.link.leaving
    await _lift(switch)
    if switch.closing and (switch.closed or await settle(leaving, switch.fence.xid, switch.turn)):
        if isinstance(error, asyncio.CancelledError):
            raise error
        return
    if isinstance(error, AbortedError | RefusedError) or not isinstance(
        error, (TimeoutError, WsdashError, *DATABASE_ERRORS)
    ):
        raise error
    if isinstance(error, WsdashError):
        reason = error.what
    else:
        reason = "it took longer than it may" if isinstance(error, TimeoutError) else words_of(error)
    where = error.where if isinstance(error, WsdashError) else leaving.address
    raise AbortedError(
        f"the switch was taken back, {leaving.label} goes on: {reason}",
        where=where,
        remedy="see the reason, then switch again",
    ) from error


async def _lift(switch: Switch) -> None:
    """End the fence's transaction, whatever it is doing; cut its session when it does not answer."""
    if switch.asked is not None and not switch.asked.done():
        switch.asked.cancel()
        await asyncio.wait({switch.asked}, timeout=1)
    try:
        await roll_back(switch.fence.session, timeout=1)
    except DATABASE_ERRORS:
        switch.fence.session.terminate()
    if switch.asked is not None and switch.asked.done() and not switch.asked.cancelled():
        switch.asked.exception()


async def open_side(
    move: Move, side: Endpoint, turn: int, sequences: list[str], conn: asyncpg.Connection | None = None
) -> None:
    """Open a side whose other one is closed: its capture on from this moment; tried for OPEN_SECONDS.

    conn: a session of it that is tried first. Safe to call again. Raises WsdashError, and leaves it closed
    then.
    """
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            if conn is not None and not conn.is_closed():
                return await _open_in(conn, move, side, turn, sequences)
            async with connection(side, read_only=False) as fresh:
                return await _open_in(fresh, move, side, turn, sequences)
        except UnreachableError as error:
            conn = None
            if time.monotonic() > deadline:
                raise WsdashError(
                    f"{side.label} could not be opened, and the other side is closed: {error.what}",
                    where=side.address,
                    remedy="bring this server up, then resume: no write is lost, and none is taken meanwhile",
                ) from error
        await asyncio.sleep(SIDE_PAUSE_SECONDS)


async def _open_in(
    conn: asyncpg.Connection, move: Move, side: Endpoint, turn: int, sequences: list[str]
) -> None:
    with ServerErrors(side, f"opening {side.label}"):
        state = await read_state(conn)
        if state is None:
            raise RefusedError(f"the capture is gone from {side.label}", where=side.address)
        if state.open and state.turn == turn:
            return  # the answer to an earlier attempt was lost
        if state.open or state.turn != turn - 1:
            raise RefusedError(
                f"{side.label} is {state.state} at turn {state.turn}, and was to be opened as turn {turn}",
                where=side.address,
                remedy="see who changed schema wsdash there",
            )
        if await emptied_by_crash(move, side, conn, state):
            raise WsdashError(
                f"{side.label} was started anew since its rows were copied, which may have emptied its "
                "unlogged tables",
                where=side.address,
                remedy="resume: they are copied again before it is opened",
            )
        tracked = move.tracked_on(side)
        logs = ", ".join([*(one.log for one in tracked), APPLIED])
        await begin(conn, "SET LOCAL synchronous_commit = on", timeout=ANSWER_SECONDS)
        await conn.execute(
            "; ".join([open_functions(tracked), f"TRUNCATE {logs}", *sequences]), timeout=ANSWER_SECONDS
        )
        await conn.execute(
            f"UPDATE {STATE} SET state = 'open', turn = $1, opened_at = pg_current_snapshot(), "
            "opened_ground = $2",
            turn,
            to_text(await read_ground(conn, tracked)),
            timeout=ANSWER_SECONDS,
        )
        await commit(conn, timeout=ANSWER_SECONDS)


async def resume(move: Move, *, on_stage: OnStage = _nobody) -> Switched | None:
    """Go on after a crash, from what the two sides say. None when one of them is open: nothing is to be done.

    Both closed: applies what may be missing, and opens the one that was being entered. Raises RefusedError
    when both are open, WsdashError.
    """
    sides = await read_move_state(move.source, move.target)
    if sides is None:
        raise RefusedError(
            f"there is no capture on {move.source.label} and {move.target.label}",
            where=f"{move.source.address} and {move.target.address}",
            remedy="begin the online move: put capture on both sides and copy the rows",
        )
    if not sides.between:
        return None
    entering = move.other(sides.leaving)
    turn = max(sides.source.turn, sides.target.turn)
    async with open_link(move, sides.leaving) as link:
        await on_stage("delta")
        lines = await link.apply()  # it is closed: nothing comes after this
        await on_stage("sequences")
        with ServerErrors(entering, "reading sequences"):
            sequences = await follow_sequences(link.steward, link.writer, link.routes)
        await on_stage("open")
        await open_side(move, entering, turn, sequences, link.writer)
    return Switched(entering, turn, None, lines, {})
