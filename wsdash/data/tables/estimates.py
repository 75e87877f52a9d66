"""How many rows a table has, without counting them: as far as a figure is right within a factor of two.

A statistic alone is not trusted: reltuples is as old as the last ANALYZE, the counters begin anew after a
crash, and approximate_row_count takes each batch of compressed rows for a full one (TimescaleDB 2.23.0 said
5 105 178 for 50 011 rows). What they leave open is kept as bounds; bounds too far apart are no figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.errors import session_lives
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
