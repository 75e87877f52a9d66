"""Reading the catalog while other sessions drop what is read: a definition that is gone is no text."""

from __future__ import annotations

from typing import Any

import asyncpg

from wsdash.data.limits import TIMEOUT

DROPPED_MEANWHILE = (asyncpg.InternalServerError, asyncpg.UndefinedTableError, asyncpg.UndefinedObjectError)
"""What functions like pg_get_indexdef say of an object that the snapshot still sees and another session has
dropped ("cache lookup failed for index"): compressing a chunk drops its indexes."""
DEFINITIONS = ("definition", "tail")
"""Columns of our queries that hold what such a function says; some of them say NULL instead."""


async def fetch_defined(conn: asyncpg.Connection, query: str, *arguments: object) -> list[Any]:
    """The rows of a query of definitions, none of which is NULL.

    Raises one of DROPPED_MEANWHILE when an object was dropped while it was read, else what the driver raises.
    """
    rows: list[Any] = await conn.fetch(query, *arguments, timeout=TIMEOUT)
    for row in rows:
        if any(row[name] is None for name in DEFINITIONS if name in row.keys()):  # noqa: SIM118 - a record
            raise asyncpg.UndefinedObjectError(
                f"{row.get('name', 'an object')} was dropped while it was read"
            )
    return rows
