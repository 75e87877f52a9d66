"""What moves: two sides, the tables, and the run whose move it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wsdash.data.online.capture.tracked import Tracked, track
from wsdash.data.online.delta.routes import Route, against, back, forward, same
from wsdash.data.pg.connect import Endpoint
from wsdash.data.tables.shape import Table
from wsdash.errors import RefusedError


@dataclass(frozen=True)
class Move:
    """A schema's move from a source to a target, and back. tables: as copy and verify take them; mapped ones
    must have been examined (mapping/per_row.py)."""

    run: str
    source: Endpoint
    target: Endpoint
    tables: tuple[Table, ...]

    @property
    def tracked(self) -> tuple[Tracked, ...]:
        """The source's tables under capture."""
        return self.tracked_on(self.source)

    def tracked_on(self, side: Endpoint) -> tuple[Tracked, ...]:
        """The tables under capture on that side, each once."""
        found = [here if side == self.source else there for here, there, _ in self.pairs]
        return tuple({one.number: one for one in found}.values())

    @property
    def pairs(self) -> tuple[tuple[Tracked, Tracked, Table], ...]:
        """For each table that changes: the source's, the target's, and how the one becomes the other.

        A table of the source that fills several has the number of the first of them.
        """
        first: dict[str, Tracked] = {}
        pairs = []
        for one in track([table for table in self.tables if _changes(table)]):
            table = one.table
            if table.mapped is None:
                here, there = one, one
            else:
                origin = table.mapped.origin or table.mapped.locked[0]
                here = replace(one, table=origin)
                there = replace(one, table=replace(table, mapped=None, hypertable="", chunks=()))
            pairs.append((first.setdefault(here.table.qualified, here), there, table))
        return tuple(pairs)

    def routes(self, leaving: Endpoint) -> tuple[Route, ...]:
        """How the rows of the side that is left come to the other one; () on a way back that is none.

        Raises RefusedError for a mapping that changes cannot be applied through.
        """
        if leaving != self.source and self.one_way:
            return ()
        found = []
        for here, there, table in self.pairs:
            if table.mapped is None:
                found.append(same(here))
            elif reasons := against(table.mapped):
                raise RefusedError(
                    f"{table.qualified}: changes cannot be applied through its mapping: {'; '.join(reasons)}",
                    where=self.target.address,
                    remedy="correct the mapping, or move with --mode offline",
                )
            else:
                found.append((forward if leaving == self.source else back)(here, there, table))
        return tuple(found)

    @property
    def one_way(self) -> tuple[str, ...]:
        """Why what users write to the target could not be taken back, table by table; () where it can be."""
        return tuple(
            f"{table.qualified}: {'; '.join(table.mapped.per_row.one_way)}"
            for table in self.tables
            if table.mapped is not None and table.mapped.per_row is not None and table.mapped.per_row.one_way
        )

    @property
    def lossy(self) -> frozenset[int]:
        """Numbers of the source's tables whose rows in the target hold more than what is taken back: after a
        way back they must be compared, and taken whole where they differ."""
        mapped = frozenset(here.number for here, _, table in self.pairs if table.mapped is not None)
        return frozenset(here.number for here, _, _ in self.pairs) if self.one_way else mapped

    def other(self, side: Endpoint) -> Endpoint:
        """The side that is not this one."""
        return self.target if side == self.source else self.source

    def compared(self, leaving: Endpoint) -> Sequence[Table]:
        """What is compared while that side is left: mapped tables only when it is the source."""
        return self.tables if leaving == self.source else self.relations(leaving)

    def relations(self, side: Endpoint) -> Sequence[Table]:
        """The tables under capture as that side has them; the target knows no chunks."""
        tables = [one.table for one in self.tracked_on(side)]
        if side == self.source:
            return tables
        return [replace(table, hypertable="", chunks=()) for table in tables]


def require_way_back(move: Move) -> None:
    """Raise RefusedError where what users wrote to the target cannot be taken back."""
    if move.one_way:
        raise RefusedError(
            "the mapping cannot be taken back, so what users wrote to the new database since the switch "
            f"would be lost: {'; '.join(move.one_way)}",
            where=move.target.address,
            remedy="go on with the new database (wsdash migrate --abandon-rollback), or give these writes "
            "up: wsdash rollback --give-up-writes (R on the screen) opens the old database as it was at the "
            "switch, and keeps the new one's rows in a file",
        )


def _changes(table: Table) -> bool:
    """Whether rows of the source go into it; constant rows stay as the copy wrote them."""
    return table.mapped is None or bool(table.mapped.locked)
