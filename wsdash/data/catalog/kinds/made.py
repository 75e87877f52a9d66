"""Collations, text search, conversions, operators, operator classes, aggregates, casts: read and made.

One question for each kind; all run under search_path = pg_catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import asyncpg

from wsdash.data.catalog.items import Draft, SchemaItem, worth_asking
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident, literal

_OWN = """NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = {oid}
  AND e.deptype IN ('e', 'i'))"""

COLLATIONS = f"""
SELECT c.oid, c.collname AS name, c.collprovider::text AS provider, c.collisdeterministic AS deterministic,
       c.collcollate AS collate, c.collctype AS ctype,
       coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale') AS locale,
       to_jsonb(c) ->> 'collicurules' AS rules
FROM pg_collation c WHERE c.collnamespace = $1 AND {_OWN.format(catalog="pg_collation", oid="c.oid")}
ORDER BY 2
"""

SEARCH = f"""
SELECT 'pg_ts_dict' AS class, d.oid, 'text search dictionary' AS kind, d.dictname AS name,
       quote_ident(n.nspname) || '.' || quote_ident(t.tmplname) AS template, d.dictinitoption AS options,
       '{{}}'::text[] AS keys, '{{}}'::text[] AS functions
FROM pg_ts_dict d JOIN pg_ts_template t ON t.oid = d.dicttemplate
JOIN pg_namespace n ON n.oid = t.tmplnamespace
WHERE d.dictnamespace = $1 AND {_OWN.format(catalog="pg_ts_dict", oid="d.oid")}
UNION ALL
SELECT 'pg_ts_template', t.oid, 'text search template', t.tmplname, '', '', array['INIT', 'LEXIZE'],
       array[CASE WHEN t.tmplinit <> 0 THEN t.tmplinit::regproc::text ELSE '' END,
       t.tmpllexize::regproc::text]
FROM pg_ts_template t WHERE t.tmplnamespace = $1 AND {_OWN.format(catalog="pg_ts_template", oid="t.oid")}
UNION ALL
SELECT 'pg_ts_parser', p.oid, 'text search parser', p.prsname, '', '',
       array['START', 'GETTOKEN', 'END', 'HEADLINE', 'LEXTYPES'],
       array[p.prsstart::regproc::text, p.prstoken::regproc::text, p.prsend::regproc::text,
             CASE WHEN p.prsheadline <> 0 THEN p.prsheadline::regproc::text ELSE '' END,
             p.prslextype::regproc::text]
FROM pg_ts_parser p WHERE p.prsnamespace = $1 AND {_OWN.format(catalog="pg_ts_parser", oid="p.oid")}
ORDER BY 3, 4
"""

CONFIGURATIONS = f"""
SELECT c.oid, c.cfgname AS name, quote_ident(n.nspname) || '.' || quote_ident(p.prsname) AS parser,
       array(SELECT (SELECT alias FROM ts_token_type(c.cfgparser) WHERE tokid = m.maptokentype)
             FROM pg_ts_config_map m WHERE m.mapcfg = c.oid GROUP BY m.maptokentype ORDER BY m.maptokentype)
         AS tokens,
       array(SELECT string_agg(quote_ident(dn.nspname) || '.' || quote_ident(d.dictname), ', '
                               ORDER BY m.mapseqno)
             FROM pg_ts_config_map m JOIN pg_ts_dict d ON d.oid = m.mapdict
             JOIN pg_namespace dn ON dn.oid = d.dictnamespace
             WHERE m.mapcfg = c.oid GROUP BY m.maptokentype ORDER BY m.maptokentype) AS dictionaries
FROM pg_ts_config c JOIN pg_ts_parser p ON p.oid = c.cfgparser JOIN pg_namespace n ON n.oid = p.prsnamespace
WHERE c.cfgnamespace = $1 AND {_OWN.format(catalog="pg_ts_config", oid="c.oid")} ORDER BY 2
"""

CONVERSIONS = f"""
SELECT c.oid, c.conname AS name, pg_encoding_to_char(c.conforencoding) AS source,
       pg_encoding_to_char(c.contoencoding) AS target, c.conproc::regproc::text AS function,
       c.condefault AS is_default
FROM pg_conversion c WHERE c.connamespace = $1 AND {_OWN.format(catalog="pg_conversion", oid="c.oid")}
ORDER BY 2
"""

_OPERATOR = "'OPERATOR(' || quote_ident(on{0}.nspname) || '.' || o{0}.oprname || ')'"

OPERATORS = f"""
SELECT o.oid, o.oprname AS name, o.oprcode::regproc::text AS function,
       CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) END AS left,
       CASE WHEN o.oprright <> 0 THEN format_type(o.oprright, NULL) END AS right,
       {_OPERATOR.format(1)} AS commutator, {_OPERATOR.format(2)} AS negator,
       CASE WHEN o.oprrest <> 0 THEN o.oprrest::regproc::text END AS restrict,
       CASE WHEN o.oprjoin <> 0 THEN o.oprjoin::regproc::text END AS join,
       o.oprcanhash AS hashes, o.oprcanmerge AS merges
FROM pg_operator o
LEFT JOIN pg_operator o1 ON o1.oid = o.oprcom LEFT JOIN pg_namespace on1 ON on1.oid = o1.oprnamespace
LEFT JOIN pg_operator o2 ON o2.oid = o.oprnegate LEFT JOIN pg_namespace on2 ON on2.oid = o2.oprnamespace
WHERE o.oprnamespace = $1 AND o.oprcode <> 0 AND {_OWN.format(catalog="pg_operator", oid="o.oid")}
ORDER BY 2, 4, 5
"""

_MEMBERS = """
SELECT m.owner, m.class, m.oid, m.text FROM (
  SELECT d.refobjid AS owner, 'pg_amop' AS class, a.oid, a.amopstrategy AS number,
         'OPERATOR ' || a.amopstrategy || ' ' || quote_ident(n.nspname) || '.' || o.oprname || '('
         || CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) ELSE 'NONE' END || ', '
         || format_type(o.oprright, NULL) || ')'
         || CASE WHEN a.amoppurpose = 'o' THEN ' FOR ORDER BY ' || quote_ident(fn.nspname) || '.'
            || quote_ident(f.opfname) ELSE '' END AS text
  FROM pg_depend d JOIN pg_amop a ON d.classid = 'pg_amop'::regclass AND a.oid = d.objid
  JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
  LEFT JOIN pg_opfamily f ON f.oid = a.amopsortfamily LEFT JOIN pg_namespace fn ON fn.oid = f.opfnamespace
  WHERE d.refclassid = '{catalog}'::regclass AND d.deptype IN ({types})
  UNION ALL
  SELECT d.refobjid, 'pg_amproc', a.oid, a.amprocnum,
         'FUNCTION ' || a.amprocnum || ' (' || format_type(a.amproclefttype, NULL) || ', '
         || format_type(a.amprocrighttype, NULL) || ') ' || a.amproc::regprocedure::text
  FROM pg_depend d JOIN pg_amproc a ON d.classid = 'pg_amproc'::regclass AND a.oid = d.objid
  WHERE d.refclassid = '{catalog}'::regclass AND d.deptype IN ({types})) m
WHERE m.owner = {owner} ORDER BY m.class, m.number, m.text"""

_CLASS_MEMBERS = _MEMBERS.format(catalog="pg_opclass", types="'i'", owner="c.oid")
_FAMILY_MEMBERS = _MEMBERS.format(catalog="pg_opfamily", types="'a', 'i'", owner="f.oid")

FAMILIES = f"""
SELECT f.oid, f.opfname AS name, m.amname AS method,
       array(SELECT x.text FROM ({_FAMILY_MEMBERS}) x) AS members,
       array(SELECT x.class FROM ({_FAMILY_MEMBERS}) x) AS member_classes,
       array(SELECT x.oid FROM ({_FAMILY_MEMBERS}) x) AS member_oids
FROM pg_opfamily f JOIN pg_am m ON m.oid = f.opfmethod
WHERE f.opfnamespace = $1 AND {_OWN.format(catalog="pg_opfamily", oid="f.oid")} ORDER BY 2, 3
"""

CLASSES = f"""
SELECT c.oid, c.opcname AS name, m.amname AS method, c.opcdefault AS is_default,
       format_type(c.opcintype, NULL) AS type,
       quote_ident(n.nspname) || '.' || quote_ident(f.opfname) AS family,
       CASE WHEN c.opckeytype NOT IN (0, c.opcintype) THEN format_type(c.opckeytype, NULL) END AS storage,
       array(SELECT x.text FROM ({_CLASS_MEMBERS}) x) AS members,
       array(SELECT x.class FROM ({_CLASS_MEMBERS}) x) AS member_classes,
       array(SELECT x.oid FROM ({_CLASS_MEMBERS}) x) AS member_oids
FROM pg_opclass c JOIN pg_am m ON m.oid = c.opcmethod JOIN pg_opfamily f ON f.oid = c.opcfamily
JOIN pg_namespace n ON n.oid = f.opfnamespace
WHERE c.opcnamespace = $1 AND {_OWN.format(catalog="pg_opclass", oid="c.oid")} ORDER BY 2, 3
"""

_FUNCTION = "CASE WHEN a.{0} <> 0 THEN a.{0}::regproc::text END"

AGGREGATES = f"""
SELECT p.oid, p.proname AS name, pg_get_function_arguments(p.oid) AS arguments,
       p.proparallel::text AS parallel,
       a.aggtransfn::regproc::text AS state, format_type(a.aggtranstype, NULL) AS type,
       nullif(a.aggtransspace, 0) AS space, {_FUNCTION.format("aggfinalfn")} AS final,
       {_FUNCTION.format("aggcombinefn")} AS combine, {_FUNCTION.format("aggserialfn")} AS serial,
       {_FUNCTION.format("aggdeserialfn")} AS deserial, {_FUNCTION.format("aggmtransfn")} AS moving,
       {_FUNCTION.format("aggminvtransfn")} AS inverse, {_FUNCTION.format("aggmfinalfn")} AS moving_final,
       CASE WHEN a.aggmtranstype <> 0 THEN format_type(a.aggmtranstype, NULL) END AS moving_type,
       nullif(a.aggmtransspace, 0) AS moving_space,
       CASE WHEN a.aggsortop <> 0 THEN {_OPERATOR.format(1)} END AS sort,
       a.agginitval AS start, a.aggminitval AS moving_start, a.aggfinalextra AS final_extra,
       a.aggmfinalextra AS moving_final_extra, a.aggfinalmodify::text AS final_modify,
       a.aggmfinalmodify::text AS moving_final_modify, a.aggkind = 'h' AS hypothetical,
       CASE WHEN a.aggkind = 'n' THEN 'r' ELSE 'w' END AS usual_modify
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
LEFT JOIN pg_operator o1 ON o1.oid = a.aggsortop LEFT JOIN pg_namespace on1 ON on1.oid = o1.oprnamespace
WHERE p.pronamespace = $1 AND {_OWN.format(catalog="pg_proc", oid="p.oid")} ORDER BY 2, 3
"""

CASTS = f"""
SELECT c.oid, format_type(c.castsource, NULL) AS source, format_type(c.casttarget, NULL) AS target,
       CASE WHEN c.castfunc <> 0 THEN c.castfunc::regprocedure::text END AS function,
       c.castcontext::text AS context, c.castmethod::text AS method
FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
LEFT JOIN pg_proc p ON p.oid = c.castfunc
WHERE c.oid >= 16384 AND $1 IN (s.typnamespace, t.typnamespace, coalesce(p.pronamespace, 0))
  AND {_OWN.format(catalog="pg_cast", oid="c.oid")} ORDER BY 2, 3
"""

OBJECTS_NOT_MADE = f"""
SELECT o.class, o.oid, o.kind, o.name FROM (
  SELECT 'pg_class' AS class, oid, 'foreign table' AS kind, relname::text AS name FROM pg_class
    WHERE relnamespace = $1 AND relkind = 'f' AND NOT relispartition
  UNION ALL SELECT 'pg_type', t.oid, CASE WHEN t.typisdefined THEN 'base type' ELSE 'shell type' END,
    t.typname FROM pg_type t WHERE t.typnamespace = $1
    AND (t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) OR t.typtype = 'p')
) o WHERE {_OWN.format(catalog="pg_class", oid="o.oid")} AND {_OWN.format(catalog="pg_type", oid="o.oid")}
ORDER BY 3, 4
"""


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
        (("pg_collation",), (COLLATIONS, _collation)),
        (("pg_ts_dict", "pg_ts_template", "pg_ts_parser"), (SEARCH, _search)),
        (("pg_ts_config",), (CONFIGURATIONS, _configuration)),
        (("pg_conversion",), (CONVERSIONS, _conversion)),
        (("pg_operator",), (OPERATORS, _operator)),
        (("pg_opfamily",), (FAMILIES, _family)),
        (("pg_opclass",), (CLASSES, _class)),
        (("pg_proc a",), (AGGREGATES, _aggregate)),
        (("pg_cast",), (CASTS, _cast)),
    )
    for sql, make in worth_asking(present, questions):
        drafts += [make(schema, row) for row in await conn.fetch(sql, namespace, timeout=TIMEOUT)]
    for row in await conn.fetch(OBJECTS_NOT_MADE, namespace, timeout=TIMEOUT):
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
