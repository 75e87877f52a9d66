"""The content of a table as a number: every row in one canonical text form, hashed and summed on the server.

The rows of a table are divided into parts that both servers agree on, so that few have to be opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.limits import CHECKSUM_SECONDS, SAMPLE_SECONDS
from wsdash.data.pg.errors import described
from wsdash.data.pg.sql import column_list, ident, literal
from wsdash.data.tables.shape import Column, Side, Table

FENCE = "OFFSET '0'::bigint"
"""Ends a subquery whose values are to be made once, not once for each use. A bare 0 is cast and folded only
later in planning, so that it counts as a limit and keeps the parallel workers out of the hashing."""
_HALF = 1 << 64
_CHARS = {'"char"': "integer", '"char"[]': "integer[]"}
"""Types whose text form beyond ASCII changed in PostgreSQL 15, and what they are compared as."""
_SINGLE_BYTE = ("LATIN", "ISO_8859", "WIN", "KOI8")


@dataclass(frozen=True)
class TableChecksum:
    """How many rows, and 128 bits of hash sums as 32 hexadecimal digits (all zeros for no rows).

    The checksum of two disjoint sets of rows is the sum (+) of theirs.
    """

    rows: int
    checksum: str

    def __add__(self, other: TableChecksum) -> TableChecksum:
        """The checksum of both sets of rows together."""
        mine, theirs = _halves(self.checksum), _halves(other.checksum)
        return from_sums(self.rows + other.rows, mine[0] + theirs[0], mine[1] + theirs[1])


NO_ROWS = TableChecksum(0, "0" * 32)


@described("hashing rows")
async def checksum_table(
    conn: asyncpg.Connection,
    table: Table,
    *,
    columns: Sequence[Column] | None = None,
    where: str = "",
    side: Side = "source",
) -> TableChecksum:
    """Count and hash the rows of `table` (those that satisfy the SQL condition `where`), through its root.

    columns: the copied ones when None. side: whose session `conn` is (for mapped tables). Equal for
    equal content on PostgreSQL 14 to 18, whatever the order of rows and columns; `conn` must come from
    connect.py, whose session settings fix the text form of values. Raises WsdashError in the
    server's words, UnreachableError after CHECKSUM_SECONDS.
    """
    used = table.copied_columns if columns is None else columns
    return await _checksum(conn, _texts(conn, table, used, where, side))


@described("hashing rows")
async def checksum_rows(conn: asyncpg.Connection, columns: Sequence[Column], rows: str) -> TableChecksum:
    """As checksum_table, of the rows that the SELECT `rows` gives; columns: theirs. Raises the same."""
    return await _checksum(conn, f"SELECT {row_text(conn, columns)} AS r FROM ({rows}) AS these")


async def _checksum(conn: asyncpg.Connection, texts: str) -> TableChecksum:
    row = await conn.fetchrow(
        f"SELECT count(*) AS rows, sum(hashtextextended(r, 0)) AS a, sum(hashtextextended(r, 1)) AS b "
        f"FROM ({texts} {FENCE}) s",
        timeout=CHECKSUM_SECONDS,
    )
    if row is None:
        raise asyncpg.InterfaceError("a checksum query gave no row")
    return from_sums(row["rows"], int(row["a"] or 0), int(row["b"] or 0))


def row_source(table: Table, where: str = "") -> str:
    """The SELECT, through the table's root, of the columns that COPY fills, in the table's own order."""
    reading = table.reading("source")
    if reading is not None:
        return reading.select(where, [column.name for column in table.copied_columns])
    names = column_list([column.name for column in table.copied_columns])
    return f"SELECT {names} FROM {ident(table.schema, table.name)}" + (f" WHERE {where}" if where else "")


def row_text(conn: asyncpg.Connection, columns: Sequence[Column]) -> str:
    """The SQL expression of a row's canonical text over `columns`, whatever their order."""
    values = ", ".join(_value(column) for column in sorted(columns, key=lambda column: column.name))
    return text_form(conn, f"ROW({values})::text")


def cell_text(column: Column) -> str:
    """The SQL expression of one column's canonical text: as a row of that column alone, never NULL."""
    return f"ROW({_value(column)})::text"


def text_form(conn: asyncpg.Connection, expression: str) -> str:
    """The text `expression` with the same bytes on every server, whatever its database's encoding."""
    encoding = conn.get_settings().server_encoding
    if encoding.startswith(_SINGLE_BYTE):
        # the bytes of its UTF-8 form, taken as text of the server's own encoding
        expression = f"convert_from(convert_to({expression}, 'UTF8'), '{encoding}')"
    return f'({expression}) COLLATE "C"'


def from_sums(rows: int, first: int, second: int) -> TableChecksum:
    """The checksum of summed hashes (any integers)."""
    return TableChecksum(rows, f"{first % _HALF:016x}{second % _HALF:016x}")


def _texts(conn: asyncpg.Connection, table: Table, columns: Sequence[Column], where: str, side: Side) -> str:
    reading = table.reading(side)
    if reading is not None:
        return f"SELECT {row_text(conn, columns)} AS r FROM ({reading.select(where)}) AS mapped"
    condition = f" WHERE {where}" if where else ""
    return f"SELECT {row_text(conn, columns)} AS r FROM {ident(table.schema, table.name)}{condition}"


def _value(column: Column) -> str:
    as_number = "integer" if column.char else _CHARS.get(column.type)
    if as_number is not None:
        return f"{ident(column.name)}::{as_number}"
    return ident(column.name)


def _halves(checksum: str) -> tuple[int, int]:
    return int(checksum[:16], 16), int(checksum[16:], 16)


SMALL_ROWS = 20_000
"""A table of fewer rows is one part: reading it again costs less than dividing it."""
BORDERS = 256
FEWEST_BORDERS = 16
ROWS_PER_HASH = 128
MOST_HASHES = 1 << 12
BYTES_PER_ROW = 256
NULLS = -1
"""The number of the part without a value: a target may lack the NOT NULL."""

ORDERED = frozenset(
    {
        "smallint",
        "integer",
        "bigint",
        "uuid",
        "date",
        "timestamp with time zone",
        "timestamp without time zone",
    }
)
"""Types that every server orders alike."""
TEXTUAL = frozenset({"text", "character varying"})
"""Ordered alike by their bytes (COLLATE "C"), where both databases are in UTF-8."""


@dataclass(frozen=True)
class Parts:
    """The division of one table.

    column and borders: range `n` holds the values from border n - 1 up to border n, numbered from 0.
    count: without borders, how many parts by the row's hash (a power of two; 1: not divided).
    """

    count: int = 1
    column: Column | None = None
    borders: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """How many parts there are."""
        return len(self.borders) + 1 if self.column is not None else self.count

    def sums_query(
        self, conn: asyncpg.Connection, table: Table, columns: Sequence[Column], side: Side = "source"
    ) -> str:
        """The query of part, rows, and both sums of hashes, for every part that has rows."""
        row = row_text(conn, columns)
        inner = f"{row} AS r" + (f", {self._range()} AS part" if self.column is not None else "")
        part = "part" if self.column is not None else f"(hashtextextended(r, 0) & {self.count - 1})::integer"
        grouped = "" if self.number == 1 else " GROUP BY 1"
        return (
            f"SELECT {'0' if self.number == 1 else part} AS part, count(*) AS rows, "
            "sum(hashtextextended(r, 0)) AS a, sum(hashtextextended(r, 1)) AS b "
            f"FROM (SELECT {inner} FROM {table.rows_of(side)} {FENCE}) s{grouped}"
        )

    def condition(self, conn: asyncpg.Connection, columns: Sequence[Column], chosen: Iterable[int]) -> str:
        """The SQL condition of the rows of the chosen parts."""
        numbers = sorted(chosen)
        if self.number == 1:
            return "true"
        if self.column is None:
            listed = ", ".join(str(number) for number in numbers)
            return f"(hashtextextended({row_text(conn, columns)}, 0) & {self.count - 1}) IN ({listed})"
        return "(" + " OR ".join(self._between(number) for number in numbers) + ")"

    def _between(self, number: int) -> str:
        value, type_ = self._value()
        if number == NULLS:
            return f"{value} IS NULL"
        bounds = []
        if number > 0:
            bounds.append(f"{value} >= {literal(self.borders[number - 1])}::{type_}")
        if number < len(self.borders):
            bounds.append(f"{value} < {literal(self.borders[number])}::{type_}")
        return "(" + " AND ".join(bounds) + ")"

    def _range(self) -> str:
        value, type_ = self._value()
        listed = ", ".join(literal(border) for border in self.borders)
        return f"coalesce(width_bucket({value}, ARRAY[{listed}]::{type_}[]), {NULLS})"

    def _value(self) -> tuple[str, str]:
        """The SQL of the value that is compared with borders, and its type."""
        assert self.column is not None
        return _ordered_value(self.column)


def rows_guessed(table: Table) -> int:
    """About how many rows the table has, from the catalog's estimates of rows and size."""
    return table.rows or table.bytes // BYTES_PER_ROW


def range_column(table: Table, columns: Sequence[Column], target_types: dict[str, str]) -> Column | None:
    """The column by whose borders the table can be cut on both sides, or None."""
    first = next((c for c in columns if table.key and c.name == table.key[0]), None)
    if first is None or not first.not_null or _base(first.type) not in ORDERED | TEXTUAL:
        return None
    return first if _base(target_types.get(first.name, "")) == _base(first.type) else None


def by_hash(rows: int) -> Parts:
    """The division of a table of about `rows` rows by its rows' hashes."""
    if rows < SMALL_ROWS:
        return Parts()
    return Parts(count=min(MOST_HASHES, 1 << (rows // ROWS_PER_HASH).bit_length()))


def borders_fit(column: Column, *conns: asyncpg.Connection) -> bool:
    """Whether all these servers order the column's values alike."""
    encodings = {conn.get_settings().server_encoding for conn in conns}
    return _base(column.type) in ORDERED or encodings == {"UTF8"}


async def sample_borders(conn: asyncpg.Connection, table: Table, column: Column) -> tuple[str, ...]:
    """Values of `column` in order, one out of each of about BORDERS evenly spread blocks of a plain table.

    Empty when too few are found. Raises asyncpg.PostgresError and TimeoutError.
    """
    value, _ = _ordered_value(column)
    name = ident(table.schema, table.name)
    query = (
        f"SELECT s.v::text FROM (SELECT DISTINCT {value} AS v FROM {name} WHERE ctid = ANY (ARRAY("
        f"SELECT format('(%s,1)', block)::tid FROM (SELECT pg_relation_size({literal(name)}::regclass) "
        "/ current_setting('block_size')::integer AS blocks) size, "
        f"generate_series(0, blocks - 1, greatest(blocks / {BORDERS}, 1)) block))) s "
        "ORDER BY s.v"
    )
    rows = await conn.fetch(query, timeout=SAMPLE_SECONDS)
    return tuple(row[0] for row in rows) if len(rows) >= FEWEST_BORDERS else ()


def _ordered_value(column: Column) -> tuple[str, str]:
    base = _base(column.type)
    if base in TEXTUAL:
        return f'({ident(column.name)}::text COLLATE "C")', "text"
    return ident(column.name), base


def _base(type_: str) -> str:
    """The type without its length or precision."""
    return re.sub(r"\(\d+\)", "", type_)
