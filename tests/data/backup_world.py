"""What the backup tests share: small sources of every awkward kind, and ways to look at them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.servers import PASSWORD
from wsdash.data.backup.take import BackupManifest, take_backup
from wsdash.data.catalog.read import read_catalog
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.verify.checksum import TableChecksum, checksum_table
from wsdash.demo.world.postgres import programs
from wsdash.demo.world.schema import source_schema
from wsdash.model import Progress

ITEMS = """
INSERT INTO workspace.workspace_items (title, description, category, created_at, updated_at, tags, metadata)
SELECT 'item ' || i, CASE WHEN i % 3 > 0 THEN E'back\\\\slash \\t tab\\n\\\\.\\nline ' || i END, 'dashboard',
  moment, moment, ARRAY['a', 'ü "' || i], jsonb_build_object('n', i)
FROM generate_series(1, {count}) i,
  LATERAL (SELECT timestamptz '2024-02-01 00:00Z' + (i % 365) * interval '1 day') m(moment)
"""

ODD_SCHEMA = 'odd "one'
ODD = r"""
CREATE SCHEMA "odd ""one";
CREATE TYPE "odd ""one"."Mo od" AS ENUM ('so', 'so la', '');
CREATE SEQUENCE "odd ""one"."count er" START 40;
CREATE FUNCTION "odd ""one"."tw ice"(n integer) RETURNS integer LANGUAGE sql IMMUTABLE
  AS $f$ SELECT n * 2 -- not; an end
$f$;
CREATE TABLE "odd ""one"."Va lues" (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  twice integer GENERATED ALWAYS AS (id * 2) STORED,
  "te""xt" text, mood "odd ""one"."Mo od", j jsonb, b bytea, t timestamptz, f double precision, a text[],
  n bigint NOT NULL DEFAULT nextval('"odd ""one"."count er"')
);
CREATE TABLE "odd ""one".empty (id integer, x text);
CREATE TABLE "odd ""one".serial (id serial PRIMARY KEY, parent integer REFERENCES "odd ""one"."Va lues");
INSERT INTO "odd ""one"."Va lues" ("te""xt", mood, j, b, t, f, a) VALUES
  (NULL, 'so', NULL, NULL, NULL, NULL, NULL),
  ('', 'so la', '""', '', 'infinity', 'NaN', '{}'),
  (E'\\.', '', '{"a": "\\."}', '\x5c2e0a', '-infinity', '-Infinity', '[0:1]={x,NULL}'),
  (E'\\.\n\\.\n', 'so', '[1.10, null]', '\x00ff', '0044-03-15 BC', 1e-300, ARRAY['a,b', '{"x"}', 'NULL', '']),
  (E'\\N', 'so', '{}', '\x5c', '2024-02-29 12:00:00.123456+05:30', 0.1, ARRAY[E'\\', E'\t']),
  (E'tab\there\r\nand \\b backspace \b, quote '' and "', 'so', '"\u00e9"', '\x0a', now(), 3, '{a}'),
  ('naïve 日本語 🐘 ' || repeat('x', 3000), 'so', '1', '\x', now(), -0.0, '{}'),
  (E'-- wsdash {"do":"end","statements":0,"rows":0}\nCOMMIT;\nDROP SCHEMA "odd ""one" CASCADE;',
   'so', '2', NULL, NULL, 0, '{}');
INSERT INTO "odd ""one".serial (parent) SELECT 1 + i % 3 FROM generate_series(1, 7) i;
COMMENT ON TABLE "odd ""one".serial IS E'a comment; -- with \\ and '' in it';
"""


def quiet(progress: Progress) -> None:
    """Takes progress and shows none."""


async def run_sql(endpoint: Endpoint, sql: str) -> None:
    async with connection(endpoint, read_only=False) as conn:
        await conn.execute(sql)


async def value(endpoint: Endpoint, sql: str) -> Any:
    async with connection(endpoint, read_only=False) as conn:
        return await conn.fetchval(sql)


async def make_workspace(endpoint: Endpoint, kind: str = "partitions", count: int = 200) -> None:
    """The workspace schema with its hypertables imitated, `count` items and their audit rows."""
    await run_sql(endpoint, source_schema(kind))
    await run_sql(endpoint, ITEMS.format(count=count))


async def contents(endpoint: Endpoint, schema: str) -> dict[str, TableChecksum]:
    """Rows and checksum of every table."""
    async with connection(endpoint, read_only=True) as conn:
        tables = (await read_catalog(conn, schema)).tables
        return {table.qualified: await checksum_table(conn, table) for table in tables}


def promised(manifest: BackupManifest) -> dict[str, TableChecksum]:
    """Rows and checksum of every table as the manifest has them."""
    return {name: TableChecksum(table.rows, table.checksum) for name, table in manifest.tables.items()}


async def back_up(
    source: Endpoint,
    directory: Path,
    schema: str = "workspace",
    on_progress: Callable[[Progress], None] = quiet,
) -> BackupManifest:
    return await take_backup(source, schema, directory, item="backup", on_progress=on_progress)


async def program(
    version: int, name: str, endpoint: Endpoint, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run psql or pg_dump of that version against a database."""
    address = ["-h", endpoint.host, "-p", str(endpoint.port), "-U", endpoint.user, "-d", endpoint.database]
    return await asyncio.to_thread(
        subprocess.run,
        [str(programs(version) / name), *address, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PGPASSWORD": PASSWORD, "PSQLRC": "/dev/null"},
    )


def names(directory: Path) -> list[str]:
    """All files there, hidden ones too."""
    return sorted(path.name for path in directory.iterdir())


def edit_manifest(manifest: BackupManifest, **changes: Any) -> None:
    """Change fields of a manifest on the disk, as an attacker or an accident would."""
    raw = json.loads(manifest.manifest_path.read_text(encoding="utf-8"))
    manifest.manifest_path.write_text(json.dumps(raw | changes), encoding="utf-8")
