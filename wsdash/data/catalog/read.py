"""Reading a schema completely out of pg_catalog: its tables, and everything that belongs to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import asyncpg

from wsdash.data.catalog import queries
from wsdash.data.catalog.census import read_unexplained, read_unknown
from wsdash.data.catalog.items import (
    DROPPED_MEANWHILE,
    Draft,
    Ref,
    SchemaItem,
    default_collation,
    read_present,
)
from wsdash.data.catalog.kinds import read_around, read_made
from wsdash.data.catalog.kinds.around import with_extensions
from wsdash.data.catalog.kinds.parts import read_parts
from wsdash.data.catalog.order import ordered_items
from wsdash.data.catalog.parts import (
    read_attached_constraints,
    read_constraints,
    read_indexes,
    read_rules,
    read_security,
    read_statistics,
    read_triggers,
    read_view_defaults,
    read_views,
)
from wsdash.data.catalog.rights import read_comments, read_grants
from wsdash.data.catalog.tables import read_functions, read_sequences, read_types, table_drafts, view_options
from wsdash.data.limits import READ_PAUSE_SECONDS, TIMEOUT
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transactions import SNAPSHOT, begin, roll_back
from wsdash.data.tables.read import read_tables
from wsdash.data.tables.shape import Table
from wsdash.data.timescaledb.hypertable import Machinery, read_machinery

Part: TypeAlias = Literal["everything", "tables", "server"]
READ_ATTEMPTS = 5


@dataclass(frozen=True)
class Catalog:
    """A schema as it was read: root tables only, everything in a fixed order.

    exists: the schema is there. server_version as in server_version_num (160004). timescaledb: the
    extension's
    version, or ''. items: everything that DDL makes, tables included, in an order in which it can be made.
    machinery: what belongs to hypertables. The rest is about the server: user and schema owner, roles,
    whether
    the user may make roles, installed extensions with their schema, and those it could install.
    """

    schema: str
    server_version: int
    timescaledb: str
    tables: tuple[Table, ...]
    items: tuple[SchemaItem, ...] = ()
    machinery: tuple[Machinery, ...] = ()
    exists: bool = True
    user: str = ""
    owner: str = ""
    roles: frozenset[str] = frozenset()
    makes_roles: bool = False
    extensions: dict[str, str] = field(default_factory=dict)
    available: frozenset[str] = frozenset()
    elsewhere: frozenset[tuple[str, str]] = frozenset()
    """(kind, name) of relations, types and functions in other schemas: what an item may need from outside."""
    collation: str = ""
    """The database's default one, in words."""
    settings: tuple[str, ...] = ()
    """Settings that ALTER DATABASE or ALTER ROLE fixed for this database: names; of search_path the value
    too."""

    def of(self, *kinds: str) -> tuple[SchemaItem, ...]:
        """The items of these kinds (index, constraint, sequence, enum, domain, function, view, grant ...)."""
        return tuple(item for item in self.items if item.kind in kinds)


async def read_catalog(conn: asyncpg.Connection, schema: str, *, part: Part = "everything") -> Catalog:
    """Read the schema in one snapshot (the caller's, when it has a transaction open); writes nothing.

    part: 'tables' leaves out all items but reads the tables in full, 'server' leaves out the tables too: what
    is left is about the server and other schemas.

    A schema that does not exist gives an empty catalog. Raises UnreachableError when the server does not
    answer (a lock held for a minute included), WsdashError with its own words when it refuses.
    """
    with ServerErrors(conn, f"schema {schema} cannot be read"):
        if conn.is_closed():
            raise asyncpg.InterfaceError("the connection is closed")
        for _ in range(0 if conn.is_in_transaction() else READ_ATTEMPTS - 1):
            try:
                return await _read_catalog(conn, schema, part)
            except DROPPED_MEANWHILE:
                await asyncio.sleep(READ_PAUSE_SECONDS)
        return await _read_catalog(conn, schema, part)


async def _read_catalog(conn: asyncpg.Connection, schema: str, part: Part) -> Catalog:
    async with _pg_catalog_only(conn):
        server = await conn.fetchrow(queries.SERVER, schema, timeout=TIMEOUT)
        assert server is not None
        elsewhere = await conn.fetch(queries.ELSEWHERE, schema, timeout=TIMEOUT)
        exists = server["namespace"] is not None
        catalog = Catalog(
            schema=schema,
            server_version=server["version"],
            timescaledb=server["timescaledb"] or "",
            tables=(),
            exists=exists,
            user=server["user"],
            roles=frozenset(server["roles"]),
            makes_roles=bool(server["makes_roles"]),
            extensions=dict(extension.split("=", 1) for extension in server["extensions"]),
            available=frozenset(server["available"]),
            elsewhere=frozenset((row["kind"], row["name"]) for row in elsewhere),
            owner=server["owner"] or "",
            collation=default_collation(server["database"]),
        )
        if not exists or part == "server":
            return catalog
        return await _read(conn, server["namespace"], catalog, part)


async def _read(conn: asyncpg.Connection, namespace: int, catalog: Catalog, part: Part) -> Catalog:
    schema = catalog.schema
    present = await read_present(conn, namespace)
    tables = await read_tables(conn, namespace, schema)
    tables, machinery = await read_machinery(
        conn, namespace, schema, tables, catalog.timescaledb, inherits="pg_inherits" in present
    )
    if part == "tables":
        return replace(catalog, tables=tuple(tables.values()), machinery=machinery)
    item = SchemaItem("schema", schema, f"CREATE SCHEMA IF NOT EXISTS {ident(schema)}")
    drafts = [Draft(item, [("pg_namespace", namespace)], f"SCHEMA {ident(schema)}")]
    drafts += await read_types(conn, namespace, schema, present)
    drafts += await read_made(conn, namespace, schema, present)
    names = {oid: table.name for oid, table in tables.items()}
    sequences, subjects, identities = await read_sequences(conn, namespace, schema, names)
    drafts += sequences
    drafts += await table_drafts(conn, namespace, tables, identities)
    drafts += await _after_rows(conn, namespace, schema, tables, present)
    parts, folded = await read_parts(conn, tables)
    late, attached = await read_attached_constraints(conn, namespace, schema, tables)
    drafts += late
    subjects += attached
    drafts += parts
    grants = await read_grants(conn, drafts + subjects)
    drafts += grants + await read_comments(conn, drafts + subjects)
    drafts += await read_around(conn, namespace, present) + await read_unknown(conn)
    explained = {ref for draft in drafts + subjects for ref in draft.refs}
    parts_oids = {oid for catalog_name, oid in folded if catalog_name == "pg_class"}
    drafts += await read_unexplained(conn, namespace, explained, parts_oids)
    items = await ordered_items(conn, drafts, await _aliases(conn, namespace), folded)
    settings = await conn.fetch(queries.SETTINGS, timeout=TIMEOUT)
    return replace(
        catalog,
        tables=tuple(tables.values()),
        items=await with_extensions(conn, items, catalog.extensions),
        machinery=machinery,
        settings=tuple(
            f"{row['shown'] or row['name']}" + (f" of role {row['role']}" if row["role"] else "")
            for row in settings
        ),
    )


async def _after_rows(
    conn: asyncpg.Connection, namespace: int, schema: str, tables: dict[int, Table], present: frozenset[str]
) -> list[Draft]:
    named = {oid: (table.schema, table.name) for oid, table in tables.items()}
    # a continuous aggregate is a view that is carried as a table
    found = (
        [] if present.isdisjoint({"pg_class v", "pg_class m"}) else await read_views(conn, namespace, schema)
    )
    views = [draft for draft in found if draft.refs[0][1] not in tables]
    relations = {draft.refs[0][1]: draft.item.name.removeprefix(f"{schema}.") for draft in views}
    filled = {draft.refs[0][1] for draft in views if draft.item.kind == "materialized view"}
    of_views = {oid: (schema, name) for oid, name in relations.items()}
    everything = named | of_views
    triggers, routing = await read_triggers(conn, everything, tables)
    functions = await read_functions(conn, namespace, schema)
    for draft in functions:
        if draft.refs[0][1] in routing:
            draft.item = replace(draft.item, left_out="only triggers that are not carried call it")
    rows = {oid: table.rows or 0 for oid, table in tables.items()}
    return [
        *functions,
        *await read_constraints(conn, tables),
        *await read_indexes(conn, everything, rows),
        *(await read_statistics(conn, tables) if "pg_statistic_ext" in present else ()),
        *views,
        *await view_options(conn, {oid: name for oid, name in of_views.items() if oid in filled}),
        *await read_view_defaults(conn, of_views),
        *(await read_rules(conn, everything) if "pg_rewrite" in present else ()),
        *triggers,
        *await read_security(conn, tables, present),
    ]


async def _aliases(conn: asyncpg.Connection, namespace: int) -> dict[Ref, Ref]:
    """Row types count as their table, array and multirange types for what they are made of."""
    aliases: dict[Ref, Ref] = {}
    for row in await conn.fetch(queries.TYPE_ALIASES, namespace, timeout=TIMEOUT):
        if row["element"]:
            aliases["pg_type", row["type"]] = ("pg_type", row["element"])
        elif row["relation"]:
            aliases["pg_type", row["type"]] = ("pg_class", row["relation"])
    return aliases


@asynccontextmanager
async def _pg_catalog_only(conn: asyncpg.Connection) -> AsyncIterator[None]:
    """One snapshot, and a search_path under which the server prints every name qualified."""
    own = not conn.is_in_transaction()
    set_path = "SELECT pg_catalog.set_config('search_path', $1, true)"
    before = ""
    if own:
        await begin(conn, "SET LOCAL search_path = pg_catalog", mode=SNAPSHOT)
    else:
        before = await conn.fetchval("SELECT current_setting('search_path')", timeout=TIMEOUT)
        await conn.execute(set_path, "pg_catalog", timeout=TIMEOUT)
    try:
        yield
    finally:
        if conn.is_closed():
            pass
        elif own:
            await roll_back(conn)
        else:
            await conn.execute(set_path, before, timeout=TIMEOUT)
