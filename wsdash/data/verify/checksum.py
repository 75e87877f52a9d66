"""The content of a table as a number: every row in one canonical text form, hashed and summed on the server.

The text form of a row is ROW(columns in the order of their names)::text under the fixed session settings: it
depends on no type oid, no column order and no dropped column, and its quoting is unambiguous. Two independent
64-bit hashes of it are summed, so that the order of rows does not matter and changes do not cancel out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.limits import CHECKSUM_SECONDS
from wsdash.data.pg.errors import described
from wsdash.data.pg.quoting import column_list, ident
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
    """The SELECT, through the table's root, of the columns that COPY carries, in the table's own order."""
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
