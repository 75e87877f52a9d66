"""Collations, text search, conversions, operators, operator classes, aggregates and casts: read and made
again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import asyncpg

from wsdash.data.catalog.items import Draft, SchemaItem
from wsdash.data.catalog.kinds import queries
from wsdash.data.catalog.present import worth_asking
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.quoting import ident, literal

Make: TypeAlias = Callable[[str, Any], Draft]
"""From the schema's name and a question's row."""

PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
NOT_MADE = {
    "foreign table": "its rows are in another server: create server, user mapping and table by hand",
    "shell type": "it was only declared and never defined; nothing can use it",
    "base type": "its functions are in C: install its library in the target and create it by hand",
}
"""Kinds that are never carried, and what to do. What needs them falls with them, or blocks if it is a
table."""
_AGGREGATE_OPTIONS = (
    ("SSPACE", "space"),
    ("FINALFUNC", "final"),
    ("COMBINEFUNC", "combine"),
    ("SERIALFUNC", "serial"),
    ("DESERIALFUNC", "deserial"),
    ("MSFUNC", "moving"),
    ("MINVFUNC", "inverse"),
    ("MSTYPE", "moving_type"),
    ("MSSPACE", "moving_space"),
    ("MFINALFUNC", "moving_final"),
    ("SORTOP", "sort"),
)
_MODIFY = {"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}
_PARALLEL = {"s": "SAFE", "r": "RESTRICTED"}


async def read_made(
    conn: asyncpg.Connection, namespace: int, schema: str, present: frozenset[str]
) -> list[Draft]:
    """The drafts of a schema's objects of these kinds, and of NOT_MADE. `conn` sees pg_catalog only.

    present: of read_present.
    """
    drafts = []
    questions: tuple[tuple[tuple[str, ...], tuple[str, Make]], ...] = (
        (("pg_collation",), (queries.COLLATIONS, _collation)),
        (("pg_ts_dict", "pg_ts_template", "pg_ts_parser"), (queries.SEARCH, _search)),
        (("pg_ts_config",), (queries.CONFIGURATIONS, _configuration)),
        (("pg_conversion",), (queries.CONVERSIONS, _conversion)),
        (("pg_operator",), (queries.OPERATORS, _operator)),
        (("pg_opfamily",), (queries.FAMILIES, _family)),
        (("pg_opclass",), (queries.CLASSES, _class)),
        (("pg_proc a",), (queries.AGGREGATES, _aggregate)),
        (("pg_cast",), (queries.CASTS, _cast)),
    )
    for sql, make in worth_asking(present, questions):
        drafts += [make(schema, row) for row in await conn.fetch(sql, namespace, timeout=TIMEOUT)]
    for row in await conn.fetch(queries.NOT_MADE, namespace, timeout=TIMEOUT):
        kind, name = row["kind"], f"{schema}.{row['name']}"
        item = SchemaItem(kind, name, left_out=NOT_MADE[kind])
        drafts.append(Draft(item, [(row["class"], row["oid"])]))
    return drafts


def _listed(options: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in options if value not in (None, ""))


def _collation(schema: str, row: Any) -> Draft:
    name = ident(schema, row["name"])
    options: list[tuple[str, object]] = [("provider", PROVIDERS.get(row["provider"], row["provider"]))]
    if row["provider"] == "c":
        options += [("lc_collate", literal(row["collate"])), ("lc_ctype", literal(row["ctype"]))]
    else:
        options += [("locale", literal(row["locale"] or ""))]
        options += [("rules", literal(row["rules"]) if row["rules"] else "")]
    options += [("deterministic", "" if row["deterministic"] else "false")]
    sql = f"CREATE COLLATION {name} ({_listed(options)})"
    item = SchemaItem("collation", f"{schema}.{row['name']}", sql)
    return Draft(item, [("pg_collation", row["oid"])], f"COLLATION {name}", rank="")


def _search(schema: str, row: Any) -> Draft:
    """Dictionaries, templates and parsers of text search."""
    name, word = ident(schema, row["name"]), row["kind"].upper()
    if row["kind"] == "text search dictionary":
        options = f"TEMPLATE = {row['template']}" + (f", {row['options']}" if row["options"] else "")
    else:
        options = _listed(zip(row["keys"], row["functions"], strict=True))
    item = SchemaItem(row["kind"], f"{schema}.{row['name']}", f"CREATE {word} {name} ({options})")
    return Draft(item, [(row["class"], row["oid"])], f"{word} {name}")


def _configuration(schema: str, row: Any) -> Draft:
    name = ident(schema, row["name"])
    commands = [f"CREATE TEXT SEARCH CONFIGURATION {name} (PARSER = {row['parser']})"]
    commands += [
        f"ALTER TEXT SEARCH CONFIGURATION {name} ADD MAPPING FOR {ident(token)} WITH {dictionaries}"
        for token, dictionaries in zip(row["tokens"], row["dictionaries"], strict=True)
    ]
    item = SchemaItem("text search configuration", f"{schema}.{row['name']}", ";\n".join(commands))
    return Draft(item, [("pg_ts_config", row["oid"])], f"TEXT SEARCH CONFIGURATION {name}")


def _conversion(schema: str, row: Any) -> Draft:
    name = ident(schema, row["name"])
    default = "DEFAULT " if row["is_default"] else ""
    sql = (
        f"CREATE {default}CONVERSION {name} FOR {literal(row['source'])} TO {literal(row['target'])} "
        f"FROM {row['function']}"
    )
    item = SchemaItem("conversion", f"{schema}.{row['name']}", sql)
    return Draft(item, [("pg_conversion", row["oid"])], f"CONVERSION {name}")


def _operator(schema: str, row: Any) -> Draft:
    name = f"{ident(schema)}.{row['name']}"
    operands = f"({row['left'] or 'NONE'}, {row['right'] or 'NONE'})"
    options = _listed(
        (
            ("FUNCTION", row["function"]),
            ("LEFTARG", row["left"]),
            ("RIGHTARG", row["right"]),
            ("COMMUTATOR", row["commutator"]),
            ("NEGATOR", row["negator"]),
            ("RESTRICT", row["restrict"]),
            ("JOIN", row["join"]),
        )
    )
    options += (", HASHES" if row["hashes"] else "") + (", MERGES" if row["merges"] else "")
    item = SchemaItem("operator", f"{schema}.{row['name']}{operands}", f"CREATE OPERATOR {name} ({options})")
    return Draft(item, [("pg_operator", row["oid"])], f"OPERATOR {name} {operands}", rank="5")


def _family(schema: str, row: Any) -> Draft:
    name = f"{ident(schema, row['name'])} USING {ident(row['method'])}"
    commands = [f"CREATE OPERATOR FAMILY {name}"]
    if row["members"]:
        commands.append(f"ALTER OPERATOR FAMILY {name} ADD {', '.join(row['members'])}")
    item = SchemaItem("operator family", f"{schema}.{row['name']} for {row['method']}", ";\n".join(commands))
    refs = [("pg_opfamily", row["oid"]), *zip(row["member_classes"], row["member_oids"], strict=True)]
    return Draft(item, refs, f"OPERATOR FAMILY {name}", rank="6")


def _class(schema: str, row: Any) -> Draft:
    name = ident(schema, row["name"])
    storage = [f"STORAGE {row['storage']}"] if row["storage"] else []
    # a class needs one member at least, and its own type as storage changes nothing
    members = [*storage, *row["members"]] or [f"STORAGE {row['type']}"]
    sql = (
        f"CREATE OPERATOR CLASS {name} {'DEFAULT ' if row['is_default'] else ''}FOR TYPE {row['type']} "
        f"USING {ident(row['method'])} FAMILY {row['family']} AS {', '.join(members)}"
    )
    item = SchemaItem("operator class", f"{schema}.{row['name']} for {row['method']}", sql)
    refs = [("pg_opclass", row["oid"]), *zip(row["member_classes"], row["member_oids"], strict=True)]
    return Draft(item, refs, f"OPERATOR CLASS {name} USING {ident(row['method'])}", rank="7")


def _aggregate(schema: str, row: Any) -> Draft:
    signature = f"{ident(schema, row['name'])}({row['arguments'] or '*'})"
    options: list[tuple[str, object]] = [("SFUNC", row["state"]), ("STYPE", row["type"])]
    options += [(word, row[key]) for word, key in _AGGREGATE_OPTIONS]
    for word, key in (("INITCOND", "start"), ("MINITCOND", "moving_start")):
        options.append((word, literal(row[key]) if row[key] is not None else ""))
    for prefix, key in (("FINALFUNC", "final"), ("MFINALFUNC", "moving_final")):
        if row[key] and row[f"{key}_modify"] != row["usual_modify"]:
            options.append((f"{prefix}_MODIFY", _MODIFY[row[f"{key}_modify"]]))
    options.append(("PARALLEL", _PARALLEL.get(row["parallel"], "")))
    flags = [("FINALFUNC_EXTRA", row["final_extra"]), ("MFINALFUNC_EXTRA", row["moving_final_extra"])]
    flags.append(("HYPOTHETICAL", row["hypothetical"]))
    listed = ", ".join([_listed(options), *(word for word, wanted in flags if wanted)])
    name = f"{schema}.{row['name']}({row['arguments']})"
    item = SchemaItem("aggregate", name, f"CREATE AGGREGATE {signature} ({listed})")
    return Draft(item, [("pg_proc", row["oid"])], f"AGGREGATE {signature}", rank="5")


def _cast(schema: str, row: Any) -> Draft:
    name = f"({row['source']} AS {row['target']})"
    how = {"b": "WITHOUT FUNCTION", "i": "WITH INOUT"}.get(row["method"], f"WITH FUNCTION {row['function']}")
    when = {"a": " AS ASSIGNMENT", "i": " AS IMPLICIT"}.get(row["context"], "")
    item = SchemaItem("cast", name, f"CREATE CAST {name} {how}{when}")
    return Draft(item, [("pg_cast", row["oid"])], f"CAST {name}", rank="5")
