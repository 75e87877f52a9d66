"""What the tests of copy and verify share: a schema carried from one server to another, and read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import asyncpg

from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.copy.run import CopyRequest, CopyResult, copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.apply import ensure_schema
from wsdash.data.schema.ddl import post_data, pre_data, sequence_values
from wsdash.data.verify.checksum import TableChecksum, checksum_table
from wsdash.model import Progress


async def run_sql(endpoint: Endpoint, *commands: str) -> None:
    """Run commands, each in a transaction of its own."""
    async with connection(endpoint, read_only=False) as conn:
        for command in commands:
            await conn.execute(command, timeout=60)


async def catalog_of(endpoint: Endpoint, schema: str = "s") -> Catalog:
    """The schema as read_catalog sees it."""
    async with connection(endpoint, read_only=True) as conn:
        return await read_catalog(conn, schema)


async def prepare(source: Endpoint, target: Endpoint, schema: str = "s") -> Catalog:
    """The source's schema made in the target, without rows, indexes and constraints."""
    catalog = await catalog_of(source, schema)
    async with connection(target, read_only=False) as conn:
        await ensure_schema(conn, pre_data(catalog))
    return catalog


def request_of(
    source: Endpoint,
    target: Endpoint,
    catalog: Catalog,
    *,
    run: str = "run-1",
    workers: int = 4,
    force: bool = False,
    post: bool = True,
) -> CopyRequest:
    """A request for the whole catalog."""
    return CopyRequest(
        source=source,
        target=target,
        tables=catalog.tables,
        post=post_data(catalog) if post else (),
        sequences=lambda conn: sequence_values(conn, catalog),
        run=run,
        item="migrate-data",
        workers=workers,
        maintenance_work_mem="64MB",
        force=force,
    )


def ignore(_: Progress) -> None:
    """Nobody watches."""


async def carry(
    source: Endpoint,
    target: Endpoint,
    schema: str = "s",
    on_progress: Callable[[Progress], None] = ignore,
) -> tuple[Catalog, CopyResult]:
    """Prepare and copy."""
    catalog = await prepare(source, target, schema)
    return catalog, await copy_tables(request_of(source, target, catalog), on_progress)


async def checksums(endpoint: Endpoint, catalog: Catalog) -> dict[str, TableChecksum]:
    """The content of every table of `catalog` as `endpoint` has it."""
    async with connection(endpoint, read_only=True) as conn:
        return {table.name: await checksum_table(conn, table) for table in catalog.tables}


async def fetch(endpoint: Endpoint, query: str) -> Sequence[asyncpg.Record]:
    """Rows of a query."""
    async with connection(endpoint, read_only=True) as conn:
        return list(await conn.fetch(query, timeout=60))
