"""What single partitions and chunks have of their own, now that all of them become one table.

The questions are about members of partitioned, inheriting and hypertables.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from wsdash.data.catalog.items import FOREIGN_KEYS, INDEXES, KEYS, TRIGGERS, Draft, SchemaItem, fetch_defined
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident
from wsdash.data.tables.read import SERVERS_OWN
from wsdash.data.tables.shape import Table

MEMBERS = """
WITH RECURSIVE tree(root, oid, path) AS (
  SELECT r, r, array[r] FROM unnest($1::oid[]) r
  UNION ALL
  SELECT t.root, i.inhrelid, t.path || i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
  WHERE i.inhrelid <> ALL (t.path))
SELECT m.root, m.oid, n.nspname || '.' || c.relname AS name, c.reltype AS row_type,
       array_agg(DISTINCT d.oid) FILTER (WHERE k.relkind <> 'p') AS leaves
FROM tree m JOIN pg_class c ON c.oid = m.oid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN tree d ON d.root = m.root AND m.oid = ANY (d.path) JOIN pg_class k ON k.oid = d.oid
WHERE m.oid <> m.root GROUP BY 1, 2, 3, 4 ORDER BY 1, 3
"""

_RELATED = """
WITH RECURSIVE tree(root, member) AS (
  SELECT r, r FROM unnest($1::oid[]) r
  UNION
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.member),
related AS (
  SELECT t.root, t.member, n.nspname || '.' || c.relname AS relation,
         quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS quoted,
         quote_ident(rn.nspname) || '.' || quote_ident(r.relname) AS root_quoted
  FROM tree t JOIN pg_class c ON c.oid = t.member JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class r ON r.oid = t.root JOIN pg_namespace rn ON rn.oid = r.relnamespace
  WHERE t.member = t.root OR t.member = ANY ($2::oid[]))
"""

CONSTRAINTS = f"""{_RELATED}
SELECT r.root, r.member, r.relation, k.oid, k.conname AS name, k.contype::text AS type,
       pg_get_constraintdef(k.oid) AS definition,
       array(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
         AS columns
FROM related r JOIN pg_constraint k ON k.conrelid = r.member
WHERE k.contype IN ('p', 'u', 'x', 'c', 'f') AND k.conparentid = 0 AND (k.contype <> 'c' OR k.coninhcount = 0)
ORDER BY 1, 3, 5
"""

PART_INDEXES = f"""{_RELATED}
SELECT r.root, r.member, r.relation, c.oid, c.relname AS name, i.indisunique AS is_unique,
       substr(pg_get_indexdef(c.oid), strpos(pg_get_indexdef(c.oid), ' USING ') + 1) AS tail
FROM related r JOIN pg_index i ON i.indrelid = r.member JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
  AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)
ORDER BY 1, 3, 5
"""

PART_TRIGGERS = f"""{_RELATED}
SELECT r.root, r.member, r.relation, t.oid, t.tgname AS name, t.tgenabled::text AS enabled,
       (t.tgtype & 1) = 1 AS for_rows, t.tgparentid <> 0 AS cloned,
       replace(pg_get_triggerdef(t.oid), ' ON ' || r.quoted || ' ', ' ON ' || r.root_quoted || ' ')
         AS definition
FROM related r JOIN pg_trigger t ON t.tgrelid = r.member
WHERE NOT t.tgisinternal OR t.tgparentid <> 0 AND EXISTS (
  SELECT FROM pg_trigger p WHERE p.oid = t.tgparentid AND NOT p.tgisinternal)
ORDER BY 1, 3, 5
"""


def _options(column: str) -> str:
    """A column's options that somebody set, without those that its server keeps for itself."""
    return (
        f"array(SELECT one FROM unnest({column}.attoptions) one WHERE NOT starts_with(one, '{SERVERS_OWN}'))"
    )


OTHERS = f"""{_RELATED}, part AS (
  SELECT r.*, c.relacl, c.relowner, c.reloptions, c.reltablespace, c.relam, c.relrowsecurity,
         c.relforcerowsecurity, c.relreplident, o.relacl AS root_acl, o.reloptions AS root_options,
         o.relreplident AS root_identity
  FROM related r JOIN pg_class c ON c.oid = r.member JOIN pg_class o ON o.oid = r.root
  WHERE r.member <> r.root),
columns AS (
  SELECT p.root, p.relation, p.member, a.attnum, a.attname, a.attacl, a.attnotnull,
         o.attnotnull AS root_not_null, {_options("a")} AS options,
         coalesce(a.attstattarget, -1) AS target, a.attcompression, a.attstorage,
         o.attacl AS root_acl, {_options("o")} AS root_options, coalesce(o.attstattarget, -1) AS root_target,
         o.attcompression AS root_compression, o.attstorage AS root_storage,
         pg_get_expr(d.adbin, 0) AS expression, pg_get_expr(e.adbin, 0) AS root_expression,
         a.attgenerated AS generated
  FROM part p JOIN pg_attribute a ON a.attrelid = p.member AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_attribute o ON o.attrelid = p.root AND o.attname = a.attname AND NOT o.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
  LEFT JOIN pg_attrdef e ON e.adrelid = o.attrelid AND e.adnum = o.attnum AND o.attgenerated = '')
SELECT p.root, p.relation, 'rule of a part' AS kind, r.rulename::text AS what
  FROM part p JOIN pg_rewrite r ON r.ev_class = p.member AND r.rulename <> '_RETURN'
UNION ALL SELECT p.root, p.relation, 'policy of a part', y.polname
  FROM part p JOIN pg_policy y ON y.polrelid = p.member
UNION ALL SELECT root, relation, 'row security of a part', '' FROM part
  WHERE relrowsecurity OR relforcerowsecurity
UNION ALL SELECT DISTINCT p.root, p.relation, 'grant of a part',
    CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee) END
  FROM part p CROSS JOIN LATERAL aclexplode(p.relacl) x
  WHERE x.grantee <> p.relowner AND NOT EXISTS (SELECT FROM aclexplode(p.root_acl) y
    WHERE y.grantee = x.grantee AND y.privilege_type = x.privilege_type)
UNION ALL SELECT DISTINCT c.root, c.relation, 'grant of a part',
    CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee) END || ' on ' || c.attname
  FROM columns c CROSS JOIN LATERAL aclexplode(c.attacl) x
  WHERE NOT EXISTS (SELECT FROM aclexplode(c.root_acl) y
    WHERE y.grantee = x.grantee AND y.privilege_type = x.privilege_type)
UNION ALL SELECT p.root, p.relation, 'comment of a part', CASE WHEN d.objsubid = 0 THEN '' ELSE (
    SELECT a.attname FROM pg_attribute a WHERE a.attrelid = p.member AND a.attnum = d.objsubid) END
  FROM part p JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = p.member
  WHERE d.objsubid = 0 OR d.description IS DISTINCT FROM (SELECT col_description(p.root, o.attnum)
    FROM pg_attribute a JOIN pg_attribute o ON o.attrelid = p.root AND o.attname = a.attname
    WHERE a.attrelid = p.member AND a.attnum = d.objsubid)
UNION ALL SELECT p.root, p.relation, 'comment of a part', 'index ' || c.relname
  FROM part p JOIN pg_index i ON i.indrelid = p.member JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid
UNION ALL SELECT p.root, p.relation, 'comment of a part', o.what FROM part p JOIN (
    SELECT conrelid AS relation, 'pg_constraint'::regclass AS class, oid, 'constraint ' || conname AS what
      FROM pg_constraint
    UNION ALL SELECT tgrelid, 'pg_trigger'::regclass, oid, 'trigger ' || tgname FROM pg_trigger
    UNION ALL SELECT ev_class, 'pg_rewrite'::regclass, oid, 'rule ' || rulename FROM pg_rewrite
    UNION ALL SELECT polrelid, 'pg_policy'::regclass, oid, 'policy ' || polname FROM pg_policy) o
    ON o.relation = p.member JOIN pg_description d ON d.classoid = o.class AND d.objoid = o.oid
UNION ALL SELECT root, relation, 'default of a part', attname FROM columns
  WHERE expression IS DISTINCT FROM root_expression AND generated = ''
UNION ALL SELECT root, relation, 'NOT NULL of a part', attname FROM columns
  WHERE attnotnull AND NOT root_not_null
UNION ALL SELECT root, relation, 'column option of a part', attname FROM columns
  WHERE target <> root_target OR options IS DISTINCT FROM root_options
     OR attcompression <> root_compression OR attstorage <> root_storage
UNION ALL SELECT root, relation, 'option of a part', array_to_string(reloptions, ', ') FROM part
  WHERE reloptions IS NOT NULL AND reloptions IS DISTINCT FROM root_options
UNION ALL SELECT p.root, p.relation, 'statistics of a part', s.stxname
  FROM part p JOIN pg_statistic_ext s ON s.stxrelid = p.member
UNION ALL SELECT root, relation, 'replica identity of a part', relreplident::text FROM part
  WHERE relreplident <> root_identity
UNION ALL SELECT p.root, p.relation, 'tablespace of a part', s.spcname
  FROM part p JOIN pg_tablespace s ON s.oid = p.reltablespace
UNION ALL SELECT p.root, p.relation, 'access method of a part', m.amname
  FROM part p JOIN pg_am m ON m.oid = p.relam WHERE m.amname <> 'heap'
ORDER BY 1, 3, 4, 2
"""


SHOWN = 12
"""How many parts are named in one line before the rest is a number."""
NAME_BYTES = 63
_DIMENSION = re.compile(r"constraint_\d+$")
"""How TimescaleDB names the CHECK that holds a chunk's borders."""
COSTS = {
    "key of a part": "it makes rows unique within that part only; the one table has its own keys",
    "check of a part": "it holds for rows of that part only; the one table does not check it",
    "foreign key of a part": "it holds for rows of that part only; the one table does not check it",
    "index of a part": "only some parts have it; queries of those rows lose it",
    "unique index of a part": "it makes rows unique within that part only",
    "trigger of a part": "it runs for rows of that part only, or for commands on the part itself",
    "trigger state of a part": "it differs in that part; in the one table the parent's holds for all",
    "rule of a part": "it rewrites commands on the part itself, which no longer exists",
    "policy of a part": "it holds for commands on the part itself, which no longer exists",
    "row security of a part": "it holds for commands on the part itself, which no longer exists",
    "grant of a part": "it allows access to the part itself, which no longer exists",
    "comment of a part": "there is no part any more that it could belong to",
    "default of a part": "it holds for rows inserted into the part itself, which no longer exists",
    "NOT NULL of a part": "it holds for rows of that part only; the one table allows null there",
    "option of a part": "storage options of a part go with it; the one table has the parent's",
    "column option of a part": "storage options of a part go with it; the one table has the parent's",
    "statistics of a part": "they describe that part; create them on the one table where plans need them",
    "replica identity of a part": "the one table has the parent's",
    "tablespace of a part": "the target's default tablespace is used",
    "access method of a part": "the one table has the default one",
}
_CONSTRAINTS = {"f": "foreign key of a part", "c": "check of a part"}


@dataclass
class MemberParts:
    """The members of one root. leaves: by member, the relations below it that hold rows (itself, if it does).

    own_rows: the root holds rows as well, so a rule of all leaves still does not hold for all rows.
    """

    table: Table
    leaves: dict[int, set[int]] = field(default_factory=dict)
    own_rows: bool = False

    def covered_by(self, members: Iterable[int]) -> bool:
        """Whether what these members have holds for every row."""
        every = set().union(*self.leaves.values())
        return not self.own_rows and set().union(*(self.leaves[one] for one in members)) == every


async def read_parts(
    conn: asyncpg.Connection, tables: Mapping[int, Table]
) -> tuple[list[Draft], dict[tuple[str, int], str]]:
    """Drafts for what parts have of their own; and every part's relation with what it is folded into, in
    words."""
    roots = {oid: table for oid, table in tables.items() if table.hypertable}
    if not roots:
        return [], {}
    parts, folded = await _members(conn, roots)
    members = sorted({member for found in parts.values() for member in found.leaves} - set(roots))
    if not members:
        return [], folded
    arguments = (list(roots), members)
    drafts = _constraints(parts, await fetch_defined(conn, CONSTRAINTS, *arguments))
    drafts += _indexes(parts, await fetch_defined(conn, PART_INDEXES, *arguments))
    drafts += _triggers(parts, await fetch_defined(conn, PART_TRIGGERS, *arguments))
    return drafts + _others(parts, await conn.fetch(OTHERS, *arguments, timeout=TIMEOUT)), folded


async def _members(
    conn: asyncpg.Connection, roots: Mapping[int, Table]
) -> tuple[dict[int, MemberParts], dict[tuple[str, int], str]]:
    parts = {
        oid: MemberParts(table, own_rows=table.hypertable == "inheritance") for oid, table in roots.items()
    }
    folded: dict[tuple[str, int], str] = {}
    for row in await conn.fetch(MEMBERS, list(roots), timeout=TIMEOUT):
        parts[row["root"]].leaves[row["oid"]] = set(row["leaves"])
        what = f"{row['name']}, which becomes a part of {roots[row['root']].qualified}"
        folded["pg_class", row["oid"]] = what
        folded["pg_type", row["row_type"]] = what
    return parts, folded


def _constraints(parts: Mapping[int, MemberParts], rows: Iterable[Any]) -> list[Draft]:
    known = {(row["root"], row["definition"]) for row in rows if row["member"] == row["root"]}
    groups: dict[tuple[int, str, str], list[Any]] = defaultdict(list)
    for row in rows:
        table = parts[row["root"]].table
        border = row["type"] == "c" and (
            (table.hypertable == "timescaledb" and _DIMENSION.match(row["name"]))
            or (table.hypertable == "inheritance" and list(row["columns"]) == [table.time_column])
        )
        if row["member"] != row["root"] and (row["root"], row["definition"]) not in known and not border:
            groups[row["root"], row["type"], row["definition"]].append(row)
    drafts = []
    for (root, kind, definition), found in groups.items():
        table = parts[root].table
        if kind in "cf" and parts[root].covered_by(row["member"] for row in found):
            name = min(row["name"] for row in found)
            item = SchemaItem(
                "constraint",
                f"{table.qualified}.{name}",
                f"ALTER TABLE {ident(table.schema, table.name)} ADD CONSTRAINT {ident(name)} {definition}",
                table=table.qualified,
                stage=FOREIGN_KEYS if kind == "f" else KEYS,
                body=f"{table.qualified} {definition}",
                note=f"each of its {len(found)} parts has it",
            )
            refs = [("pg_constraint", row["oid"]) for row in found]
            drafts.append(Draft(item, refs, rank=f"4 {table.qualified}", of_parts=True))
        else:
            label = _CONSTRAINTS.get(kind, "key of a part")
            drafts.append(_left_out(label, found, f"{min(row['name'] for row in found)} {definition}"))
    return drafts


def _indexes(parts: Mapping[int, MemberParts], rows: Iterable[Any]) -> list[Draft]:
    known = {(row["root"], row["is_unique"], row["tail"]) for row in rows if row["member"] == row["root"]}
    cloned_from: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        if row["member"] == row["root"] and parts[row["root"]].table.hypertable == "timescaledb":
            cloned_from[row["root"]].append(row)
    groups: dict[tuple[int, bool, str], list[Any]] = defaultdict(list)
    for row in rows:
        key = (row["root"], row["is_unique"], row["tail"])
        if row["member"] == row["root"] or key in known:
            continue
        if not any(is_clone(row, origin) for origin in cloned_from[row["root"]]):
            groups[key].append(row)
    drafts = []
    for (root, unique, tail), found in groups.items():
        table = parts[root].table
        name = min(row["name"] for row in found)
        if not unique and parts[root].covered_by(row["member"] for row in found):
            item = SchemaItem(
                "index",
                f"{table.schema}.{name}",
                f"CREATE INDEX {ident(name)} ON {ident(table.schema, table.name)} {tail}",
                table=table.qualified,
                stage=INDEXES,
                body=f"CREATE {ident(table.schema, table.name)} {tail}",
                note=f"each of its {len(found)} parts has it",
            )
            refs = [("pg_class", row["oid"]) for row in found]
            drafts.append(Draft(item, refs, rank="5", of_parts=True))
        else:
            label = "unique index of a part" if unique else "index of a part"
            drafts.append(_left_out(label, found, f"{name} {tail}"))
    return drafts


def is_clone(row: Any, origin: Any) -> bool:
    """Whether a chunk's index is the one that TimescaleDB made for its root's index.

    Their texts may differ: the clone's predicate and expressions have their constants folded. Its name is the
    chunk's and the origin's, cut to 63 bytes together (timescaledb 2.23, chunk_index_choose_name).
    """
    chunk = row["relation"].rpartition(".")[2]
    whole = f"{chunk}_{origin['name']}"
    if len(whole.encode()) <= NAME_BYTES:
        named = row["name"] == whole or row["name"].removeprefix(whole).isdigit()
    else:
        named = row["name"].startswith(f"{chunk}_")
    method = row["tail"].split(" (", 1)[0]
    same_kind = row["is_unique"] == origin["is_unique"] and method == origin["tail"].split(" (", 1)[0]
    return bool(named and same_kind)


def _triggers(parts: Mapping[int, MemberParts], rows: Iterable[Any]) -> list[Draft]:
    known = {(row["root"], row["definition"]): row for row in rows if row["member"] == row["root"]}
    groups: dict[tuple[int, str], list[Any]] = defaultdict(list)
    states: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for row in rows:
        if row["member"] == row["root"]:
            continue
        own = known.get((row["root"], row["definition"]))
        if own is None:
            if not row["cloned"]:
                groups[row["root"], row["definition"]].append(row)
        elif own["enabled"] != row["enabled"]:
            states[row["root"], row["name"]].append(row)
    drafts = [_left_out("trigger state of a part", found, name) for (_, name), found in states.items()]
    for (root, definition), found in groups.items():
        table = parts[root].table
        covers = parts[root].covered_by(row["member"] for row in found)
        if covers and all(row["for_rows"] and row["enabled"] == "O" for row in found):
            item = SchemaItem(
                "trigger",
                f"{table.qualified}.{found[0]['name']}",
                definition,
                table=table.qualified,
                stage=TRIGGERS,
                note=f"each of its {len(found)} parts has it",
            )
            refs = [("pg_trigger", row["oid"]) for row in found]
            drafts.append(Draft(item, refs, of_parts=True))
        else:
            drafts.append(_left_out("trigger of a part", found, found[0]["name"]))
    return drafts


def _others(parts: Mapping[int, MemberParts], rows: Iterable[Any]) -> list[Draft]:
    groups: dict[tuple[int, str, str], list[Any]] = defaultdict(list)
    for row in rows:
        groups[row["root"], row["kind"], row["what"]].append(row)
    return [_left_out(kind, found, what) for (_, kind, what), found in groups.items()]


def _left_out(kind: str, rows: list[Any], what: str) -> Draft:
    own = {row["name"] for row in rows if "name" in row}
    names = sorted({row["relation"] + (f" ({row['name']})" if len(own) > 1 else "") for row in rows})
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    item = SchemaItem(kind, f"{shown}: {what}" if what else shown, left_out=COSTS[kind])
    return Draft(item, [])
