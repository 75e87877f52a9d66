"""Drafts of what follows the rows: constraints, indexes, views, rules, triggers, policies, statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import asyncpg

from wsdash.data.catalog import queries
from wsdash.data.catalog.items import (
    FOREIGN_KEYS,
    INDEXES,
    KEYS,
    SECURITY,
    TRIGGERS,
    VIEWS,
    Draft,
    SchemaItem,
    fetch_defined,
)
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident
from wsdash.data.tables.shape import Table
from wsdash.data.timescaledb.hypertable import trigger_left_out

TIMEOUT = TIMEOUT
STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
"""States of triggers and rules other than the usual one."""
Named = Mapping[int, tuple[str, str]]
"""Relations by oid: their schema and name."""


def _where(named: Named, oid: int) -> tuple[str, str]:
    """A relation for people, and quoted."""
    return ".".join(named[oid]), ident(*named[oid])


async def read_constraints(conn: asyncpg.Connection, tables: dict[int, Table]) -> list[Draft]:
    """Keys, uniques, exclusions, checks and foreign keys; NOT NULL is a column's own affair."""
    named = {oid: (table.schema, table.name) for oid, table in tables.items()}
    drafts = []
    for row in await fetch_defined(conn, queries.CONSTRAINTS, list(tables)):
        table, quoted = _where(named, row["relation"])
        folded = tables[row["relation"]].hypertable
        item = SchemaItem(
            "constraint",
            f"{table}.{row['name']}",
            f"ALTER TABLE {quoted} ADD CONSTRAINT {ident(row['name'])} {row['definition']}",
            table=table,
            stage=FOREIGN_KEYS if row["type"] == "f" else KEYS,
            body=f"{table} {row['definition']}",
            since=_since(row["type"], row["definition"]),
            left_out="it holds for the parent's own rows only, and these have chunks of their own"
            if folded and row["type"] == "c" and row["own_rows_only"]
            else "",
        )
        refs = [("pg_constraint", row["oid"])]
        if row["index"] and row["type"] in "pux":
            refs.append(("pg_class", row["index"]))
        rank = f"{'puxncf'.index(row['type'])} {table}"
        drafts.append(Draft(item, refs, f"CONSTRAINT {ident(row['name'])} ON {quoted}", rank))
    return drafts


async def read_attached_constraints(
    conn: asyncpg.Connection, namespace: int, schema: str, tables: Iterable[int]
) -> tuple[list[Draft], list[Draft]]:
    """Domains' checks that are not validated, which must wait for the rows; and subjects for the comments of
    constraints that their column or domain makes."""
    drafts: list[Draft] = []
    subjects: list[Draft] = []
    for row in await fetch_defined(conn, queries.ATTACHED_CONSTRAINTS, namespace, list(tables)):
        name, owner = row["name"], row["domain"] or row["relation"]
        item = SchemaItem("constraint", f"{schema}.{owner}.{name}", stage=KEYS)
        on = f"{'DOMAIN ' if row['domain'] else ''}{ident(schema, owner)}"
        if not row["valid"]:
            sql = f"ALTER DOMAIN {ident(schema, owner)} ADD CONSTRAINT {ident(name)} {row['definition']}"
            item = replace(item, sql=sql, body=f"{schema}.{owner} {row['definition']}")
        elif row["type"] == "n":
            item = replace(item, since=170000 if row["domain"] else 180000)
        found = drafts if not row["valid"] else subjects
        found.append(Draft(item, [("pg_constraint", row["oid"])], f"CONSTRAINT {ident(name)} ON {on}"))
    return drafts, subjects


def _since(kind: str, definition: str) -> int:
    """The server version that first understood a constraint, 0 for all that are supported."""
    new = kind == "n" or definition.endswith(" NOT ENFORCED")
    return 180000 if new or " WITHOUT OVERLAPS" in definition or "PERIOD " in definition else 0


async def read_indexes(conn: asyncpg.Connection, named: Named, rows: Mapping[int, int]) -> list[Draft]:
    """Indexes that no constraint owns, the longest to build first. rows: estimates by relation's oid."""
    drafts = []
    for row in await fetch_defined(conn, queries.INDEXES, list(named)):
        table, _ = _where(named, row["relation"])
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
        for target in row["targets"]:
            sql = f"ALTER INDEX {name} ALTER COLUMN {target}"
            option = SchemaItem("column option", f"{item.name} {target}", sql, table=table, stage=INDEXES)
            drafts.append(Draft(option, [], rank="9", after=[("pg_class", row["oid"])]))
        if row["tablespace"]:
            drafts.append(_tablespace(row["tablespace"], item.name, table))
    return drafts


def _tablespace(tablespace: str, name: str, table: str) -> Draft:
    reason = "the target's default tablespace is used"
    return Draft(SchemaItem("tablespace", f"{tablespace} of {name}", table=table, left_out=reason), [])


def _table_state(kind: str, table: str, sql: str, after: list[tuple[str, int]]) -> Draft:
    item = SchemaItem(kind, table, sql, table=table, stage=INDEXES)
    return Draft(item, [], rank="9", after=after)


async def read_views(conn: asyncpg.Connection, namespace: int, schema: str) -> list[Draft]:
    """Views and materialized views, with the comments of their columns."""
    drafts = []
    for row in await fetch_defined(conn, queries.VIEWS, namespace):
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
    """Rewrite rules other than the views' own, each with the command that switches it off where it is off."""
    drafts = []
    for row in await fetch_defined(conn, queries.RULES, list(named)):
        table, quoted = _where(named, row["relation"])
        sql = row["definition"].rstrip().rstrip(";")
        item = SchemaItem("rule", f"{table}.{row['name']}", sql, table=table, stage=TRIGGERS)
        drafts.append(Draft(item, [("pg_rewrite", row["oid"])], f"RULE {ident(row['name'])} ON {quoted}"))
        if row["enabled"] in STATES:
            sql = f"ALTER TABLE {quoted} {STATES[row['enabled']]} RULE {ident(row['name'])}"
            state = SchemaItem("rule state", item.name, sql, table=table, stage=TRIGGERS)
            drafts.append(Draft(state, [], rank="0", after=[("pg_rewrite", row["oid"])]))
    return drafts


async def read_view_defaults(conn: asyncpg.Connection, named: Named) -> list[Draft]:
    """The defaults of views' columns. named: the views."""
    if not named:
        return []
    drafts = []
    for row in await conn.fetch(queries.VIEW_DEFAULTS, list(named), timeout=TIMEOUT):
        view, quoted = _where(named, row["relation"])
        sql = f"ALTER VIEW {quoted} ALTER COLUMN {ident(row['name'])} SET DEFAULT {row['expression']}"
        item = SchemaItem("default", f"{view}.{row['name']}", sql, stage=VIEWS)
        after = [("pg_class", row["relation"])]
        drafts.append(Draft(item, [("pg_attrdef", row["oid"])], after=after))
    return drafts


async def read_triggers(
    conn: asyncpg.Connection, named: Named, tables: dict[int, Table]
) -> tuple[list[Draft], set[int]]:
    """Users' triggers on roots and views; and the functions that only routing triggers call."""
    drafts: list[Draft] = []
    routing: set[int] = set()
    used: set[int] = set()
    for row in await fetch_defined(conn, queries.TRIGGERS, list(named)):
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
        if row["enabled"] in STATES and not left_out:
            sql = f"ALTER TABLE {quoted} {STATES[row['enabled']]} TRIGGER {ident(row['name'])}"
            state = SchemaItem("trigger state", item.name, sql, table=table, stage=TRIGGERS)
            drafts.append(Draft(state, [], rank="9", after=[("pg_trigger", row["oid"])]))
    return drafts, routing - used


async def read_security(
    conn: asyncpg.Connection, tables: dict[int, Table], present: frozenset[str]
) -> list[Draft]:
    """Row-level security: its state, its policies and the roles they name; and what else a table's own row in
    pg_class says. present: of read_present."""
    named = {oid: (table.schema, table.name) for oid, table in tables.items()}
    policies = []
    if "pg_policy" in present:
        policies = await conn.fetch(queries.POLICIES, list(tables), timeout=TIMEOUT)
    drafts = [_policy(row, *_where(named, row["relation"])) for row in policies]
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
            drafts.append(_table_state("replica identity", table, sql, [("pg_class", row["oid"])]))
        if row["identity_index"] and row["identity"] == "i":
            sql = f"ALTER TABLE {quoted} REPLICA IDENTITY USING INDEX {row['identity_name']}"
            after = [("pg_class", row["identity_index"])]
            drafts.append(_table_state("replica identity", table, sql, after))
        if row["cluster_index"]:
            sql = f"ALTER TABLE {quoted} CLUSTER ON {row['cluster_name']}"
            drafts.append(_table_state("cluster", table, sql, [("pg_class", row["cluster_index"])]))
        drafts += _plain_instead(row, table)
    return drafts


def _plain_instead(row: Any, table: str) -> list[Draft]:
    """What a table loses because it is made as a plain one in the default place."""
    drafts = [_tablespace(row["tablespace"], table, table)] if row["tablespace"] else []
    if row["type"] != "-":
        reason = "its columns are carried; that the type may not be changed without it is not"
        item = SchemaItem("table of a type", f"{table} of {row['type']}", table=table, left_out=reason)
        drafts.append(Draft(item, []))
    if row["method"]:
        reason = "the target's default access method is used"
        item = SchemaItem("table access method", f"{row['method']} of {table}", table=table, left_out=reason)
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
    item = SchemaItem(
        "policy",
        f"{table}.{row['name']}",
        " ".join(parts),
        table=table,
        stage=SECURITY,
        roles=tuple(row["named"]),
    )
    return Draft(item, [("pg_policy", row["oid"])], f"POLICY {ident(row['name'])} ON {quoted}", rank="5")


async def read_statistics(conn: asyncpg.Connection, tables: dict[int, Table]) -> list[Draft]:
    """Extended statistics."""
    drafts = []
    for row in await fetch_defined(conn, queries.STATISTICS, list(tables)):
        table = tables[row["relation"]].qualified
        name = ident(row["schema"], row["name"])
        item = SchemaItem(
            "statistics", f"{row['schema']}.{row['name']}", row["definition"], table=table, stage=INDEXES
        )
        drafts.append(Draft(item, [("pg_statistic_ext", row["oid"])], f"STATISTICS {name}", rank="8"))
        if row["target"] >= 0:
            sql = f"ALTER STATISTICS {name} SET STATISTICS {row['target']}"
            option = SchemaItem("statistics target", item.name, sql, table=table, stage=INDEXES)
            drafts.append(Draft(option, [], rank="9", after=[("pg_statistic_ext", row["oid"])]))
    return drafts
