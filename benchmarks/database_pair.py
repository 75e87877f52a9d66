"""What the benchmarks of copy and verify share: two servers out of the wheel, the rows, and the report."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from wsdash.data.catalog.read import Catalog, read_catalog
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.apply import ensure_schema
from wsdash.data.schema.ddl import pre_data
from wsdash.demo.world import postgres
from wsdash.demo.world.schema import after_rows, before_rows, load_items

SCHEMA = "workspace"
USER = "bench"
PASSWORD_ENV = "WSDASH_BENCH_PASSWORD"  # noqa: S105
GENERATED = 10_000
LONG = 7200.0


@dataclass
class Report:
    """Wall times by name, as the benchmarks' JSON has them."""

    runs: dict[str, list[float]] = field(default_factory=dict)
    ratios: dict[str, float | None] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    """Peaks by name, in bytes."""

    async def time(self, name: str, work: Callable[[], Awaitable[float | None]]) -> None:
        """Measure one run of `work`, less the seconds that it returns: a part that is not to be counted."""
        started = time.perf_counter()
        beside = await work()
        seconds = time.perf_counter() - started - (beside or 0.0)
        self.runs.setdefault(name, []).append(seconds)
        print(f"{name:<34} {seconds:8.2f} s", flush=True)

    def median(self, name: str) -> float | None:
        """The median of what was measured under that name, or None."""
        return statistics.median(self.runs[name]) if name in self.runs else None

    def ratio(self, name: str, mine: str, other: str) -> None:
        """Note mine / other; None where either was not measured."""
        a, b = self.median(mine), self.median(other)
        self.ratios[name] = round(a / b, 3) if a is not None and b else None

    def write(self, path: Path | None) -> None:
        """Print the medians and ratios; write the whole as JSON."""
        machine = {
            "cores": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "python": platform.python_version(),
            "kernel": platform.release(),
        }
        results = [
            {"name": name, "median_seconds": statistics.median(runs), "runs": runs}
            for name, runs in self.runs.items()
        ]
        for name in self.runs:
            print(f"median {name:<34} {self.median(name):8.2f} s")
        for name, ratio in self.ratios.items():
            print(f"ratio  {name:<34} {'not measured' if ratio is None else f'{ratio:8.2f}'}")
        if path is not None:
            whole = {"machine": machine, "results": results, "ratios": self.ratios}
            if self.memory:
                whole["memory"] = self.memory
            path.write_text(json.dumps(whole, indent=2), encoding="utf-8")


def arguments(about: str, **flags: str) -> argparse.Namespace:
    """--rows, --runs, --json, --workers; flags: further ones that are on or off, and what they say."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--json", type=Path)
    for name, text in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser.parse_args()


@asynccontextmanager
async def servers(rows: int) -> AsyncIterator[tuple[Endpoint, Endpoint]]:
    """PostgreSQL 16 with `rows` items in plain tables and all their indexes, and an empty PostgreSQL 18."""
    os.environ[PASSWORD_ENV] = "bench"
    with TemporaryDirectory(prefix="wsdash-bench-") as name:
        directory = Path(name)
        os.chmod(name, 0o755)  # noqa: S103
        running: list[subprocess.Popen[bytes]] = []
        try:
            ends = []
            for version in (16, 18):
                end, process = await asyncio.to_thread(_start, version, directory)
                ends.append(end)
                running.append(process)
            await _fill(ends[0], rows)
            yield ends[0], ends[1]
        finally:
            for process in running:
                process.send_signal(2)
                process.wait(60)


async def fresh_target(target: Endpoint, name: str) -> Endpoint:
    """A new, empty database there; the others of earlier runs are dropped."""
    async with connection(target, read_only=False) as conn:
        for row in await conn.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'bench_%'"):
            await conn.execute(f"DROP DATABASE {row[0]} WITH (FORCE)", timeout=LONG)
        await conn.execute(f"CREATE DATABASE bench_{name}", timeout=LONG)
        await conn.execute("CHECKPOINT", timeout=LONG)
    return replace(target, database=f"bench_{name}")


async def prepared(source: Endpoint, target: Endpoint) -> Catalog:
    """The source's schema made in the target, ready for rows."""
    async with connection(source, read_only=True) as conn:
        catalog = await read_catalog(conn, SCHEMA)
    async with connection(target, read_only=False) as conn:
        await ensure_schema(conn, pre_data(catalog))
    return catalog


def environment(end: Endpoint) -> dict[str, str]:
    """libpq's variables for an endpoint."""
    return {
        **os.environ,
        "PGHOST": end.host,
        "PGPORT": str(end.port),
        "PGUSER": end.user,
        "PGDATABASE": end.database,
        "PGPASSWORD": os.environ[PASSWORD_ENV],
    }


async def shell(command: str, env: dict[str, str]) -> None:
    """Run a shell pipeline in a process group of its own (pgcopydb ends its group); it must succeed."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-o", "pipefail", "-c", command, env=env, start_new_session=True
    )
    if await process.wait() != 0:
        raise SystemExit(f"failed: {command}")


def _start(version: int, directory: Path) -> tuple[Endpoint, subprocess.Popen[bytes]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = directory / f"pg{version}"
    postgres.make_cluster(version, data, superuser=USER, password="bench", port=port)  # noqa: S106
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as conf:
        conf.write("shared_buffers = 512MB\nmax_wal_size = 8GB\n")
    log = (directory / f"pg{version}.log").open("ab")
    process = subprocess.Popen(postgres.server_argv(version, data), stdout=log, stderr=log, cwd="/")
    end = Endpoint(f"pg{version}", "127.0.0.1", port, "postgres", USER, password_env=PASSWORD_ENV)
    ready = [str(postgres.programs(version) / "pg_isready"), "-q", "-h", end.host, "-p", str(port)]
    deadline = time.monotonic() + 60
    while subprocess.run(ready, check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise SystemExit(f"PostgreSQL {version} did not start")
        time.sleep(0.05)
    return end, process


async def _fill(source: Endpoint, rows: int) -> None:
    """Generated items, multiplied on the server with new ids and times; a tenth as many audit rows."""
    async with connection(source, read_only=False) as conn:
        await conn.execute(before_rows("inheritance"), timeout=LONG)
        await conn.execute("SET search_path = pg_catalog, workspace")
        await conn.execute("ALTER TABLE workspace.workspace_items DISABLE TRIGGER USER")
        await load_items(conn, min(rows, GENERATED), 1)
        columns = [
            row[0]
            for row in await conn.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'workspace.workspace_items'::regclass "
                "AND attnum > 0 AND attname NOT IN ('id', 'created_at') ORDER BY attnum"
            )
        ]
        names = ", ".join(columns)
        await conn.execute(
            f"INSERT INTO workspace.workspace_items (id, created_at, {names}) "
            f"SELECT gen_random_uuid(), created_at + n * interval '1 second', {names} "
            f"FROM workspace.workspace_items, generate_series(1, {max(rows // GENERATED - 1, 0)}) n",
            timeout=LONG,
        )
        await conn.execute("ALTER TABLE workspace.workspace_items ENABLE TRIGGER USER")
        await conn.execute(
            "UPDATE workspace.workspace_items SET priority = 'high' WHERE id IN "
            f"(SELECT id FROM workspace.workspace_items LIMIT {rows // 10})",
            timeout=LONG,
        )
        await conn.execute(after_rows("partitions"), timeout=LONG)
        await conn.execute("VACUUM ANALYZE", timeout=LONG)
