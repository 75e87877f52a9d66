"""Every trace of wsdash in a database: taken away, and a catalog by which that can be proven."""

from __future__ import annotations

import asyncpg

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.online.capture import uninstall
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transactions import transaction

SECONDS = 60.0

EVERYTHING = """
SELECT line FROM (
  SELECT format('relation %s.%s %s %s', n.nspname, c.relname, c.relkind, c.relacl) AS line
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_|^information_schema'
  UNION ALL SELECT format('namespace %s %s', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_'
  UNION ALL SELECT format('function %s %s', oid::regprocedure, proacl) FROM pg_proc
            WHERE pronamespace::regnamespace::text !~ '^pg_|^information_schema'
  UNION ALL SELECT format('trigger %s %s %s', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger
            WHERE NOT tgisinternal
  UNION ALL SELECT format('type %s', oid::regtype) FROM pg_type
            WHERE typnamespace::regnamespace::text !~ '^pg_|^information_schema'
  UNION ALL SELECT format('setting %s', setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) s ORDER BY line
"""
"""Every object of a database that is not the server's own."""
OURS = """
SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1
"""


async def read_objects(side: Endpoint) -> list[str]:
    """A line for each object of that database. Raises UnreachableError, WsdashError."""
    async with connection(side, read_only=True) as conn:
        with ServerErrors(side, "reading the catalog"):
            return [row["line"] for row in await conn.fetch(EVERYTHING, timeout=SECONDS)]


async def remove_everything(side: Endpoint) -> None:
    """Take capture off, and schema wsdash with what is known of the copy.

    Safe to call again, also where nothing is. Raises WsdashError naming what is in the way, such as an object
    of somebody else in that schema.
    """
    await uninstall(side)
    async with connection(side, read_only=False) as conn:
        with ServerErrors(side, f"removing schema {SCHEMA}"):
            async with transaction(conn):
                await _drop(conn)


async def _drop(conn: asyncpg.Connection) -> None:
    names = [ident(SCHEMA, row["name"]) for row in await conn.fetch(OURS, SCHEMA, timeout=SECONDS)]
    if names:
        await conn.execute(f"DROP TABLE {', '.join(names)}", timeout=SECONDS)
    await conn.execute(f"DROP SCHEMA IF EXISTS {SCHEMA}", timeout=SECONDS)
