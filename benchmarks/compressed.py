"""Copying out of compressed chunks of a real TimescaleDB, beside psql doing the same SELECT into COPY.

python -m benchmarks.compressed --rows 200000 --runs 3 --json FILE

A PostgreSQL that offers TimescaleDB must be here (WSDASH_TIMESCALEDB names it, as for the tests). Rows only,
both hypertables, no index in the target; all but the newest two chunks of each are compressed, none partial.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.servers import PASSWORD, PASSWORD_ENV, running_server
from tests.support.timescaledb import SKIPPED, make_field_schema, timescaledb_server
from wsdash.data.copy.run import CopyRequest, copy_tables
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.sql import column_list, ident
from wsdash.data.snapshot.chunk_states import KIND
from wsdash.data.verify.checksum import row_source
from wsdash.demo.world.postgres import programs

if __package__:
    from benchmarks import database_pair
else:
    import database_pair


async def wsdash_rows(source: Endpoint, target: Endpoint, workers: int) -> float:
    """wsdash: until the hypertables' rows are there. Returns the seconds after that."""
    catalog = await database_pair.prepared(source, target)
    request = CopyRequest(
        source=source,
        target=target,
        tables=[table for table in catalog.tables if table.hypertable == KIND],
        post=(),
        sequences=(),
        run="benchmark",
        item="migrate-data",
        workers=workers,
    )
    result = await copy_tables(request, lambda _: None)
    print(f"  {result.rows / result.load_seconds:,.0f} rows/s; {result.chunks}")
    return result.build_seconds


async def psql_rows(source: Endpoint, target: Endpoint) -> None:
    """psql: COPY (SELECT columns FROM hypertable) TO STDOUT, binary, piped into psql's COPY FROM STDIN."""
    catalog = await database_pair.prepared(source, target)
    psql = programs(18) / "psql"
    for table in catalog.tables:
        if table.hypertable != KIND:
            continue
        columns = column_list([column.name for column in table.copied_columns])
        into = f"COPY {ident(table.schema, table.name)} ({columns}) FROM STDIN (FORMAT binary)"
        command = (
            f"{psql} -X -q -c 'COPY ({row_source(table)}) TO STDOUT (FORMAT binary)' | "
            f"PGPORT={target.port} PGDATABASE={target.database} {psql} -X -q -c '{into}'"
        )
        await database_pair.shell(command, database_pair.environment(source))


async def main() -> None:
    """Every method in turn, round after round, so that all meet the same machine."""
    options = database_pair.arguments(__doc__ or "")
    report = database_pair.Report()
    os.environ[PASSWORD_ENV] = os.environ[database_pair.PASSWORD_ENV] = PASSWORD
    with TemporaryDirectory(prefix="wsdash-bench-") as name:
        os.chmod(name, 0o755)  # noqa: S103
        directory = Path(name)
        with timescaledb_server(directory) as old, running_server(18, directory) as new:
            if old is None:
                raise SystemExit(SKIPPED)
            source, target = await old.fresh_database(), new.endpoint()
            await make_field_schema(source, items=options.rows, late_updates=False, aggregate=False)
            methods = {
                "psql SELECT into COPY": psql_rows,
                "wsdash rows only, 1 worker": partial(wsdash_rows, workers=1),
                f"wsdash rows only, {options.workers} workers": partial(wsdash_rows, workers=options.workers),
            }
            for run in range(options.runs):
                for number, (label, method) in enumerate(methods.items()):
                    fresh = await database_pair.fresh_target(target, f"{run}_{number}")
                    await report.time(label, lambda method=method, fresh=fresh: method(source, fresh))
    for label in methods:
        seconds = report.median(label)
        if seconds:
            print(f"{label:<34} {2 * options.rows / seconds:12,.0f} rows/s")
    report.ratio(
        "compressed_copy_vs_psql", f"wsdash rows only, {options.workers} workers", "psql SELECT into COPY"
    )
    report.write(options.json)


if __name__ == "__main__":
    asyncio.run(main())
