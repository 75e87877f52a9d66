"""Proving two databases equal, and finding three changed rows, on two servers out of the wheel.

python benchmarks/verify.py --rows 2000000 --runs 5 --json FILE
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import database_pair
import reladiff_client

from wsdash.data.catalog.read import Catalog
from wsdash.data.copy.run import CopyRequest, copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.ddl import post_data, sequence_values
from wsdash.data.verify.run import verify_tables

ITEMS = "workspace.workspace_items"


async def copied(source: Endpoint, target: Endpoint, workers: int) -> Catalog:
    """An equal target, indexes and all."""
    catalog = await database_pair.prepared(source, target)
    request = CopyRequest(
        source=source,
        target=target,
        tables=catalog.tables,
        post=post_data(catalog),
        sequences=lambda conn: sequence_values(conn, catalog),
        run="benchmark",
        item="migrate-data",
        workers=workers,
    )
    await copy_tables(request, lambda _: None)
    return catalog


async def wsdash_verify(
    source: Endpoint, target: Endpoint, catalog: Catalog, workers: int, differing: int
) -> None:
    """wsdash; it must say what is true."""
    results = await verify_tables(source, target, catalog.tables, on_table=lambda _: None, workers=workers)
    lines = [line for result in results for line in result.differences]
    if len(lines) != differing or all(result.match for result in results) != (differing == 0):
        raise SystemExit(f"{len(lines)} differences found, not {differing}: {lines}")


async def single_pass(source: Endpoint, target: Endpoint, catalog: Catalog, workers: int) -> None:
    """The plainest query that hashes every row once, on both servers at once."""

    async def side(end: Endpoint) -> None:
        async with connection(end, read_only=True) as conn:
            await conn.execute(f"SET max_parallel_workers_per_gather = {workers}")
            for table in catalog.tables:
                query = f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {table.qualified} t"
                await conn.fetchrow(query, timeout=database_pair.LONG)

    await asyncio.gather(side(source), side(target))


async def reladiff(
    source: Endpoint, target: Endpoint, catalog: Catalog, workers: int, differing: int, pool: Executor
) -> None:
    """reladiff over the items alone, all columns; it must say what is true."""
    uris = tuple(f"postgresql://{e.user}:bench@{e.host}:{e.port}/{e.database}" for e in (source, target))
    schema, _, name = ITEMS.partition(".")
    items = next(table for table in catalog.tables if table.qualified == ITEMS)
    columns = tuple(c.name for c in items.copied_columns if c.name not in reladiff_client.KEY)
    found = await asyncio.get_running_loop().run_in_executor(
        pool, reladiff_client.difference, uris, (schema, name), columns, workers
    )
    if found != 2 * differing:
        raise SystemExit(f"reladiff found {found} rows, not {2 * differing}")


async def main() -> None:
    """Equal first, then with three changed rows."""
    options = database_pair.arguments(__doc__ or "")
    report = database_pair.Report()
    with reladiff_client.process() as pool:
        installed = await asyncio.get_running_loop().run_in_executor(pool, reladiff_client.load)
        async with database_pair.servers(options.rows) as (source, empty):
            target = await database_pair.fresh_target(empty, "verify")
            catalog = await copied(source, target, options.workers)
            ends = partial(_both, source, target, catalog=catalog, workers=options.workers)
            for changed in (0, 3):
                if changed:
                    await _change_three(target)
                state = "three changed" if changed else "equal"
                for _ in range(options.runs):
                    _reset_peak()
                    await report.time(f"wsdash verify, {state}", ends(wsdash_verify, differing=changed))
                    print(f"peak memory of this process {_peak() / 1e6:.0f} MB")
                    if not changed:
                        await report.time("single-pass hash query", ends(single_pass))
                    if installed:
                        work = ends(reladiff, differing=changed, pool=pool)
                        await report.time(f"reladiff, {state}", work)
    report.ratio("verify_vs_single_pass", "wsdash verify, equal", "single-pass hash query")
    report.ratio("verify_vs_reladiff_equal", "wsdash verify, equal", "reladiff, equal")
    report.ratio(
        "verify_vs_reladiff_three_changed", "wsdash verify, three changed", "reladiff, three changed"
    )
    report.write(options.json)


def _both(source: Endpoint, target: Endpoint, work: object, **options: object) -> object:
    return partial(work, source, target, **options)  # type: ignore[operator]


async def _change_three(target: Endpoint) -> None:
    async with connection(target, read_only=False) as conn:
        await conn.execute("ALTER TABLE workspace.workspace_items DISABLE TRIGGER USER")
        await conn.execute(
            f"UPDATE {ITEMS} SET title = title || '!' WHERE ctid IN "
            f"(SELECT ctid FROM {ITEMS} ORDER BY id LIMIT 3)",
            timeout=database_pair.LONG,
        )
        await conn.execute("ALTER TABLE workspace.workspace_items ENABLE TRIGGER USER")
        await conn.execute(f"VACUUM {ITEMS}", timeout=database_pair.LONG)


def _reset_peak() -> None:
    """Linux: the peak begins again at what is held now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _peak() -> int:
    """The most memory held since, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    asyncio.run(main())
