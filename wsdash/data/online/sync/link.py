"""The way from the side that is left to the side that is entered: sessions on both, and deltas over them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.online.capture.install import prune
from wsdash.data.online.capture.position import Position, State, read_position, read_state, seal
from wsdash.data.online.capture.structure import Ground, from_text, moved, read_ground, read_trees, to_text
from wsdash.data.online.capture.tracked import APPLIED, STATE, Tracked
from wsdash.data.online.delta.conflicts import Conflict, ConflictsError, find_conflicts
from wsdash.data.online.delta.routes import Route
from wsdash.data.online.delta.transfer import (
    Change,
    Delta,
    check_delta,
    make_stages,
    pending,
    read_delta,
    write_delta,
)
from wsdash.data.online.sync.crashed import emptied_by_crash, read_unlogged
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import DATABASE_ERRORS, ServerErrors
from wsdash.data.pg.transactions import begin, commit, roll_back, transaction
from wsdash.data.snapshot.chunk_states import NO_CHUNKS, ChunkStates, require_unmoved
from wsdash.data.snapshot.hold import Snapshot, hold_still
from wsdash.data.tables.read import routers_always
from wsdash.errors import RefusedError, WsdashError
from wsdash.tasks import task_group

ROUNDS = 50
"""So often changes are applied before it is said that they come too fast."""


@dataclass
class Link:
    """Sessions of one direction, opened by open_link. position: what of the left side is in the entered one.

    reader reads deltas in snapshots; steward does what is not read there: seals, asks, prunes; writer
    writes into the entered side. A failure of any of them ends the link; the next one goes on from the
    position that the entered side holds.
    """

    move: Move
    leaving: Endpoint
    entering: Endpoint
    reader: asyncpg.Connection
    steward: asyncpg.Connection
    writer: asyncpg.Connection
    position: Position
    tracked: tuple[Tracked, ...]
    """The left side's tables."""
    routes: tuple[Route, ...]
    ground: Ground
    """The left side's chunks at the position."""
    suspects: set[int]
    """The left side's tables that must be compared: chunks of theirs were dropped or rewritten, or they came
    back through a mapping."""
    closed_by: str = ""
    """The transaction that closed the entered side; '' when it was never open."""
    overwrite: set[str] | None = field(default_factory=set)
    """Conflicts (by their id) whose row here may be written over; None: all."""
    routed: frozenset[int] = frozenset()
    """Tables whose rows the entered side's own triggers send to inheriting children."""
    own_boot: str = ""
    """When the entered side's server had started, as it says now."""
    unlogged: frozenset[int] = frozenset()
    """Tables that are unlogged on the left side."""
    emptied: frozenset[int] = frozenset()
    """The entered side's tables that must be taken whole: unlogged ones that a crash may have emptied, and
    those with writes that were given up."""
    _session: asyncpg.Connection = field(init=False)
    """The session whose snapshot the delta is read in."""
    _chunks: ChunkStates = field(init=False, default=NO_CHUNKS)

    def __post_init__(self) -> None:
        """Deltas are read in the link's own session, unless a snapshot is given."""
        self._session = self.reader

    async def apply(self, held: Snapshot | None = None, whole: Collection[int] = ()) -> int:
        """Apply what is new to the other side; how many log lines that answered.

        held: to exactly this snapshot. whole: numbers of the left side's tables that are taken whole.

        Raises MovedError when maintenance rewrote chunks meanwhile: nothing was changed then, call it again.
        """
        delta = await self.read(held, whole)
        try:
            if delta.changes:
                await self.write(delta)
                await self.check(delta)
                await self.commit(delta)
        finally:
            await self.let_go()
        return delta.lines

    async def read(self, held: Snapshot | None = None, whole: Collection[int] = ()) -> Delta:
        """Take a snapshot, seal it, and ask what is new in it. Raises WsdashError."""
        if held is not None:
            self._session, self._chunks = held.conn, held.chunks
        else:
            self._session = self.reader
            tables = self.move.relations(self.leaving)
            self._chunks = await hold_still(self.reader, self.leaving, tables)
        session = self._session
        with ServerErrors(self.leaving, "reading what changed"):
            until = await read_position(session)
            await self._look_at_chunks(await read_ground(session, self.tracked))
            taken = self._emptied(until) | self._entered(whole)
            delta = await read_delta(session, self.routes, self.position, until, taken)
            if delta.changes:
                await seal(self.steward)
        return delta

    async def _look_at_chunks(self, now: Ground) -> None:
        """Note, for good, which tables' chunks moved."""
        found = moved(self.ground, now).keys() - self.suspects
        self.ground = now
        if found:
            self.suspects |= found
            await self._note_suspects(self.suspects)

    async def clear_suspects(self) -> None:
        """All tables were compared and equal. Raises WsdashError."""
        with ServerErrors(self.entering, "noting what was compared"):
            await self._note_suspects(set())
        self.suspects = set()

    async def _note_suspects(self, numbers: set[int]) -> None:
        await self.writer.execute(
            f"UPDATE {STATE} SET suspects = $1, position_ground = $2",
            sorted(numbers),
            to_text(self.ground),
            timeout=TIMEOUT,
        )

    def _emptied(self, until: Position) -> set[int]:
        """Entered tables to be taken whole, when a server was started anew: a crash empties unlogged ones."""
        if not self.position.boot or self.position.boot == until.boot:
            return set(self.emptied)
        return set(self.emptied) | self._entered(self.unlogged)

    def _entered(self, left: Collection[int]) -> set[int]:
        """Numbers of the entered tables that rows of these left ones go into."""
        return {route.entered.number for route in self.routes if route.left.number in left}

    async def write(self, delta: Delta) -> int:
        """Write a delta into the entered side, uncommitted; how many rows.

        Raises ConflictsError when somebody else changed rows there since it was closed, WsdashError.
        """
        found: list[Conflict] = []

        async def look(change: Change, match: str) -> None:
            # the target before the first switch is no side that was closed: all its rows are ours
            if self.closed_by and not self._hides_writers(change.route.entered):
                found.extend(await find_conflicts(self._session, self.writer, change, match, self.closed_by))

        with ServerErrors(self.entering, "applying changes"):
            await begin(self.writer)
            entered = self.move.tracked_on(self.entering)
            names = [one.relation for one in entered if one.number in self.routed]
            async with routers_always(self.writer, names):
                rows = await write_delta(
                    (self.leaving, self._session),
                    (self.entering, self.writer),
                    delta,
                    self.routed,
                    may_empty=self._may_empty(),
                    look=look,
                )
            chosen = [one for one in found if self.overwrite is not None and one.id not in self.overwrite]
            if chosen:
                raise ConflictsError(chosen, self.entering.address)
            return rows

    def _may_empty(self) -> Collection[int]:
        """The target's tables, and what a crash of the source left empty there."""
        if self.entering == self.move.target:
            return [one.number for one in self.move.tracked_on(self.entering)]
        return self.emptied

    def _hides_writers(self, tracked: Tracked) -> bool:
        """Of a real hypertable's compressed rows nobody can tell who wrote them."""
        return self.entering == self.move.source and tracked.table.hypertable == "timescaledb"

    async def check(self, delta: Delta) -> int:
        """Compare the delta's rows on both sides, before its commit; how many. Raises WsdashError."""
        with ServerErrors(self.entering, "checking applied changes"):
            return await check_delta(self._session, (self.entering, self.writer), delta)

    async def commit(self, delta: Delta) -> None:
        """Commit a delta with its position, when no chunk was rewritten while it was read.

        Raises MovedError, RefusedError when somebody else applied changes meanwhile, WsdashError.
        """
        if self._chunks.states:
            tables = self.move.relations(self.leaving)
            with ServerErrors(self.leaving, "reading the states of the chunks again"):
                await require_unmoved(self.steward, self.leaving, tables, self._chunks)
        with ServerErrors(self.entering, "committing applied changes"):
            moved = await self.writer.execute(
                f"UPDATE {STATE} SET position = $1::text::pg_snapshot, position_boot = $2, "
                "position_ground = $3, own_boot = $5 WHERE position::text = $4",
                delta.until.snapshot,
                delta.until.boot,
                to_text(self.ground),
                self.position.snapshot,
                self.own_boot,
                timeout=TIMEOUT,
            )
            if moved != "UPDATE 1":
                raise RefusedError(
                    "another session applied changes to this database meanwhile",
                    where=self.entering.address,
                    remedy="see that only one wsdash works on it, then retry",
                )
            if self.closed_by:
                await self.writer.execute(
                    f"INSERT INTO {APPLIED} VALUES (pg_current_xact_id())", timeout=TIMEOUT
                )
            await commit(self.writer)
        self.position, self.emptied = delta.until, frozenset()

    async def let_go(self) -> None:
        """End what is open on both sides; what was not committed is taken back."""
        for conn in (self.writer, self.reader):
            if not conn.is_closed() and conn.is_in_transaction():
                try:
                    await roll_back(conn)
                except DATABASE_ERRORS:
                    conn.terminate()  # what failed before says why it ended

    async def pending(self) -> int:
        """How many changes wait to be applied. Raises WsdashError."""
        with ServerErrors(self.leaving, "counting changes"):
            return await pending(self.steward, self.tracked, self.position)

    async def prune(self) -> int:
        """Remove log lines that are on the entered side for good; how many. Raises WsdashError."""
        with ServerErrors(self.leaving, "pruning the log of changes"):
            return await prune(self.steward, self.tracked, self.position)


@asynccontextmanager
async def open_link(
    move: Move, leaving: Endpoint, *, overwrite: Collection[str] | None = ()
) -> AsyncIterator[Link]:
    """Sessions for applying a side's changes to the other, for the length of a block.

    overwrite: ids of conflicts whose row on the entered side may be written over; None: all. Raises
    RefusedError when that side is not the one that changes come from, or nothing tells from where on changes
    lack on the other; UnreachableError.
    """
    entering = move.other(leaving)
    tracked, routes = move.tracked_on(leaving), move.routes(leaving)
    async with AsyncExitStack() as stack:
        strict = {"row_security": "off"}
        async with task_group() as group:
            opening = [
                group.create_task(
                    stack.enter_async_context(connection(side, read_only=False, settings=strict))
                )
                for side in (leaving, leaving, entering)
            ]
        reader, steward, writer = (task.result() for task in opening)
        with ServerErrors(entering, "opening the way for changes"):
            position = await _start(move, leaving, steward, writer)
            state = await read_state(writer)
            assert state is not None
            await make_stages(writer, routes)
            trees = await read_trees(writer, move.tracked_on(entering))
            routed = frozenset(number for number, tree in trees.items() if tree.kind == "inheritance")
            boot = (await read_position(writer)).boot
            emptied = await emptied_by_crash(move, entering, writer, state)
        with ServerErrors(leaving, "opening the way for changes"):
            unlogged = await read_unlogged(steward, tracked)
        ground, suspects = from_text(state.position_ground), set(state.suspects)
        sessions = (reader, steward, writer)
        link = Link(move, leaving, entering, *sessions, position, tracked, routes, ground, suspects)
        if leaving == move.source and move.one_way and await _left_behind(steward, position):
            emptied |= {route.entered.number for route in routes}
        link.own_boot, link.emptied, link.unlogged = boot, emptied, unlogged
        link.closed_by, link.routed, link.overwrite = (
            state.closed_by,
            routed,
            None if overwrite is None else set(overwrite),
        )
        yield link


async def _start(
    move: Move, leaving: Endpoint, steward: asyncpg.Connection, writer: asyncpg.Connection
) -> Position:
    """From where on the entered side lacks changes: what it says, or when the left side was opened."""
    here, there = await read_state(steward), await read_state(writer)
    if here is None or there is None:
        where = leaving if here is None else move.other(leaving)
        raise RefusedError(
            f"there is no capture on {where.label}",
            where=where.address,
            remedy="put capture on both sides and copy the rows first",
        )
    _require_direction(here, there, leaving)
    turn = here.turn - (not here.open)
    if there.position is not None and there.position_turn == turn:
        return there.position
    if here.opened_at is None:
        raise RefusedError(
            f"nothing tells from where on {move.other(leaving).label} lacks changes",
            where=move.other(leaving).address,
            remedy="copy the rows first",
        )
    async with transaction(writer):
        await writer.execute(
            f"UPDATE {STATE} SET position = $1::text::pg_snapshot, position_turn = $2, position_boot = '', "
            "position_ground = $3, suspects = $4",
            here.opened_at.snapshot,
            turn,
            here.opened_ground,
            sorted(move.lossy) if leaving == move.source else [],
            timeout=TIMEOUT,
        )
    return here.opened_at


async def _left_behind(steward: asyncpg.Connection, position: Position) -> bool:
    """Whether the left side was opened again and nothing was applied since: the other one has kept what
    users wrote there, which was given up."""
    here = await read_state(steward)
    if here is None or here.opened_at is None or not here.turn:
        return False
    return here.opened_at.snapshot == position.snapshot


def _require_direction(here: State, there: State, leaving: Endpoint) -> None:
    if here.run != there.run:
        raise RefusedError(
            f"the two sides belong to different runs ({here.run}, {there.run})", where=leaving.address
        )
    if there.open or (not here.open and here.turn <= there.turn):
        raise RefusedError(
            f"changes do not come from {leaving.label} now: it is {here.state} (turn {here.turn}), the other "
            f"side {there.state} (turn {there.turn})",
            where=leaving.address,
            remedy="see the state of the move",
        )


async def catch_up(link: Link, seconds: float) -> int:
    """Apply until one delta took at most so many seconds; how many log lines in all.

    Raises WsdashError when changes come faster than they are applied, and what Link.apply raises.
    """
    total = 0
    for _ in range(ROUNDS):
        started = time.monotonic()
        total += await link.apply()
        if time.monotonic() - started <= seconds:
            return total
    raise WsdashError(
        f"changes come faster than they are applied: after {ROUNDS} rounds one still takes over "
        f"{seconds:.2f} s",
        where=f"{link.leaving.address} to {link.entering.address}",
        remedy="retry when less is written, or allow a longer write downtime",
    )
