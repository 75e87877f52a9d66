"""Copying rows, indexes and constraints against PostgreSQL's own tools, on two servers out of the wheel.

python benchmarks/copy.py --rows 2000000 --runs 5 --json FILE
"""

import sys

if __name__ == "copy":
    # a script in this directory asked for the standard library's module of this name: stand aside
    import importlib

    _here = sys.path.pop(0)
    del sys.modules["copy"]
    importlib.import_module("copy")
    sys.path.insert(0, _here)
else:
    import asyncio
    import json
    import os
    import shutil
    from collections import deque
    from dataclasses import asdict
    from functools import partial
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import database_pair
    import psutil

    from wsdash.data.copy.run import CopyRequest, CopyResult, copy_tables
    from wsdash.data.pg.connect import Endpoint, connection
    from wsdash.data.schema.ddl import post_data, sequence_values
    from wsdash.data.tables.shape import Table
    from wsdash.demo.world.postgres import programs

BLOCK = 8192


async def wsdash_copy(source: "Endpoint", target: "Endpoint", workers: int) -> None:
    """wsdash: schema, rows, and all that follows them."""
    await _wsdash_copy(source, target, workers, everything=True)


async def wsdash_rows(source: "Endpoint", target: "Endpoint", workers: int) -> float:
    """wsdash: until the rows are on the target's disk. Returns the seconds after that (ANALYZE)."""
    return (await _wsdash_copy(source, target, workers, everything=False)).build_seconds


async def _wsdash_copy(
    source: "Endpoint", target: "Endpoint", workers: int, *, everything: bool
) -> "CopyResult":
    catalog = await database_pair.prepared(source, target)
    request = CopyRequest(
        source=source,
        target=target,
        tables=catalog.tables,
        post=post_data(catalog) if everything else (),
        sequences=(lambda conn: sequence_values(conn, catalog)) if everything else (),
        run="benchmark",
        item="migrate-data",
        workers=workers,
    )
    return await copy_tables(request, lambda _: None)


async def hand_made_pipe(source: "Endpoint", target: "Endpoint", workers: int) -> None:
    """The best that a few lines can do: binary COPY into COPY, a share of every table's blocks each."""
    catalog = await database_pair.prepared(source, target)

    async def share(number: int) -> None:
        async with (
            connection(source, read_only=True) as old,
            connection(target, read_only=False) as new,
        ):
            for table in catalog.tables:
                await _carry(old, new, table, number)

    async def _carry(old: object, new: object, table: "Table", number: int) -> None:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(64)
        names = [column.name for column in table.copied_columns]
        name = f'"{table.schema}"."{table.name}"'
        blocks = await old.fetchval(f"SELECT pg_relation_size('{name}') / {BLOCK}") + 1
        low, high = (f"'({blocks * place // workers},0)'" for place in (number, number + 1))
        above = "true" if number == workers - 1 else f"ctid < {high}"
        columns = ", ".join(f'"{column}"' for column in names)

        async def rows():
            while (data := await queue.get()) is not None:
                yield data

        async def read() -> None:
            query = f"SELECT {columns} FROM {name} WHERE ctid >= {low} AND {above}"
            await old.copy_from_query(query, output=queue.put, format="binary")
            await queue.put(None)

        reading = asyncio.create_task(read())
        await new.copy_to_table(
            table.name, schema_name=table.schema, columns=names, source=rows(), format="binary"
        )
        await reading

    await asyncio.gather(*(share(number) for number in range(workers)))


async def dump_custom(source: "Endpoint", target: "Endpoint") -> None:
    """pg_dump -Fc | pg_restore."""
    dump, restore = programs(18) / "pg_dump", programs(18) / "pg_restore"
    command = f"{dump} -Fc -n {database_pair.SCHEMA} | PGPORT={target.port} {restore} -d {target.database}"
    await database_pair.shell(command, database_pair.environment(source))


async def dump_directory(source: "Endpoint", target: "Endpoint", workers: int) -> None:
    """pg_dump -Fd -Z0 -jN, then pg_restore -jN."""
    dump, restore = programs(18) / "pg_dump", programs(18) / "pg_restore"
    with TemporaryDirectory(prefix="wsdash-bench-dump-") as directory:
        where = Path(directory) / "dump"
        command = f"{dump} -Fd -Z0 -j{workers} -n {database_pair.SCHEMA} -f {where}"
        await database_pair.shell(command, database_pair.environment(source))
        command = f"{restore} -j{workers} -d {target.database} {where}"
        await database_pair.shell(command, database_pair.environment(target))


async def pgcopydb(source: "Endpoint", target: "Endpoint", workers: int) -> None:
    """pgcopydb clone, where it is installed."""
    uri = "postgres://{0.user}:bench@{0.host}:{0.port}/{0.database}"
    with TemporaryDirectory(prefix="wsdash-bench-pgcopydb-") as directory:
        log = f"{directory}/log"
        command = (
            f"PATH={programs(18)}:$PATH "  # its pg_dump must know both servers
            f"pgcopydb clone --dir {directory}/w --table-jobs {workers} --index-jobs {workers} "
            f"--source '{uri.format(source)}' --target '{uri.format(target)}' >{log} 2>&1 "
            f"|| {{ tail -5 {log} >&2; false; }}"
        )
        await database_pair.shell(command, database_pair.environment(source))


async def alone(source: "Endpoint", target: "Endpoint", workers: int) -> dict[str, float]:
    """wsdash's copy in a process of its own: its peak memory (bytes) and CPU (seconds)."""
    ends = json.dumps([asdict(source), asdict(target), workers])
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--alone", ends, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    told, _ = await process.communicate()
    if process.returncode != 0:
        raise SystemExit("the copy in a process of its own failed")
    return json.loads(told)


def be_alone(ends: str) -> None:
    """What the process that alone() starts does."""
    source, target, workers = json.loads(ends)
    asyncio.run(wsdash_copy(Endpoint(**source), Endpoint(**target), workers))
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    spent = psutil.Process().cpu_times()
    print(json.dumps({"peak_rss_bytes": peak, "cpu_seconds": spent.user + spent.system}))


async def main() -> None:
    """Every method in turn, round after round, each round begun by the next one: all meet the same machine,
    and what the one before left to its server."""
    options = database_pair.arguments(__doc__)
    report = database_pair.Report()
    async with database_pair.servers(options.rows) as (source, target):
        methods = {
            "wsdash copy": partial(wsdash_copy, workers=options.workers),
            "wsdash rows only": partial(wsdash_rows, workers=options.workers),
            "hand-made binary pipe, rows only": partial(hand_made_pipe, workers=options.workers),
            "pg_dump -Fc | pg_restore": dump_custom,
            f"pg_dump -Fd -Z0, pg_restore, -j{options.workers}": partial(
                dump_directory, workers=options.workers
            ),
        }
        if shutil.which("pgcopydb"):
            methods["pgcopydb clone"] = partial(pgcopydb, workers=options.workers)
        for run in range(options.runs):
            turns = deque(enumerate(methods.items()))
            turns.rotate(-run)
            for number, (name, method) in turns:
                fresh = await database_pair.fresh_target(target, f"{run}_{number}")
                await report.time(name, lambda method=method, fresh=fresh: method(source, fresh))
        own = await alone(source, await database_pair.fresh_target(target, "alone"), options.workers)
        report.memory["wsdash_copy_peak_rss_bytes"] = own["peak_rss_bytes"]
    report.ratio("copy_vs_pg_dump_fc", "wsdash copy", "pg_dump -Fc | pg_restore")
    report.ratio("copy_vs_pgcopydb", "wsdash copy", "pgcopydb clone")
    directory_format = f"pg_dump -Fd -Z0, pg_restore, -j{options.workers}"
    report.ratio("copy_vs_pg_dump_fd", "wsdash copy", directory_format)
    report.ratio("copy_rows_vs_pipe", "wsdash rows only", "hand-made binary pipe, rows only")
    report.write(options.json)
    print(f"wsdash copy in a process of its own: {own['cpu_seconds']:.2f} s of CPU, interpreter included,")
    print(f"peak memory {own['peak_rss_bytes'] / 1e6:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        be_alone(sys.argv[2])
    else:
        asyncio.run(main())
