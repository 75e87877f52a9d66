"""A backup that is self-contained: what a schema takes from other schemas goes with it, or is left out by
name.

Without this a trigger that calls `public.touch()` makes every restore into an empty database fail, and so
no backup of that schema could ever be proven.
"""

from __future__ import annotations

from dataclasses import replace

import asyncpg

from wsdash.data.catalog.items import Draft, read_present
from wsdash.data.catalog.queries import OUTSIDE
from wsdash.data.catalog.read import Catalog
from wsdash.data.catalog.tables import read_functions, read_types
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident, literal
from wsdash.data.schema.ddl import Statement

OTHER_SCHEMAS = """
SELECT oid, nspname::text AS name FROM pg_namespace
WHERE nspname <> $1 AND nspname !~ '^(pg_|_?timescaledb_|information_schema$)' ORDER BY 2
"""
Needed = set[tuple[str, str]]


async def self_contained(conn: asyncpg.Connection, catalog: Catalog) -> tuple[Catalog, list[Statement]]:
    """The catalog without what needs more of other schemas than can go with it; and the statements that
    make what goes with it: functions and types, made only where they are missing, before anything else.

    Raises asyncpg.PostgresError.
    """
    needed = _needed(catalog)
    if not needed:
        return catalog, []
    # names are compared as the server prints them, so it must qualify them all
    before = await conn.fetchval("SELECT current_setting('search_path')", timeout=TIMEOUT)
    set_path = "SELECT pg_catalog.set_config('search_path', $1, false)"
    await conn.execute(set_path, "pg_catalog", timeout=TIMEOUT)
    try:
        borrowed: list[Statement] = []
        lent: Needed = set()
        for schema in await conn.fetch(OTHER_SCHEMAS, catalog.schema, timeout=TIMEOUT):
            if any(
                name.startswith((f"{schema['name']}.", f"{ident(schema['name'])}.")) for _, name in needed
            ):
                present = await read_present(conn, schema["oid"])
                drafts = await read_types(conn, schema["oid"], schema["name"], present)
                drafts += await read_functions(conn, schema["oid"], schema["name"])
                for draft, identity in await _identities(conn, drafts):
                    if identity in needed and not draft.item.left_out:
                        lent.add(identity)
                        borrowed.append(_statement(catalog, schema["name"], draft))
    finally:
        await conn.execute(set_path, before, timeout=TIMEOUT)
    return _without(catalog, needed - lent), borrowed


def _needed(catalog: Catalog) -> Needed:
    own = f"{catalog.schema}.", f"{ident(catalog.schema)}."
    return {
        (kind, name)
        for item in catalog.items
        if not item.left_out
        for kind, name in item.outside
        if kind != "extension" and not name.startswith(own)
    }


async def _identities(conn: asyncpg.Connection, drafts: list[Draft]) -> list[tuple[Draft, tuple[str, str]]]:
    refs = [draft.refs[0] for draft in drafts]
    rows = await conn.fetch(OUTSIDE, [ref[0] for ref in refs], [ref[1] for ref in refs], timeout=TIMEOUT)
    found = {(row["class"], row["oid"]): (row["kind"], row["name"]) for row in rows}
    return [(draft, found[draft.refs[0]]) for draft in drafts if draft.refs[0] in found]


def _statement(catalog: Catalog, schema: str, draft: Draft) -> Statement:
    missing = f"pg_catalog.to_regnamespace({literal(ident(schema))}) IS NULL"
    sql = (
        "DO $wsdash$ BEGIN\n"
        f"  IF {missing} THEN CREATE SCHEMA {ident(schema)}; END IF;\n"
        f"  EXECUTE {literal(draft.item.sql)};\n"
        "EXCEPTION WHEN duplicate_object OR duplicate_function THEN NULL;\n"
        "END $wsdash$"
    )
    return Statement(draft.item.kind, draft.item.name, sql, schema=catalog.schema)


def _without(catalog: Catalog, lacking: Needed) -> Catalog:
    """What needs something that does not go with the backup is left out, and what needs that as well; tables
    stay."""
    left: Needed = set()
    items = []
    for item in catalog.items:
        beyond = [*sorted(lacking.intersection(item.outside)), *sorted(left.intersection(item.needs))]
        if beyond and not item.left_out and item.kind != "table":
            kind, name = beyond[0]
            item = replace(item, left_out=f"it needs {kind} {name}, which is not in this backup")
            left.add((item.kind, item.name))
        items.append(item)
    return replace(catalog, items=tuple(items))
