"""The statements that make a schema elsewhere, in order: before the rows, after them,
and the sequences' values; and whether there is nothing yet that they would make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from wsdash.data.catalog.items import FOREIGN_KEYS, INDEXES, KEYS, PRE, SchemaItem
from wsdash.data.catalog.read import Catalog
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.errors import described
from wsdash.data.pg.sql import ident, literal

AFTER_ROWS = frozenset(
    {
        "comment",
        "constraint",
        "grant",
        "index",
        "materialized view",
        "policy",
        "role",
        "row security",
        "rule",
        "sequence value",
        "statistics",
        "trigger",
        "view",
    }
)
"""The kinds of which a bare schema has none (grants and roles are judged by what the server says)."""

ANY_OF_THEM = """
WITH space AS (SELECT oid FROM pg_namespace WHERE nspname = $1),
     relation AS (SELECT c.* FROM pg_class c JOIN space s ON c.relnamespace = s.oid)
SELECT EXISTS (SELECT FROM relation WHERE relkind NOT IN ('r', 'S', 'c', 't') OR relhasindex OR relhasrules
               OR relhastriggers OR relrowsecurity OR relforcerowsecurity)
    OR EXISTS (SELECT FROM pg_constraint k JOIN relation r ON k.conrelid = r.oid WHERE k.contype <> 'n')
    OR EXISTS (SELECT FROM pg_policy p JOIN relation r ON p.polrelid = r.oid)
    OR EXISTS (SELECT FROM pg_statistic_ext x JOIN relation r ON x.stxrelid = r.oid)
    OR EXISTS (SELECT FROM pg_description d WHERE d.objoid IN (SELECT oid FROM space)
               OR d.objoid IN (SELECT oid FROM relation)
               OR d.objoid IN (SELECT p.oid FROM pg_proc p JOIN space s ON p.pronamespace = s.oid)
               OR d.objoid IN (SELECT t.oid FROM pg_type t JOIN space s ON t.typnamespace = s.oid))
"""


@described("looking for objects")
async def is_bare(conn: asyncpg.Connection, schema: str, statements: Sequence[Statement]) -> bool:
    """Whether nothing that the statements make can be in the schema yet. Raises WsdashError."""
    if not all(statement.kind in AFTER_ROWS for statement in statements):
        return False
    return not await conn.fetchval(ANY_OF_THEM, schema, timeout=TIMEOUT)


PARALLEL_STAGES = frozenset({KEYS, INDEXES})
"""Statements of one of these stages need nothing of each other and may run at once, stage after stage."""

__all__ = ["FOREIGN_KEYS", "INDEXES", "KEYS", "PARALLEL_STAGES", "PRE", "Statement"]


@dataclass(frozen=True)
class Statement:
    """One SQL command, schema-qualified, without a semicolon at its end.

    kind and name say which object it makes (name: qualified, unquoted,
    for people). table: the qualified name of
    the table it belongs to, or ''. stage: PRE, KEYS, INDEXES,
    FOREIGN_KEYS and later ones; all of a stage come
    before the next. item: what the catalog knows of the object,
    for telling whether an existing one is the same.
    """

    kind: str
    name: str
    sql: str
    table: str = ""
    stage: int = PRE
    schema: str = ""
    server_version: int = 0
    item: SchemaItem | None = field(default=None, repr=False, compare=False)


def search_path(*schemas: str) -> str:
    """The search_path under which DDL and rows of these schemas are written, as SQL.

    What the server printed is qualified and needs pg_catalog alone. The rest is for functions that checks and
    generated columns call and that find others by the search_path, as they did in the source.
    """
    return ", ".join(["pg_catalog", *(ident(schema) for schema in schemas if schema), "public"])


def pre_data(catalog: Catalog) -> list[Statement]:
    """What must be there before rows: extensions, roles, schema, types, functions, sequences, plain tables.

    Functions come before what their bodies name, so run them under SET check_function_bodies = off.
    """
    needed = sorted(
        {name for item in carried(catalog) for kind, name in item.outside if kind == "extension"}
        - {"timescaledb", "plpgsql"}
    )
    inside = [name for name in needed if catalog.extensions.get(name) == catalog.schema]
    extensions = [_extension(catalog, name) for name in needed if name not in inside]
    schema = [_statement(catalog, item) for item in carried(catalog) if item.kind == "schema"]
    items = [item for item in carried(catalog) if item.stage == PRE and item.kind != "schema"]
    return [
        *extensions,
        *schema,
        *(_extension(catalog, name) for name in inside),
        *(_statement(catalog, item) for item in items),
    ]


def post_data(catalog: Catalog) -> list[Statement]:
    """What follows the rows: keys, uniques and checks, then indexes (longest to build first),
    then foreign keys,
    then views, triggers, row-level security, grants and comments."""
    return [_statement(catalog, item) for item in carried(catalog) if item.stage != PRE]


def before_rows(catalog: Catalog) -> frozenset[tuple[str, str]]:
    """(kind, name), as compare reports them, of all that must be in the target before rows can arrive."""
    made = {(statement.kind, statement.name) for statement in pre_data(catalog)}
    columns = {("column", f"{t.qualified}.{column.name}") for t in catalog.tables for column in t.columns}
    return frozenset(made | columns)


def carried(catalog: Catalog) -> list[SchemaItem]:
    """The items that are not left out, in order."""
    return [item for item in catalog.items if not item.left_out]


def _statement(catalog: Catalog, item: SchemaItem) -> Statement:
    version = catalog.server_version
    return Statement(item.kind, item.name, item.sql, item.table, item.stage, catalog.schema, version, item)


def _extension(catalog: Catalog, name: str) -> Statement:
    home = catalog.extensions.get(name, "public")
    sql = f"CREATE EXTENSION IF NOT EXISTS {ident(name)} WITH SCHEMA {ident(home)}"
    if home not in ("public", "pg_catalog", catalog.schema):
        missing = f"pg_catalog.to_regnamespace({literal(ident(home))}) IS NULL"
        make = f"IF {missing} THEN CREATE SCHEMA {ident(home)}; END IF; {sql};"
        sql = f"DO $wsdash$ BEGIN {make} END $wsdash$"
    return Statement("extension", name, sql, schema=catalog.schema)


@described("reading sequences")
async def sequence_values(conn: asyncpg.Connection, catalog: Catalog) -> list[Statement]:
    """One setval a sequence, free, serial or identity, with the values of now.

    Sequences are not transactional: read them while nobody writes, or after the rows' snapshot.
    """
    rows = await conn.fetch(
        "SELECT c.oid, c.relname AS name FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relkind = 'S' ORDER BY 2",
        catalog.schema,
        timeout=TIMEOUT,
    )
    carried_names = {item.name for item in carried(catalog) if item.kind == "sequence"}
    left_out = {item.name for item in catalog.of("sequence")} - carried_names
    statements = []
    for row in rows:
        name = f"{catalog.schema}.{row['name']}"
        if name in left_out:
            continue
        quoted = ident(catalog.schema, row["name"])
        value = await conn.fetchrow(f"SELECT last_value, is_called FROM {quoted}", timeout=TIMEOUT)
        assert value is not None
        sql = (
            f"SELECT pg_catalog.setval({literal(quoted)}::regclass, {value['last_value']}, "
            f"{'true' if value['is_called'] else 'false'})"
        )
        statements.append(Statement("sequence value", name, sql, schema=catalog.schema))
    return statements
