"""Reading the tables of a schema: roots with their columns, key, chunks and estimates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg

from wsdash.data.limits import ONE_COUNT_SECONDS, TIMEOUT
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import ident
from wsdash.data.tables.shape import HEAP, Column, Table, heap_bounds, total

ROUTERS = """
SELECT tgname AS name FROM pg_trigger
WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgtype & 7 = 7 AND tgenabled = 'O' ORDER BY tgname
"""
"""Enabled BEFORE INSERT row triggers."""


@asynccontextmanager
async def routers_always(conn: asyncpg.Connection, parents: Sequence[str]) -> AsyncIterator[None]:
    """Let the routing triggers of inheritance parents (quoted names) fire in replica role, for a block.

    To be used in a transaction: a failure leaves putting them back to its rollback. Raises
    asyncpg.PostgresError.
    """
    routers = []
    for parent in parents:
        for row in await conn.fetch(ROUTERS, parent, timeout=TIMEOUT):
            routers.append((parent, ident(row["name"])))
    for parent, trigger in routers:
        await conn.execute(f"ALTER TABLE ONLY {parent} ENABLE ALWAYS TRIGGER {trigger}", timeout=TIMEOUT)
    yield
    for parent, trigger in routers:
        await conn.execute(f"ALTER TABLE ONLY {parent} ENABLE TRIGGER {trigger}", timeout=TIMEOUT)


SERVERS_OWN = "pg_"
"""Column options that a server keeps for itself begin so: PostgreSQL 15.20 writes `pg_attver` into
pg_attribute.attoptions of every column. Its own pg_dump leaves it out; other servers refuse it."""

ROOTS = """
SELECT c.oid, c.relname AS name, c.relkind::text AS kind, c.relpersistence::text AS persistence,
       obj_description(c.oid, 'pg_class') AS comment, coalesce(c.reloptions, '{}') AS options,
       coalesce(t.reloptions, '{}') AS toast_options,
       (SELECT a.attname FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid
          AND a.attnum = p.partattrs[0] WHERE p.partrelid = c.oid AND p.partnatts = 1
          AND p.partstrat = 'r') AS range_column
FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
WHERE c.relnamespace = $1 AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                  AND d.deptype = 'e')
ORDER BY c.relname
"""

MEMBERS = f"""
WITH RECURSIVE tree(root, oid) AS (
  SELECT r, r FROM unnest($1::oid[]) r
  UNION
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
SELECT t.root, c.oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
c.relispartition AS partition,
       {HEAP},
       CASE WHEN c.relkind = 'r' THEN coalesce(pg_table_size(c.oid), 0) ELSE 0 END AS bytes,
       pg_get_expr(c.relpartbound, c.oid) AS bound
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY n.nspname, c.relname
"""

# named a relation, PostgreSQL takes time for all its columns at every default: only generated ones need it
COLUMNS = """
SELECT a.attrelid AS relation, a.attnum AS number, a.attname AS name, format_type(a.atttypid, a.atttypmod)
         AS type,
       a.attnotnull AND NOT coalesce(n.loose, false) AS not_null,
       CASE WHEN n.conname <> left(c.relname || '_' || a.attname || '_not_null', 63) THEN n.conname END
         AS not_null_name,
       pg_get_expr(d.adbin, CASE WHEN a.attgenerated = '' THEN 0 ELSE d.adrelid END) AS expression,
       a.attgenerated::text AS generated,
       a.attidentity::text AS identity, col_description(a.attrelid, a.attnum) AS comment,
       CASE WHEN a.attcollation <> t.typcollation THEN quote_ident(cn.nspname)
       || '.' || quote_ident(co.collname)
            ELSE '' END AS collation,
       CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text ELSE '' END AS storage,
       a.attcompression::text AS compression, coalesce(a.attstattarget, -1)::int AS statistics,
       coalesce(a.attoptions, '{}') AS options,
       CASE WHEN t.typtype = 'd' THEN EXISTS (
         WITH RECURSIVE below(oid) AS (
           SELECT t.oid UNION ALL
           SELECT d.typbasetype FROM pg_type d JOIN below ON below.oid = d.oid WHERE d.typtype = 'd')
         SELECT FROM below WHERE below.oid = '"char"'::regtype)
       ELSE t.oid = '"char"'::regtype END AS is_char
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN (SELECT k.conrelid, k.conkey[1] AS number, k.conname,
             NOT k.convalidated OR k.connoinherit AND EXISTS (
               SELECT FROM pg_inherits i WHERE i.inhparent = k.conrelid) AS loose
           FROM pg_constraint k WHERE k.contype = 'n' AND k.conrelid = ANY ($1::oid[])) n
  ON n.conrelid = a.attrelid AND n.number = a.attnum
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

KEYS = """
SELECT i.indrelid AS relation,
       array(SELECT a.attname::text
             FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(number, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place)
             AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1::oid[]) AND i.indisunique AND i.indimmediate AND i.indpred IS NULL
AND i.indexprs IS NULL
  AND (i.indisvalid OR EXISTS (SELECT FROM pg_class p WHERE p.oid = i.indrelid AND p.relkind = 'p'))
  AND NOT EXISTS (SELECT FROM unnest(i.indkey[0:i.indnkeyatts - 1]) k(number)
                  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                  WHERE NOT a.attnotnull OR EXISTS (SELECT FROM pg_constraint n WHERE n.contype = 'n'
                    AND n.conrelid = i.indrelid AND n.conkey[1] = a.attnum AND NOT n.convalidated))
  OR i.indrelid = ANY ($1::oid[]) AND i.indisprimary
ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, c.relname
"""

CHECKED_COLUMNS = """
SELECT i.inhparent AS root, a.attname AS name, count(DISTINCT i.inhrelid) AS children
FROM pg_inherits i JOIN pg_constraint k ON k.conrelid = i.inhrelid AND k.contype = 'c' AND k.coninhcount = 0
  AND cardinality(k.conkey) = 1
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE i.inhparent = ANY ($1::oid[]) GROUP BY 1, 2 ORDER BY 3 DESC, 2
"""


async def read_tables(conn: asyncpg.Connection, namespace: int, schema: str) -> dict[int, Table]:
    """The root tables of a schema by their oid, chunks folded in. `conn` sees pg_catalog only."""
    roots = {row["oid"]: row for row in await conn.fetch(ROOTS, namespace, timeout=TIMEOUT)}
    oids = list(roots)
    members: dict[int, list[Any]] = defaultdict(list)
    for row in await conn.fetch(MEMBERS, oids, timeout=TIMEOUT):
        members[row["root"]].append(row)
    columns = await read_columns(conn, oids)
    keys: dict[int, tuple[str, ...]] = {}
    for row in await conn.fetch(KEYS, oids, timeout=TIMEOUT):
        keys.setdefault(row["relation"], tuple(row["columns"]))
    checked: dict[int, str] = {}
    if any(len(found) > 1 for found in members.values()):
        for row in await conn.fetch(CHECKED_COLUMNS, oids, timeout=TIMEOUT):
            checked.setdefault(row["root"], row["name"])
    return {
        oid: _table(schema, row, members[oid], tuple(columns[oid]), keys.get(oid, ()), checked.get(oid, ""))
        for oid, row in roots.items()
    }


async def read_columns(conn: asyncpg.Connection, relations: Sequence[int]) -> dict[int, list[Column]]:
    """The live columns of relations by their oid, in the order of their numbers. `conn` sees
    pg_catalog only."""
    columns: dict[int, list[Column]] = defaultdict(list)
    for row in await conn.fetch(COLUMNS, relations, timeout=TIMEOUT):
        columns[row["relation"]].append(_column(row))
    return columns


def _column(row: Any) -> Column:
    options = {
        name: value
        for name, _, value in (o.partition("=") for o in row["options"])
        if not name.startswith(SERVERS_OWN)
    }
    for name in ("storage", "compression"):
        if row[name]:
            options[name] = row[name]
    if row["statistics"] >= 0:
        options["statistics"] = str(row["statistics"])
    return Column(
        name=row["name"],
        type=row["type"],
        not_null=row["not_null"],
        not_null_name=(row["not_null_name"] or "") if row["not_null"] else "",
        default=row["expression"],
        generated=row["generated"],
        identity=row["identity"],
        collation=row["collation"],
        comment=row["comment"] or "",
        options=options,
        char=row["is_char"],
    )


def _table(
    schema: str,
    row: Any,
    members: list[Any],
    columns: tuple[Column, ...],
    key: tuple[str, ...],
    checked: str,
) -> Table:
    options = dict(o.split("=", 1) for o in row["options"])
    options |= {"toast." + name: value for name, value in (o.split("=", 1) for o in row["toast_options"])}
    bounds = total(heap_bounds(member) for member in members if member["kind"] == "r")
    table = Table(
        schema=schema,
        name=row["name"],
        columns=columns,
        key=key,
        rows=bounds.rows,
        bounds=bounds,
        bytes=sum(member["bytes"] for member in members),
        comment=row["comment"] or "",
        options=options,
        unlogged=row["persistence"] == "u",
    )
    children = [member for member in members if member["oid"] != row["oid"]]
    chunks = tuple(ident(child["schema"], child["name"]) for child in children if child["kind"] != "p")
    if row["kind"] == "p":
        return replace(table, hypertable="partitions", chunks=chunks, time_column=row["range_column"] or "")
    if children:
        return replace(table, hypertable="inheritance", chunks=chunks, time_column=checked)
    return table


async def count_of(side: Endpoint, schema: str, table: str) -> int | None:
    """How many rows a table has, read through its root; None where there is no such table.

    Raises UnreachableError, also where counting takes over ONE_COUNT_SECONDS.
    """
    name = ident(schema, table)
    async with connection(side, read_only=True) as session:
        with ServerErrors(session, f"counting rows of {schema}.{table}"):
            if await session.fetchval("SELECT to_regclass($1) IS NULL", name, timeout=TIMEOUT):
                return None
            count: int = await session.fetchval(f"SELECT count(*) FROM {name}", timeout=ONE_COUNT_SECONDS)
            return count
