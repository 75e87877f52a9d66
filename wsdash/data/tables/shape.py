"""The shape of a table as the data room sees it: what is read, in which order, by which key.

And how many rows it has without counting them, as far as a figure is right within a factor of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.errors import session_lives
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transactions import transaction

TUPLES_PER_PAGE = 291
"""As many rows as a page of 8 KB can hold: a line pointer and a header without columns."""
BATCH_ROWS = 1000
"""As many rows as TimescaleDB compresses into one tuple."""
UNBOUNDED = 1 << 62
GROWN = 1.5
"""By how much a table's size may differ from when it was analyzed."""

HEAP = """
c.reltuples::float8 AS tuples, c.relpages AS analyzed_pages,
CASE WHEN c.relkind = 'r' THEN coalesce(pg_relation_size(c.oid), 0) ELSE 0 END
  / current_setting('block_size')::bigint AS pages,
pg_stat_get_live_tuples(c.oid) AS live, pg_stat_get_mod_since_analyze(c.oid) AS modified,
coalesce(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) IS NOT NULL
  AS analyzed
"""
"""Columns of a query on pg_class c."""

COMPRESSED = """
SELECT h.table_name AS name, s.numrows_pre_compression AS rows,
       s.numrows_post_compression AS batches, z.reltuples::float8 AS tuples,
       pg_stat_get_tuples_inserted(z.oid) AS inserted, pg_stat_get_tuples_deleted(z.oid) AS deleted,
       pg_stat_get_mod_since_analyze(z.oid) AS modified,
       coalesce(pg_stat_get_last_analyze_time(z.oid), pg_stat_get_last_autoanalyze_time(z.oid)) IS NOT NULL
         AS analyzed
FROM _timescaledb_catalog.hypertable h
JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = h.id
JOIN _timescaledb_catalog.compression_chunk_size s ON s.chunk_id = c.id
JOIN _timescaledb_catalog.chunk i ON i.id = c.compressed_chunk_id
JOIN pg_catalog.pg_namespace n ON n.nspname = i.schema_name
JOIN pg_catalog.pg_class z ON z.relnamespace = n.oid AND z.relname = i.table_name
WHERE h.schema_name = $1
"""
"""The compressed relations of a schema's hypertables."""


@dataclass(frozen=True)
class Bounds:
    """At least low and at most high rows."""

    low: int
    high: int

    def __add__(self, other: Bounds) -> Bounds:
        """The bounds of both together."""
        return Bounds(self.low + other.low, self.high + other.high)

    @property
    def rows(self) -> int | None:
        """A figure that is right within a factor of two, or None."""
        if self.high == 0 or (self.low > 0 and self.high <= 3 * self.low):
            return (self.low + self.high) // 2
        return None


def total(parts: Iterable[Bounds]) -> Bounds:
    """The bounds of all parts together."""
    whole = Bounds(0, 0)
    for part in parts:
        whole += part
    return whole


def heap_bounds(row: Mapping[str, Any]) -> Bounds:
    """What is known of one relation with storage of its own; row: the columns of HEAP."""
    pages, tuples, live = row["pages"], int(row["tuples"]), row["live"] or 0
    if pages == 0:
        return Bounds(0, 0)
    unknown = Bounds(0, pages * TUPLES_PER_PAGE)
    then = row["analyzed_pages"]
    if tuples < 0 or then == 0 or not then / GROWN <= pages <= then * GROWN:
        return unknown
    modified = row["modified"] or 0
    if row["analyzed"] and modified <= tuples / 3:
        return Bounds(tuples - modified, tuples + modified)
    if tuples and tuples / GROWN <= live <= tuples * GROWN:
        # an index build counted, and so did the counters
        return Bounds(min(tuples, live), max(tuples, live))
    return unknown


async def read_compressed(conn: asyncpg.Connection, schema: str) -> list[Any] | None:
    """The rows of COMPRESSED; None when this server's catalog cannot be asked so. Inside a transaction."""
    try:
        async with transaction(conn):
            return list(await conn.fetch(COMPRESSED, schema, timeout=TIMEOUT))
    except asyncpg.PostgresError as error:
        if not session_lives(error):
            raise
        return None


def compressed_bounds(row: Mapping[str, Any]) -> Bounds:
    """What is known of the compressed part of one chunk; row: of COMPRESSED.

    Writing into a compressed chunk takes whole batches out, and a delete may do so without a mark in the
    chunk's status: the batches that are gone count as full ones.
    """
    rows, batches = row["rows"], row["batches"]
    if rows is None or batches is None:
        return Bounds(0, UNBOUNDED)
    inserted, deleted = row["inserted"] or 0, row["deleted"] or 0
    if inserted >= batches:
        # the counters saw the chunk being compressed; a recompression put further batches in
        gone, come = deleted, inserted - batches
    elif row["analyzed"] and not row["modified"] and row["tuples"] <= batches:
        gone, come = batches - int(row["tuples"]), 0
    else:
        return Bounds(0, UNBOUNDED)
    return Bounds(max(0, rows - gone * BATCH_ROWS), rows + come * BATCH_ROWS)


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
class PerRow:
    """Whether each row of a mapped table follows from one row of the source, and back.

    plain: (target's column, source's column) pairs whose values are the same, at most in a type that loses
    nothing. constant: the target's columns that no column of the source goes into. keyed: the target's key
    follows from the source's key. against: why a row does not follow from
    one row. one_way: why a row cannot be taken back; both in words, () where nothing speaks against it.
    """

    plain: tuple[tuple[str, str], ...] = ()
    constant: tuple[str, ...] = ()
    keyed: bool = False
    against: tuple[str, ...] = ()
    one_way: tuple[str, ...] = ()


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
    per_row: PerRow | None = None
    """None: not looked at yet (mapping/per_row.py)."""


@dataclass(frozen=True)
class Table:
    """A table whose rows are to be copied.

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
