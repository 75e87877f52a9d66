"""What moves: two sides, the tables, and the run whose move it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wsdash.data.online.tracked import Tracked, track
from wsdash.data.pg.connect import Endpoint
from wsdash.data.tables.shape import Table


@dataclass(frozen=True)
class Move:
    """A schema's move from a source to a target, and back. tables: as the source's catalog has them."""

    run: str
    source: Endpoint
    target: Endpoint
    tables: tuple[Table, ...]

    @property
    def tracked(self) -> tuple[Tracked, ...]:
        """The tables under capture."""
        return track(self.tables)

    def other(self, side: Endpoint) -> Endpoint:
        """The side that is not this one."""
        return self.target if side == self.source else self.source

    def tables_of(self, side: Endpoint) -> Sequence[Table]:
        """The tables as that side has them: the target knows no chunks."""
        if side == self.source:
            return self.tables
        return [replace(table, hypertable="", chunks=()) for table in self.tables]
