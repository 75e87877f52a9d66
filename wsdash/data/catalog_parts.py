"""Drafts of what follows the rows: constraints, indexes, views, rules, triggers, policies, statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from wsdash.data import catalog_queries as queries
from wsdash.data.catalog_items import (
    FOREIGN_KEYS,
    INDEXES,
    KEYS,
    PRE,
    SECURITY,
    TRIGGERS,
    VIEWS,
    Draft,
    SchemaItem,
)
from wsdash.data.hypertable import trigger_left_out
from wsdash.data.shape import Table
from wsdash.data.sql import ident

TIMEOUT = queries.TIMEOUT
Named = Mapping[int, tuple[str, str]]
"""Relations by oid: their schema and name."""


def _where(named: Named, oid: int) -> tuple[str, str]:
    """A relation for people, and quoted."""
    return ".".join(named[oid]), ident(*named[oid])


async def read_constraints(conn: asyncpg.Connection, tables: dict[int, Table]) -> list[Draft]:
    """Keys, uniques, exclusions, checks and foreign keys; NOT NULL is a column's own affair."""
    named = {oid: (table.schema, table.name) for oid, table in tables.items()}
    drafts = []
    for row in await conn.fetch(queries.CONSTRAINTS, list(tables), timeout=TIMEOUT):
        table, quoted = _where(named, row["relation"])
        folded = tables[row["relation"]].hypertable
        item = SchemaItem(
            "constraint",
            f"{table}.{row['name']}",
            f"ALTER TABLE {quoted} ADD CONSTRAINT {ident(row['name'])} {row['definition']}",
            table=table,
            stage=FOREIGN_KEYS if row["type"] == "f" else KEYS,
            body=f"{table} {row['definition']}",
            left_out="it holds for the parent's own rows only, and these have chunks of their own"
            if folded and row["type"] == "c" and row["own_rows_only"]
            else "",
        )
        refs = [("pg_constraint", row["oid"])]
        if row["index"] and row["type"] in "pux":
            refs.append(("pg_class", row["index"]))
        rank = f"{'puxcf'.index(row['type'])} {table}"
        drafts.append(Draft(item, refs, f"CONSTRAINT {ident(row['name'])} ON {quoted}", rank))
    return drafts


async def read_indexes(conn: asyncpg.Connection, named: Named, rows: Mapping[int, int]) -> list[Draft]:
    """Indexes that no constraint owns, the longest to build first. rows: estimates by relation's oid."""
    drafts = []
    for row in await conn.fetch(queries.INDEXES, list(named), timeout=TIMEOUT):
        table, quoted = _where(named, row["relation"])
        name = ident(named[row["relation"]][0], row["name"])
        head, _, rest = row["definition"].partition(f" INDEX {row['quoted']} ON ")
        # PostgreSQL prints a partitioned root's index with ONLY; on the plain table it must not be there
        rest = rest.removeprefix("ONLY ")
        item = SchemaItem(
            "index",
            f"{named[row['relation']][0]}.{row['name']}",
            f"{head} INDEX {row['quoted']} ON {rest}",
            table=table,
            stage=INDEXES if row["relation"] in rows else VIEWS,
            body=f"{head} {rest}",
            left_out="" if row["valid"] or " ONLY " in row["definition"] else "it is not valid in the source",
        )
        slow = 0 if row["method"] in ("gin", "gist", "spgist") else 1
        rank = f"{slow} {10**15 - rows.get(row['relation'], 0):016d} {99 - row['width']:02d}"
        after = [("pg_class", row["relation"])]
        drafts.append(Draft(item, [("pg_class", row["oid"])], f"INDEX {name}", rank, after))
        if row["identity"]:
            sql = f"ALTER TABLE {quoted} REPLICA IDENTITY USING INDEX {row['quoted']}"
            drafts.append(_identity(table, sql, [("pg_class", row["oid"])]))
    return drafts


def _identity(table: str, sql: str, after: list[tuple[str, int]]) -> Draft:
    item = SchemaItem("replica identity", table, sql, table=table, stage=INDEXES)
    return Draft(item, [], rank="9", after=after)


async def read_views(conn: asyncpg.Connection, namespace: int, schema: str) -> list[Draft]:
    """Views and materialized views, with the comments of their columns."""
    drafts = []
    for row in await conn.fetch(queries.VIEWS, namespace, timeout=TIMEOUT):
        name = ident(schema, row["name"])
        kind = "view" if row["kind"] == "v" else "materialized view"
        options = f" WITH ({', '.join(row['options'])})" if row["options"] else ""
        sql = f"CREATE {kind.upper()} {name}{options} AS{_newline(row['definition'].rstrip().rstrip(';'))}"
        if kind != "view":
            sql += "\n  WITH DATA" if row["populated"] else "\n  WITH NO DATA"
        item = SchemaItem(kind, f"{schema}.{row['name']}", sql, stage=VIEWS)
        refs = [("pg_class", row["oid"]), *(("pg_rewrite", oid) for oid in row["rules"])]
        drafts.append(Draft(item, refs, f"{kind.upper()} {name}"))
    return drafts


def _newline(definition: str) -> str:
    return definition if definition.startswith((" ", "\n")) else "\n" + definition


async def read_rules(conn: asyncpg.Connection, named: Named) -> list[Draft]:
    """Rewrite rules other than the views' own."""
    drafts = []
    for row in await conn.fetch(queries.RULES, list(named), timeout=TIMEOUT):
        table, quoted = _where(named, row["relation"])
        sql = row["definition"].rstrip().rstrip(";")
        item = SchemaItem("rule", f"{table}.{row['name']}", sql, table=table, stage=TRIGGERS)
        drafts.append(Draft(item, [("pg_rewrite", row["oid"])], f"RULE {ident(row['name'])} ON {quoted}"))
    return drafts


async def read_triggers(
    conn: asyncpg.Connection, named: Named, tables: dict[int, Table]
) -> tuple[list[Draft], set[int]]:
    """Users' triggers on roots and views; and the functions that only routing triggers call."""
    drafts: list[Draft] = []
    routing: set[int] = set()
    used: set[int] = set()
    words = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
    for row in await conn.fetch(queries.TRIGGERS, list(named), timeout=TIMEOUT):
        table, quoted = _where(named, row["relation"])
        left_out = trigger_left_out(row, tables.get(row["relation"]))
        (routing if left_out else used).add(row["function_oid"])
        item = SchemaItem(
            "trigger",
            f"{table}.{row['name']}",
            row["definition"],
            table=table,
            stage=TRIGGERS,
            left_out=left_out,
        )
        draft = Draft(item, [("pg_trigger", row["oid"])], f"TRIGGER {ident(row['name'])} ON {quoted}")
        drafts.append(draft)
        if row["enabled"] in words and not left_out:
            sql = f"ALTER TABLE {quoted} {words[row['enabled']]} TRIGGER {ident(row['name'])}"
            state = SchemaItem("trigger state", item.name, sql, table=table, stage=TRIGGERS)
            drafts.append(Draft(state, [], rank="9", after=[("pg_trigger", row["oid"])]))
    return drafts, routing - used


async def read_security(conn: asyncpg.Connection, tables: dict[int, Table]) -> list[Draft]:
    """Row-level security: its state and its policies; and what else a table's own row in pg_class says."""
    named = {oid: (table.schema, table.name) for oid, table in tables.items()}
    drafts = [
        _policy(row, *_where(named, row["relation"]))
        for row in await conn.fetch(queries.POLICIES, list(tables), timeout=TIMEOUT)
    ]
    for row in await conn.fetch(queries.RELATION_STATE, list(tables), timeout=TIMEOUT):
        table, quoted = _where(named, row["oid"])
        for word, wanted in (("ENABLE", row["secured"]), ("FORCE", row["forced"])):
            if wanted:
                sql = f"ALTER TABLE {quoted} {word} ROW LEVEL SECURITY"
                name = f"{table} {word.lower()}d" if word == "ENABLE" else f"{table} forced"
                item = SchemaItem("row security", name, sql, table=table, stage=SECURITY)
                drafts.append(Draft(item, [], rank="9"))
        if row["identity"] in "fn":
            word = "FULL" if row["identity"] == "f" else "NOTHING"
            sql = f"ALTER TABLE {quoted} REPLICA IDENTITY {word}"
            drafts.append(_identity(table, sql, [("pg_class", row["oid"])]))
        if row["tablespace"]:
            reason = "the target's default tablespace is used"
            item = SchemaItem("tablespace", f"{row['tablespace']} of {table}", table=table, left_out=reason)
            drafts.append(Draft(item, []))
    return drafts


def _policy(row: Any, table: str, quoted: str) -> Draft:
    command = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}.get(row["command"], "ALL")
    parts = [f"CREATE POLICY {ident(row['name'])} ON {quoted}"]
    parts.append(f"AS {'PERMISSIVE' if row['permissive'] else 'RESTRICTIVE'} FOR {command}")
    parts.append(f"TO {', '.join(row['roles'])}")
    if row["qualifier"] is not None:
        parts.append(f"USING ({row['qualifier']})")
    if row["checked"] is not None:
        parts.append(f"WITH CHECK ({row['checked']})")
    item = SchemaItem("policy", f"{table}.{row['name']}", " ".join(parts), table=table, stage=SECURITY)
    return Draft(item, [("pg_policy", row["oid"])], f"POLICY {ident(row['name'])} ON {quoted}")


async def read_statistics(conn: asyncpg.Connection, tables: dict[int, Table]) -> list[Draft]:
    """Extended statistics."""
    drafts = []
    for row in await conn.fetch(queries.STATISTICS, list(tables), timeout=TIMEOUT):
        table = tables[row["relation"]].qualified
        name = ident(row["schema"], row["name"])
        item = SchemaItem(
            "statistics", f"{row['schema']}.{row['name']}", row["definition"], table=table, stage=INDEXES
        )
        drafts.append(Draft(item, [("pg_statistic_ext", row["oid"])], f"STATISTICS {name}", rank="8"))
    return drafts


async def read_left_out(conn: asyncpg.Connection, namespace: int, schema: str) -> list[Draft]:
    """Kinds of objects that are never carried, by name."""
    reason = "objects of this kind are not carried; create it by hand where it is used"
    own = [
        Draft(SchemaItem(row["kind"], f"{schema}.{row['name']}", stage=PRE, left_out=reason), [])
        for row in await conn.fetch(queries.NOT_CARRIED, namespace, timeout=TIMEOUT)
    ]
    around = await conn.fetch(queries.AROUND, namespace, timeout=TIMEOUT)
    return own + [
        Draft(SchemaItem(row["kind"], row["name"], stage=PRE, left_out=row["reason"]), []) for row in around
    ]
