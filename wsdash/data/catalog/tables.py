"""Drafts of what comes before the rows: types, sequences, functions, then the tables themselves.

CREATE TABLE, defaults that need a function, options of columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import asyncpg

from wsdash.data.catalog import queries
from wsdash.data.catalog.items import VIEWS, Draft, SchemaItem, fetch_defined, worth_asking
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident, literal
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


TIMESCALE_CALLS = re.compile(
    r"\b(time_bucket\w*|create_hypertable|drop_chunks|show_chunks|(de)?compress_chunk|add_\w+_policy"
    r"|remove_\w+_policy|hypertable_\w*size|approximate_row_count|_timescaledb_\w+)\b",
    re.IGNORECASE,
)


async def read_types(
    conn: asyncpg.Connection, namespace: int, schema: str, present: frozenset[str]
) -> list[Draft]:
    """Enums, domains, composite types and ranges. present: of read_present."""
    questions = (
        (("pg_type e",), (queries.ENUMS, _enum)),
        (("pg_type d",), (queries.DOMAINS, _domain)),
        (("pg_class c",), (queries.COMPOSITES, _composite)),
        (("pg_type r",), (queries.RANGES, _range)),
    )
    drafts = []
    for sql, make in worth_asking(present, questions):
        drafts += [make(schema, row) for row in await conn.fetch(sql, namespace, timeout=TIMEOUT)]
    return drafts


def _composite(schema: str, row: Any) -> Draft:
    name = ident(schema, row["name"])
    sql = f"CREATE TYPE {name} AS ({', '.join(row['fields'])})"
    item = SchemaItem("composite type", f"{schema}.{row['name']}", sql)
    return Draft(item, [("pg_type", row["type_oid"]), ("pg_class", row["oid"])], f"TYPE {name}")


def _enum(schema: str, row: Any) -> Draft:
    name = ident(schema, row["name"])
    sql = f"CREATE TYPE {name} AS ENUM ({', '.join(literal(label) for label in row['labels'])})"
    return Draft(
        SchemaItem("enum", f"{schema}.{row['name']}", sql), [("pg_type", row["oid"])], f"TYPE {name}"
    )


def _domain(schema: str, row: Any) -> Draft:
    name = ident(schema, row["name"])
    parts = [f"CREATE DOMAIN {name} AS {row['type']}"]
    if row["collation"]:
        parts.append(f"COLLATE {row['collation']}")
    if row["expression"] is not None:
        parts.append(f"DEFAULT {row['expression']}")
    if row["not_null_name"]:
        parts.append(f"CONSTRAINT {ident(row['not_null_name'])}")
    if row["not_null"]:
        parts.append("NOT NULL")
    item = SchemaItem("domain", f"{schema}.{row['name']}", " ".join(parts + row["checks"]))
    refs = [("pg_type", row["oid"]), *(("pg_constraint", oid) for oid in row["constraints"])]
    return Draft(item, refs, f"DOMAIN {name}")


def _range(schema: str, row: Any) -> Draft:
    name = ident(schema, row["name"])
    options = [f"SUBTYPE = {row['subtype']}"]
    for option, value in (
        ("SUBTYPE_OPCLASS", row["opclass"]),
        ("COLLATION", row["collation"]),
        ("SUBTYPE_DIFF", row["subdiff"]),
        ("MULTIRANGE_TYPE_NAME", ident(schema, row["multirange"])),
    ):
        if value:
            options.append(f"{option} = {value}")
    left_out = "its canonical function is in C; create it by hand" if row["canonical"] else ""
    sql = f"CREATE TYPE {name} AS RANGE ({', '.join(options)})"
    item = SchemaItem("range type", f"{schema}.{row['name']}", sql, left_out=left_out)
    return Draft(item, [("pg_type", row["oid"])], f"TYPE {name}")


async def read_functions(conn: asyncpg.Connection, namespace: int, schema: str) -> list[Draft]:
    """Functions and procedures; those in C are named as left out."""
    return [_function(schema, row) for row in await fetch_defined(conn, queries.FUNCTIONS, namespace)]


def _function(schema: str, row: Any) -> Draft:
    word = "PROCEDURE" if row["kind"] == "p" else "FUNCTION"
    signature = f"{ident(schema, row['name'])}({row['arguments']})"
    left_out = note = ""
    if row["language"] in ("c", "internal"):
        left_out = "it is a C function; install its library on the target"
    elif TIMESCALE_CALLS.search(row["source"] or ""):
        note = "its body calls TimescaleDB, which the target does not have"
    item = SchemaItem(
        "procedure" if row["kind"] == "p" else "function",
        f"{schema}.{row['name']}({row['arguments']})",
        re.sub(r"^CREATE OR REPLACE ", "CREATE ", row["definition"].rstrip()),
        left_out=left_out,
        note=note,
    )
    return Draft(item, [("pg_proc", row["oid"])], f"{word} {signature}")


async def read_sequences(
    conn: asyncpg.Connection, namespace: int, schema: str, roots: dict[int, str]
) -> tuple[list[Draft], list[Draft], dict[tuple[int, str], str]]:
    """Drafts of the free and the serial sequences, subjects for the grants and comments of identity columns'
    sequences (which their tables make), and the text that each of these needs in its column.

    roots: table names by oid. A sequence that only a chunk owns is left out.
    """
    drafts: list[Draft] = []
    subjects: list[Draft] = []
    identities: dict[tuple[int, str], str] = {}
    for row in await conn.fetch(queries.SEQUENCES, namespace, timeout=TIMEOUT):
        name = ident(schema, row["name"])
        options = _sequence_options(row)
        if row["owned"] == "i":
            if row["owner"] in roots:
                subjects.append(_identity(schema, roots[row["owner"]], row))
            identities[row["owner"], row["owner_column"]] = f"(SEQUENCE NAME {name} {options})"
            continue
        item = SchemaItem(
            "sequence",
            f"{schema}.{row['name']}",
            f"CREATE SEQUENCE {name} AS {row['type']} {options}",
            body=f"{row['type']} {row['increment']} {row['minimum']} {row['maximum']} {row['cycle']}",
            # as unlogged tables: a Neon compute empties what is unlogged at each restart
            note="logged instead of UNLOGGED" if row["unlogged"] else "",
        )
        if row["owned"] and row["owner"] not in roots:
            item = SchemaItem("sequence", item.name, left_out="it belongs to a column that is not carried")
        drafts.append(Draft(item, [("pg_class", row["oid"])], f"SEQUENCE {name}"))
        if row["owned"] and row["owner"] in roots:
            drafts.append(_owner(schema, roots[row["owner"]], row))
    return drafts, subjects, identities


def _identity(schema: str, table: str, row: Any) -> Draft:
    item = SchemaItem("sequence", f"{schema}.{row['name']}", table=f"{schema}.{table}")
    return Draft(item, [("pg_class", row["oid"])], f"SEQUENCE {ident(schema, row['name'])}")


def _sequence_options(row: Any) -> str:
    return (
        f"START WITH {row['start']} INCREMENT BY {row['increment']} MINVALUE {row['minimum']} "
        f"MAXVALUE {row['maximum']} CACHE {row['cache']} {'CYCLE' if row['cycle'] else 'NO CYCLE'}"
    )


def _owner(schema: str, table: str, row: Any) -> Draft:
    column = ident(schema, table, row["owner_column"])
    sql = f"ALTER SEQUENCE {ident(schema, row['name'])} OWNED BY {column}"
    item = SchemaItem("sequence owner", f"{schema}.{row['name']}", sql, table=f"{schema}.{table}")
    after = [("pg_class", row["oid"]), ("pg_class", row["owner"])]
    return Draft(item, [], rank="2", after=after)
