"""The shape of a table as the data room sees it: what is read, in which order, by which key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from wsdash.data.pg.quoting import ident
from wsdash.data.tables.estimates import Bounds

Side = Literal["source", "target"]


@dataclass(frozen=True)
class Column:
    """One live column. type is the full SQL type as format_type prints it, schema-qualified where needed."""

    name: str
    type: str
    not_null: bool = False
    default: str | None = None
    """The default's expression, or the generating one of a generated column."""
    generated: str = ""
    """'' or 's' (stored) or 'v' (virtual): never copied, recomputed by the target."""
    identity: str = ""
    """'' or 'a' (always) or 'd' (by default)."""
    collation: str = ""
    """SQL-ready and schema-qualified; '' where it is the type's own."""
    comment: str = ""
    options: dict[str, str] = field(default_factory=dict)
    """storage, compression, statistics and the attribute's own options, where they are not the default."""
    char: bool = field(default=False, compare=False)
    """It is of the type "char", or of a domain over it."""
    not_null_name: str = ""
    """The name of the NOT NULL constraint where somebody gave it one (PostgreSQL 18 and later)."""


@dataclass(frozen=True)
class Reading:
    """How one side's rows of a mapped table are read: SELECT columns FROM rows WHERE where.

    columns: each of the table's columns with its SQL expression. rows: what follows FROM.
    """

    columns: tuple[tuple[str, str], ...]
    rows: str
    where: str = ""
    distinct: bool = False

    def select(self, condition: str = "", names: Sequence[str] | None = None) -> str:
        """The SELECT of these columns (None: all) of the rows that also satisfy a condition on `rows`."""
        expressions = dict(self.columns)
        wanted = expressions if names is None else names
        columns = ", ".join(f"{expressions[name]} AS {ident(name)}" for name in wanted)
        conditions = " AND ".join(f"({one}\n)" for one in (self.where, condition) if one)
        distinct = "DISTINCT " if self.distinct else ""
        return f"SELECT {distinct}{columns} FROM {self.rows}" + (f" WHERE {conditions}" if conditions else "")


@dataclass(frozen=True)
class Lookup:
    """A column whose value in the target is found by its old one. keys: the quoted, qualified key map."""

    column: str
    keys: str
    old_type: str


@dataclass(frozen=True)
class Mapped:
    """How a table of the target is made of the source's rows.

    Both readings give the same values for the same row: where a key was assigned anew, the target's reading
    gives the old one, found in the key map. origin: the source's table, by whose chunks and size the rows are
    divided; None where they cannot be (constants, distinct values).
    """

    source: Reading
    target: Reading | None = None
    origin: Table | None = None
    locked: tuple[Table, ...] = ()
    """The source's tables that the rows come from."""
    lookups: tuple[Lookup, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table whose rows are to be carried.

    chunks: the relations that hold the rows (the hypertable's chunks, the partitions), quoted and qualified,
    ready for SQL; empty for a plain table.
    key: the primary key, else the first usable unique index, else ().
    rows: an estimate, right within a factor of two, or None (estimates.py). bytes: summed over the chunks.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    hypertable: str = ""
    """'' for a plain table, else 'timescaledb', 'partitions' or 'inheritance'."""
    chunks: tuple[str, ...] = ()
    time_column: str = ""
    rows: int | None = 0
    bytes: int = 0
    comment: str = ""
    options: dict[str, str] = field(default_factory=dict)
    unlogged: bool = False
    bounds: Bounds = field(default=Bounds(0, 0), repr=False, compare=False)
    """What rows was made of."""
    mapped: Mapped | None = field(default=None, repr=False)
    """None: both sides have the table under this name. Else name and columns are the target's."""
    keep_seed_rows: bool = field(default=False, compare=False)
    """The rows that the target's schema file inserted stay beside those that are copied."""

    def reading(self, side: Side) -> Reading | None:
        """How that side's rows are read, where it is not simply from the table of this name."""
        if self.mapped is None:
            return None
        return self.mapped.source if side == "source" else self.mapped.target

    def rows_of(self, side: Side) -> str:
        """What follows FROM to read this table's columns on that side."""
        reading = self.reading(side)
        return ident(self.schema, self.name) if reading is None else f"({reading.select()}) AS mapped"

    @property
    def divided_by(self) -> Table | None:
        """The source's table whose blocks or chunks divide the rows; None where they are one part."""
        return self if self.mapped is None else self.mapped.origin

    @property
    def qualified(self) -> str:
        """schema.table for people and reports (unquoted)."""
        return f"{self.schema}.{self.name}"

    @property
    def copied_columns(self) -> tuple[Column, ...]:
        """The columns that travel: all but the generated ones."""
        return tuple(column for column in self.columns if not column.generated)


def source_tables(tables: Sequence[Table]) -> list[Table]:
    """The source's tables that these tables' rows come from, each once."""
    found: dict[str, Table] = {}
    for table in tables:
        for one in (table,) if table.mapped is None else table.mapped.locked:
            found.setdefault(one.qualified, one)
    return list(found.values())
