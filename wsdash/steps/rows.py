"""Row counts of both sides, for the row-diff pane and for evidence."""

from __future__ import annotations

import asyncio

import asyncpg

from wsdash.config import DatabaseSettings, Settings
from wsdash.data.connect import Endpoint, connection
from wsdash.data.sql import ident
from wsdash.errors import UnreachableError
from wsdash.model import RowsReading
from wsdash.steps.base import endpoint

ROOTS = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  and not exists (select from pg_inherits i where i.inhrelid = c.oid)
order by c.relname
"""
QUERY_TIMEOUT = 30.0


async def count_table(side: Endpoint, schema: str, table: str) -> int:
    """Exact row count of one table, read through its root. Raises UnreachableError."""
    async with connection(side, read_only=True) as session:
        return await _count(session, schema, table)


async def count_rows(settings: Settings) -> list[RowsReading]:
    """Exact counts of every root table of both schemas, both sides at once.

    A side that cannot be read gives None for its tables. Raises UnreachableError when neither can.
    """
    source, target = await asyncio.gather(
        _side(settings.source), _side(settings.target), return_exceptions=True
    )
    for result in (source, target):
        if isinstance(result, BaseException) and not isinstance(result, UnreachableError):
            raise result
    if isinstance(source, BaseException) and isinstance(target, BaseException):
        raise source
    old = {} if isinstance(source, BaseException) else source
    new = {} if isinstance(target, BaseException) else target
    return [
        RowsReading(table=f"{settings.source.schema}.{name}", source=old.get(name), target=new.get(name))
        for name in sorted(old.keys() | new.keys())
    ]


async def _side(side: DatabaseSettings) -> dict[str, int]:
    try:
        async with connection(endpoint(side), read_only=True) as session:
            names = [record["relname"] for record in await session.fetch(ROOTS, side.schema, timeout=10)]
            return {name: await _count(session, side.schema, name) for name in names}
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnreachableError(f"{side.label} could not be counted: {error}", where=side.label) from error


async def _count(session: asyncpg.Connection, schema: str, table: str) -> int:
    query = f"select count(*) from {ident(schema, table)}"
    count: int = await session.fetchval(query, timeout=QUERY_TIMEOUT)
    return count
