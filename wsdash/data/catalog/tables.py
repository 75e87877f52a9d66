"""Drafts of the tables themselves: CREATE TABLE, defaults that need a function, options of columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import asyncpg

from wsdash.data.catalog import queries
from wsdash.data.catalog.items import VIEWS, Draft, SchemaItem
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.quoting import ident, literal
from wsdash.data.tables.read import read_columns
from wsdash.data.tables.shape import Column, Table

STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "x": "EXTENDED", "m": "MAIN"}
COMPRESSION = {"p": "pglz", "l": "lz4"}


async def table_drafts(
    conn: asyncpg.Connection, namespace: int, tables: dict[int, Table], identities: dict[tuple[int, str], str]
) -> list[Draft]:
    """One draft a table,
    and one for every default that calls a function of the schema and every column option."""
    columns = {(oid, column.name): column for oid, table in tables.items() for column in table.columns}
    drafts: dict[int, Draft] = {}
    apart: dict[tuple[int, str], int] = {}
    for row in await conn.fetch(queries.DEFAULTS, list(tables), namespace, timeout=TIMEOUT):
        column = columns[row["relation"], row["name"]]
        drafts.setdefault(row["relation"], _empty(row["relation"]))
        if row["by_function"] and not column.generated:
            apart[row["relation"], row["name"]] = row["oid"]
        else:
            drafts[row["relation"]].refs.append(("pg_attrdef", row["oid"]))
    extra: list[Draft] = []
    for oid, table in tables.items():
        draft = drafts.setdefault(oid, _empty(oid))
        name = ident(table.schema, table.name)
        left = {column for relation, column in apart if relation == oid}
        lines = [_column_line(oid, column, identities, column.name in left) for column in table.columns]
        # always logged: Neon empties unlogged tables at each restart, plain PostgreSQL after a crash
        sql = f"CREATE TABLE {name} (\n  "
        sql += ",\n  ".join(lines) + "\n)"
        if table.options:
            options = (
                f"{_option_name(key)} = {literal(value)}" for key, value in sorted(table.options.items())
            )
            sql += f" WITH ({', '.join(options)})"
        draft.item = SchemaItem("table", table.qualified, sql, table=table.qualified, shape=table)
        draft.comment_on = f"TABLE {name}"
        draft.rank = "1"
        for column in table.columns:
            if (oid, column.name) in apart:
                extra.append(_default(table, column, apart[oid, column.name]))
            extra += _column_options(oid, table, column)
    return [*drafts.values(), *extra]


def _empty(oid: int) -> Draft:
    return Draft(SchemaItem("table", ""), [("pg_class", oid)])


def _option_name(key: str) -> str:
    return ".".join(ident(part) for part in key.split(".", 1))


def _column_line(
    oid: int, column: Column, identities: dict[tuple[int, str], str], without_default: bool
) -> str:
    parts = [ident(column.name), column.type]
    if column.collation:
        parts.append(f"COLLATE {column.collation}")
    if column.generated:
        word = "STORED" if column.generated == "s" else "VIRTUAL"
        parts.append(f"GENERATED ALWAYS AS ({column.default}) {word}")
    elif column.identity:
        word = "ALWAYS" if column.identity == "a" else "BY DEFAULT"
        parts.append(f"GENERATED {word} AS IDENTITY {identities.get((oid, column.name), '')}".rstrip())
    elif column.default is not None and not without_default:
        parts.append(f"DEFAULT {column.default}")
    if column.not_null:
        # servers before 18 accept the name and forget it
        parts.append(
            f"CONSTRAINT {ident(column.not_null_name)} NOT NULL" if column.not_null_name else "NOT NULL"
        )
    return " ".join(parts)


def _default(table: Table, column: Column, oid: int) -> Draft:
    name = ident(table.schema, table.name)
    sql = f"ALTER TABLE {name} ALTER COLUMN {ident(column.name)} SET DEFAULT {column.default}"
    item = SchemaItem("default", f"{table.qualified}.{column.name}", sql, table=table.qualified)
    return Draft(item, [("pg_attrdef", oid)], rank="3")


async def view_options(conn: asyncpg.Connection, views: Mapping[int, tuple[str, str]]) -> list[Draft]:
    """Options of materialized views' columns. views: schema and name by oid."""
    if not views:
        return []
    drafts = []
    for oid, columns in (await read_columns(conn, list(views))).items():
        table = Table(*views[oid], tuple(columns))
        for draft in (one for column in columns for one in _column_options(oid, table, column)):
            draft.item = replace(draft.item, stage=VIEWS, table="")
            drafts.append(draft)
    return drafts


def _column_options(oid: int, table: Table, column: Column) -> list[Draft]:
    alter = f"ALTER TABLE {ident(table.schema, table.name)} ALTER COLUMN {ident(column.name)} "
    drafts = []
    for key, value in sorted(column.options.items()):
        if key == "storage":
            sql = f"{alter}SET STORAGE {STORAGE[value]}"
        elif key == "compression":
            sql = f"{alter}SET COMPRESSION {COMPRESSION[value]}"
        elif key == "statistics":
            sql = f"{alter}SET STATISTICS {int(value)}"
        else:
            sql = f"{alter}SET ({ident(key)} = {literal(value)})"
        item = SchemaItem(
            "column option", f"{table.qualified}.{column.name}.{key}", sql, table=table.qualified
        )
        drafts.append(Draft(item, [], rank="4", after=[("pg_class", oid)]))
    return drafts
