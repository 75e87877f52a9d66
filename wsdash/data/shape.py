"""The shape of a table as the data room sees it: what is read, in which order, by which key."""

from __future__ import annotations

from dataclasses import dataclass, field


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


@dataclass(frozen=True)
class Table:
    """A table whose rows are to be carried.

    chunks: the relations that hold the rows (the hypertable's chunks, the partitions), quoted and qualified,
    ready for SQL; empty for a plain table.
    key: the primary key, else the first usable unique index, else ().
    rows and bytes: estimates, summed over the chunks.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    hypertable: str = ""
    """'' for a plain table, else 'timescaledb', 'partitions' or 'inheritance'."""
    chunks: tuple[str, ...] = ()
    time_column: str = ""
    rows: int = 0
    bytes: int = 0
    comment: str = ""
    options: dict[str, str] = field(default_factory=dict)
    unlogged: bool = False

    @property
    def qualified(self) -> str:
        """schema.table for people and reports (unquoted)."""
        return f"{self.schema}.{self.name}"

    @property
    def copied_columns(self) -> tuple[Column, ...]:
        """The columns that travel: all but the generated ones."""
        return tuple(column for column in self.columns if not column.generated)
