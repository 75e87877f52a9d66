"""Everything in a schema that DDL can make: items, and their drafts while they are being read.

Kinds that a schema has none of are not asked for. A definition that another session drops meanwhile is no
text. A database's default collation orders every text that names none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.tables.shape import Column, Table
from wsdash.model import SchemaObject
from wsdash.outside import read_json

PRE = 0
KEYS, INDEXES, FOREIGN_KEYS, VIEWS, TRIGGERS, SECURITY, GRANTS, COMMENTS = range(1, 9)
"""Stages: PRE before rows, the others after them,
in this order (needs inside a stage are kept by the order)."""

Ref = tuple[str, int]
"""A catalog's name and an oid in it: one object of the server."""

FIRST_USER_OID = 16384


@dataclass(frozen=True)
class SchemaItem:
    """One object beside the rows. name is its identity within kind, for people: unquoted and qualified.

    sql: the one command that creates it. body: what must be equal where names may differ (indexes,
    constraints). table: the qualified name of the table it belongs to, or ''. about: what a comment is on.
    left_out: why it is not carried, or ''. role: the grantee. shape: the table's. outside: what it needs
    from outside the schema, as (kind, name); needs: what of the schema. parts: a grant's single privileges.
    roles: those it cannot be made without. since: the server version that first knew such a thing, 0 for all.
    blocked: why it cannot be made although rows depend on it (a table), or ''.
    """

    kind: str
    name: str
    sql: str = ""
    table: str = ""
    stage: int = PRE
    body: str = ""
    left_out: str = ""
    note: str = ""
    outside: tuple[tuple[str, str], ...] = ()
    needs: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    parts: frozenset[str] = frozenset()
    role: str = ""
    roles: tuple[str, ...] = ()
    since: int = 0
    blocked: str = ""
    shape: Table | None = field(default=None, repr=False)
    about: SchemaItem | None = field(default=None, repr=False)


@dataclass
class Draft:
    """An item while it is being read: with the server's objects it consists of (the first one is itself).

    comment_on: how COMMENT ON names it. rank: its place among items that need nothing of each other.
    after: objects it needs beside those that the server knows of. of_parts: its objects belong to relations
    that will not exist (partitions), and it covers all of them.
    """

    item: SchemaItem
    refs: list[Ref]
    comment_on: str = ""
    rank: str = ""
    after: list[Ref] = field(default_factory=list)
    needs: set[int] = field(default_factory=set)
    of_parts: bool = False


Question = TypeVar("Question")

_OF_SCHEMA = {
    "pg_collation": "collnamespace",
    "pg_conversion": "connamespace",
    "pg_opclass": "opcnamespace",
    "pg_operator": "oprnamespace",
    "pg_opfamily": "opfnamespace",
    "pg_ts_config": "cfgnamespace",
    "pg_ts_dict": "dictnamespace",
    "pg_ts_parser": "prsnamespace",
    "pg_ts_template": "tmplnamespace",
}
_OF_DATABASE = {
    "pg_cast": "oid >= 16384",
    "pg_inherits": "true",
    "pg_policy": "true",
    "pg_publication": "true",
    "pg_rewrite": "oid >= 16384 AND rulename <> '_RETURN'",
    "pg_statistic_ext": "true",
}
"""These may lie in another schema than the table that they are about: any of them counts."""


def _question() -> str:
    parts = [
        "SELECT 'pg_type ' || typtype::text AS kind FROM pg_type WHERE typnamespace = $1 GROUP BY 1",
        "SELECT 'pg_class ' || relkind::text FROM pg_class WHERE relnamespace = $1 GROUP BY 1",
        "SELECT 'pg_proc ' || prokind::text FROM pg_proc WHERE pronamespace = $1 GROUP BY 1",
    ]
    wanted = [(catalog, f"{column} = $1") for catalog, column in _OF_SCHEMA.items()]
    parts += [
        f"SELECT '{catalog}' WHERE EXISTS (SELECT FROM {catalog} WHERE {condition})"
        for catalog, condition in (*wanted, *_OF_DATABASE.items())
    ]
    return " UNION ALL ".join(parts)


async def read_present(conn: asyncpg.Connection, namespace: int) -> frozenset[str]:
    """Catalogs that hold something of the schema; of types, relations and functions with their kind's letter
    ('pg_type e', 'pg_class v', 'pg_proc a').

    An extension's own objects count too: what is named here may turn out to be nothing, what is not named is
    certainly not there. `conn` sees pg_catalog only. Raises asyncpg.PostgresError.
    """
    return frozenset(row["kind"] for row in await conn.fetch(_question(), namespace, timeout=TIMEOUT))


def worth_asking(
    present: frozenset[str], questions: Iterable[tuple[tuple[str, ...], Question]]
) -> list[Question]:
    """Those of the questions of which one of the catalogs that they are about holds something."""
    return [question for catalogs, question in questions if not present.isdisjoint(catalogs)]


DROPPED_MEANWHILE = (asyncpg.InternalServerError, asyncpg.UndefinedTableError, asyncpg.UndefinedObjectError)
"""What functions like pg_get_indexdef say of an object that the snapshot still sees and another session has
dropped ("cache lookup failed for index"): compressing a chunk drops its indexes."""
DEFINITIONS = ("definition", "tail")
"""Columns of our queries that hold what such a function says; some of them say NULL instead."""


async def fetch_defined(conn: asyncpg.Connection, query: str, *arguments: object) -> list[Any]:
    """The rows of a query of definitions, none of which is NULL.

    Raises one of DROPPED_MEANWHILE when an object was dropped while it was read, else what the driver raises.
    """
    rows: list[Any] = await conn.fetch(query, *arguments, timeout=TIMEOUT)
    for row in rows:
        if any(row[name] is None for name in DEFINITIONS if name in row.keys()):  # noqa: SIM118 - a record
            raise asyncpg.UndefinedObjectError(
                f"{row.get('name', 'an object')} was dropped while it was read"
            )
    return rows


_TEXTUAL = re.compile(r"(text|character|citext|name|\"char\")")
_BY_BYTES = re.compile(r"(c|posix|ucs_basic|c\.utf-?8)$", re.IGNORECASE)
"""The order of UTF-8's bytes is the order of its code points, whoever provides it."""
_SHOWN = 5


def default_collation(database: str) -> str:
    """In words: 'libc en_US.utf8', 'ICU de-DE', 'builtin C.UTF-8'.

    database: its row of pg_database as JSON.
    """
    # daticulocale (15, 16) became datlocale (17), datlocprovider came with 15
    row = read_json(database)
    provider = {"b": "builtin", "i": "ICU"}.get(str(row.get("datlocprovider")), "libc")
    locale = row.get("datlocale") or row.get("daticulocale") if provider != "libc" else None
    return f"{provider} {locale or row['datcollate']}"


def changed_order(source: str, target: str, tables: Iterable[Table]) -> SchemaObject | None:
    """A line where text sorts differently in the target: by which collations, and what that touches."""
    if not source or not target or _order(source) == _order(target):
        return None
    found = [
        f"{table.name}.{column.name}" for table in tables for column in table.columns if _by_default(column)
    ]
    detail = f"{source} in the source, {target} in the target"
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        detail += (
            f": ORDER BY, < and >, min and max, ranges and pages by text change for {len(found)} columns"
            f" ({', '.join(found[:_SHOWN])}{more}); rows and uniqueness do not. Name a collation in the"
            ' queries (ORDER BY title COLLATE "...") where the old order matters'
        )
    return SchemaObject("collation", "default of the database", "adapted", detail)


def _by_default(column: Column) -> bool:
    return not column.collation and _TEXTUAL.match(column.type) is not None


def _order(collation: str) -> str:
    """The same text for the same order, as far as the names tell."""
    provider, _, locale = collation.partition(" ")
    if provider != "ICU" and _BY_BYTES.match(locale):
        return "bytes"
    return f"{provider} {locale.lower().replace('utf-8', 'utf8')}"
