"""Real TimescaleDB for tests: which server offers it, and the field's schema with real hypertables.

`WSDASH_TIMESCALEDB` names the server: the directory of a PostgreSQL's programs (one of our own is started
from it), or the DSN of a superuser on a running server. Without it the newest installed PostgreSQL that
offers the extension is used. Where none does, the tests marked `timescaledb` skip with one line.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.servers import Server, running_server
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world.schema import HYPERTABLES, after_rows, before_rows

VARIABLE = "WSDASH_TIMESCALEDB"
DSN_PASSWORD_ENV = "WSDASH_TIMESCALEDB_PASSWORD"
INSTALLED = Path("/usr/lib/postgresql")
SETTINGS = (
    "shared_preload_libraries = 'timescaledb'\n"
    "timescaledb.telemetry_level = off\n"
    "autovacuum = off\n"  # it holds locks at moments that no test can foresee
    "timescaledb.max_background_workers = 16\n"
    "max_worker_processes = 40\n"
    "max_locks_per_transaction = 512\n"
)
SKIPPED = f"no PostgreSQL here offers TimescaleDB (install it, or name its server in {VARIABLE})"

AGGREGATE = """
CREATE MATERIALIZED VIEW workspace.items_per_day WITH (timescaledb.continuous) AS
  SELECT time_bucket('1 day', created_at) AS day, category, count(*) AS items, max(updated_at) AS latest
  FROM workspace.workspace_items GROUP BY 1, 2 WITH NO DATA
"""
VIEWS = """
CREATE VIEW workspace.open_items AS
  SELECT id, title, workspace_items.priority, created_at FROM workspace.workspace_items
  WHERE status IN ('new', 'review', 'in-progress');
CREATE VIEW workspace.items_by_category AS
  SELECT c.display_name, count(i.id) AS items FROM workspace.workspace_categories c
  LEFT JOIN workspace.workspace_items i ON i.category = c.name GROUP BY c.display_name;
"""
USER_JOB = """
CREATE PROCEDURE workspace.tidy(job_id int, config jsonb) LANGUAGE plpgsql AS $$
BEGIN UPDATE workspace.workspace_categories SET is_active = true WHERE NOT is_active; END $$;
SELECT add_job('workspace.tidy', '1 hour', config => '{"keep": 3}',
               initial_start => now() + interval '1 hour');
"""
ITEMS = """
INSERT INTO workspace.workspace_items
  (id, title, description, category, priority, status, tags, created_at, updated_at, created_by, metadata)
SELECT md5('item' || i)::uuid, 'item ' || i, CASE WHEN i % 3 > 0 THEN E'tab\\t, \\\\ and\\nline ' || i END,
  (ARRAY['documentacao', 'coleta-dados', 'banco-dados', 'dashboard'])[1 + i % 4],
  (ARRAY['low', 'medium', 'high', 'critical'])[1 + i / 4 % 4],
  (ARRAY['new', 'review', 'completed'])[1 + i % 3],
  ARRAY['t' || i % 7], moment, moment + interval '1 hour', 'user' || i % 5, jsonb_build_object('n', i)
FROM generate_series(1, {count}) i,
  LATERAL (SELECT timestamptz '{start}' + i * (interval '{days} days' / {count})) m(moment)
"""


def offered_by(binaries: Path) -> bool:
    """Whether the PostgreSQL whose programs are in this directory offers the extension."""
    if not (binaries / "postgres").exists():
        return False
    asked = [str(binaries / "pg_config"), "--sharedir"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
        share = Path(told)
    except (OSError, subprocess.SubprocessError):
        # Debian keeps pg_config in the development package
        share = Path("/usr/share/postgresql") / binaries.parent.name
    return (share / "extension/timescaledb.control").exists()


def find_binaries() -> Path | None:
    """The programs of the newest installed PostgreSQL that offers the extension, or None."""
    found = [
        one / "bin" for one in INSTALLED.glob("[0-9]*") if one.name.isdigit() and offered_by(one / "bin")
    ]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextmanager
def timescaledb_server(directory: Path) -> Iterator[Server | None]:
    """A server that offers the extension, for the length of a block; None where there is none."""
    named = os.environ.get(VARIABLE, "")
    if "://" in named:
        yield _running(named)
        return
    binaries = Path(named) if named else find_binaries()
    if binaries is None:
        yield None
        return
    assert offered_by(binaries), f"{VARIABLE}: the PostgreSQL in {binaries} does not offer TimescaleDB"
    with running_server(version_of(binaries), directory, binaries, settings=SETTINGS) as server:
        yield server


def _running(dsn: str) -> Server:
    """The server that a DSN names; its password is handed on in a variable of our own."""
    parts = urlsplit(dsn)
    os.environ[DSN_PASSWORD_ENV] = unquote(parts.password or "")
    return Server(
        version=15,
        data=Path("/nowhere"),
        port=parts.port or 5432,
        host=parts.hostname or "127.0.0.1",
        user=unquote(parts.username or "postgres"),
        password_env=DSN_PASSWORD_ENV,
    )


def version_of(binaries: Path) -> int:
    """The major version of the PostgreSQL whose programs are in this directory."""
    said = subprocess.run(
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, timeout=20, check=True
    ).stdout
    return int(said.split()[2].split(".")[0])


async def make_field_schema(
    endpoint: Endpoint,
    *,
    items: int = 2000,
    start: str = "2025-05-01 00:00+00",
    days: int = 180,
    compressed: bool = True,
    aggregate: bool = True,
    policies: bool = True,
    late_updates: bool = True,
) -> None:
    """The Workspace schema as it is in the field, in an empty database, with `items` items over `days` days.

    Real hypertables of one-month chunks; compressed: segmented by category, priority and status, all but the
    newest two chunks compressed. aggregate: items_per_day, refreshed. policies: retention, compression and a
    user-defined job, none of which starts by itself within the next hour. late_updates: some compressed
    chunks are written to afterwards, and are partial then.
    """
    async with connection(endpoint, read_only=False) as conn:

        async def run(sql: str) -> None:
            await conn.execute(sql, timeout=120)

        # as in the field: the extension's functions are in public
        await run("SET search_path = public, pg_catalog")
        await run("CREATE EXTENSION timescaledb")
        await run(before_rows("inheritance"))
        for table, column in HYPERTABLES.items():
            await run(
                f"SELECT create_hypertable('workspace.{table}', '{column}', "
                "chunk_time_interval => interval '1 month', migrate_data => true, "
                "create_default_indexes => false)"
            )
        await run(after_rows("partitions") + VIEWS)
        if compressed:
            await run(
                "ALTER TABLE workspace.workspace_items SET (timescaledb.compress, "
                "timescaledb.compress_segmentby = 'category, priority, status', "
                "timescaledb.compress_orderby = 'created_at DESC')"
            )
            await run(
                "ALTER TABLE workspace.workspace_audit_log SET (timescaledb.compress, "
                "timescaledb.compress_segmentby = 'item_id, action', "
                "timescaledb.compress_orderby = 'changed_at DESC')"
            )
        if aggregate:
            await run(AGGREGATE)
        await run(ITEMS.format(count=items, start=start, days=days))
        if aggregate:
            await run("CALL refresh_continuous_aggregate('workspace.items_per_day', NULL, NULL)")
        if compressed:
            for table in HYPERTABLES:
                await run(
                    f"SELECT compress_chunk(c) FROM (SELECT c FROM show_chunks('workspace.{table}') c "
                    'ORDER BY c::text COLLATE "C" DESC OFFSET 2) s'
                )
        if policies:
            await run(_policies(compressed))
            await run(USER_JOB)
        if late_updates:
            await run(
                "UPDATE workspace.workspace_items SET priority = 'critical', title = title || ' (late)' "
                "WHERE (metadata->>'n')::int % 40 = 0"
            )
        await run("ANALYZE")


def _policies(compressed: bool) -> str:
    later = "initial_start => now() + interval '2 hours'"
    sql = f"SELECT add_retention_policy('workspace.workspace_items', interval '20 years', {later});"
    if compressed:
        sql += "".join(
            f"SELECT add_compression_policy('workspace.{table}', interval '30 days', {later});"
            for table in HYPERTABLES
        )
    return sql
