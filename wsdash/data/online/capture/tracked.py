"""The tables whose changes are captured, and the names of what captures them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.pg.sql import ident
from wsdash.data.tables.shape import Column, Table

FENCE = 0x777364617368
"""The advisory lock of a database: writers try it in shared mode, who fences takes it exclusively."""
STATE = f"{SCHEMA}.online"
"""The relation with the one row that holds this side's state."""
SEAL = f"{SCHEMA}.online_seal"
TABLES = f"{SCHEMA}.online_tables"
APPLIED = f"{SCHEMA}.online_applied"
"""Our own transactions that wrote into a closed side."""
GATE = f"{SCHEMA}.online_gate"
APPLYING = "wsdash.applying"
"""A setting that marks our own session in replica role."""


def log_of(number: int) -> str:
    """The relation with the keys of a table's changed rows; number: the table's."""
    return f"{SCHEMA}.online_changes_{number}"


def key_names(columns: int) -> tuple[str, ...]:
    """What the columns of a key of so many are called in the log: k1, k2 ..."""
    return tuple(f"k{place}" for place in range(1, columns + 1))


@dataclass(frozen=True)
class Tracked:
    """A table under capture. number: counts from 1, the same on both sides."""

    number: int
    table: Table

    @property
    def relation(self) -> str:
        """Its quoted, qualified name."""
        return ident(self.table.schema, self.table.name)

    @property
    def log(self) -> str:
        """The relation with the keys of its changed rows."""
        return log_of(self.number)

    @property
    def function(self) -> str:
        """The trigger function that writes the log."""
        return f"{SCHEMA}.online_log_{self.number}"

    @property
    def stage(self) -> str:
        """The temporary table with the keys that a delta touches."""
        return f"wsdash_keys_{self.number}"

    @property
    def keyless(self) -> bool:
        """Whether its rows have no key: any change means all of it."""
        return not self.table.key

    @property
    def key(self) -> tuple[Column, ...]:
        """The key's columns in the key's order."""
        by_name = {column.name: column for column in self.table.columns}
        return tuple(by_name[name] for name in self.table.key)

    @property
    def key_names(self) -> tuple[str, ...]:
        """What the key's columns are called in the log: k1, k2 ..."""
        return key_names(len(self.table.key))

    @property
    def match(self) -> str:
        """The condition that a row t has the key k."""
        pairs = zip(self.table.key, self.key_names, strict=True)
        return " AND ".join(f"t.{ident(name)} = k.{place}" for name, place in pairs)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that travel."""
        return tuple(column.name for column in self.table.copied_columns)


def track(tables: Sequence[Table]) -> tuple[Tracked, ...]:
    """Number the tables by their names, so that both sides and every process number them alike."""
    ordered = sorted(tables, key=lambda table: (table.schema, table.name))
    return tuple(Tracked(number, table) for number, table in enumerate(ordered, start=1))
