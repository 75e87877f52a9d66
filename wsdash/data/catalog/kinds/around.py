"""What belongs to the database or the server and surrounds the schema: named, with what its absence costs.

Also extensions that no dependency names: called in a function's body, or only by the service itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import asyncpg

from wsdash.data.catalog import queries
from wsdash.data.catalog.items import COMMENTS, Draft, SchemaItem
from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.sql import ident, literal

REASONS = {
    "publication": "what it publishes is replicated to nobody in the target; make it by hand where needed",
    "subscription": "the target receives nothing from its publisher; make it by hand and end the old one",
    "default privileges": "they say what later objects are granted; ALTER DEFAULT PRIVILEGES in the target",
    "event trigger": "it belongs to the whole database; make it by hand where it is used",
    "large objects": "values that only name a large object (oid) would name nothing",
    "foreign-data wrapper": "it belongs to the whole database; make it by hand where foreign tables need it",
    "server": "it belongs to the whole database; make it by hand where foreign tables need it",
    "user mapping": "it holds a password; make it by hand where foreign tables need it",
    "language": "it belongs to the whole database, and so its functions are not carried; make both by hand",
    "transform": "it belongs to the whole database; make it by hand where functions use it",
    "access method": "it belongs to the whole database; tables get the default one",
    "cast": "nothing of it is in the schema; make it by hand where queries rely on it",
    "database grant": "grants on the database are not carried; GRANT the same on the target's database",
    "database revoke": "PUBLIC keeps its rights on the target's database; REVOKE them there as well",
    "database comment": "the target's database keeps its own",
    "database security label": "the target's database has none; set it by hand",
    "grant on a system object": "it is not what the server or an extension sets; change it there as well",
    "parameter grant": "it belongs to the whole server; grant it in the target",
    "security label": "the label's provider has to be loaded in the target; set it by hand",
    "role membership": "it belongs to the whole server; GRANT it in the target where a role relies on it",
    "schema": "it lies beside the migrated schema and stays behind; what of ours needs it is listed there",
}
"""Each kind with what it costs that it is not carried."""

PUBLICATIONS = """
SELECT 'pg_publication' AS class, p.oid, 'publication' AS kind, p.pubname::text AS name FROM pg_publication p
  WHERE p.puballtables OR NOT EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = p.pubname)
     OR EXISTS (SELECT FROM pg_publication_tables t JOIN pg_namespace n ON n.nspname = t.schemaname
                WHERE n.oid = $1 AND t.pubname = p.pubname)
"""

DATABASE = """
SELECT 'pg_subscription' AS class, s.oid, 'subscription' AS kind, s.subname::text AS name
  FROM pg_subscription s
  WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT 'pg_default_acl', d.oid, 'default privileges', pg_get_userbyid(d.defaclrole) || ' '
  || 'on ' || CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
     WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE d.defaclobjtype::text END || ' in every schema'
  FROM pg_default_acl d WHERE d.defaclnamespace = 0
UNION ALL SELECT DISTINCT 'pg_default_acl', 0::oid, 'default privileges',
         pg_get_userbyid(d.defaclrole) || ' in schema ' || n.nspname
  FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace WHERE n.oid = $1
UNION ALL SELECT 'pg_largeobject_metadata', 0, 'large objects', count(*)::text
  FROM pg_largeobject_metadata HAVING count(*) > 0
UNION ALL SELECT o.class::text, o.oid, o.kind, o.name FROM (
  SELECT 'event trigger' AS kind, evtname::text AS name, oid, 'pg_event_trigger'::regclass AS class
    FROM pg_event_trigger
  UNION ALL SELECT 'foreign-data wrapper', fdwname, oid, 'pg_foreign_data_wrapper'::regclass
    FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'server', srvname, oid, 'pg_foreign_server'::regclass FROM pg_foreign_server
  UNION ALL SELECT 'user mapping', usename || ' on server ' || srvname, umid, 'pg_user_mapping'::regclass
    FROM pg_user_mappings
  UNION ALL SELECT 'language', lanname, oid, 'pg_language'::regclass FROM pg_language
  UNION ALL SELECT 'transform', format_type(t.trftype, NULL) || ' for ' || l.lanname, t.oid,
    'pg_transform'::regclass FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
  UNION ALL SELECT 'access method', amname, oid, 'pg_am'::regclass FROM pg_am
  UNION ALL SELECT 'cast', '(' || format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL)
    || ')', c.oid, 'pg_cast'::regclass
    FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
    LEFT JOIN pg_proc p ON p.oid = c.castfunc
    WHERE $1 NOT IN (s.typnamespace, t.typnamespace, coalesce(p.pronamespace, 0))
) o WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.class AND e.objid = o.oid
                                         AND e.deptype IN ('e', 'i'))
"""

RIGHTS = """
SELECT 'database grant' AS kind,
       CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee) END || ' '
       || string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS name
FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) x
WHERE d.datname = current_database() AND x.grantee <> d.datdba
  AND NOT (x.grantee = 0 AND x.privilege_type IN ('CONNECT', 'TEMPORARY')) GROUP BY x.grantee
UNION ALL SELECT 'database revoke', 'PUBLIC ' || string_agg(w.privilege, ', ')
FROM pg_database d CROSS JOIN (VALUES ('CONNECT'), ('TEMPORARY')) w(privilege)
WHERE d.datname = current_database() AND d.datacl IS NOT NULL AND NOT EXISTS (
  SELECT FROM aclexplode(d.datacl) x WHERE x.grantee = 0 AND x.privilege_type = w.privilege)
HAVING count(*) > 0
UNION ALL SELECT 'database comment', current_database()::text FROM pg_shdescription s
  WHERE s.classoid = 'pg_database'::regclass
    AND s.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT 'database security label', s.provider FROM pg_shseclabel s
  WHERE s.classoid = 'pg_database'::regclass
    AND s.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT 'security label', coalesce(i.identity, 'an object') || ' by ' || s.provider
  FROM pg_seclabel s CROSS JOIN LATERAL pg_identify_object(s.classoid, s.objoid, s.objsubid) i
UNION ALL SELECT DISTINCT 'grant on a system object', i.type || ' ' || i.identity
FROM (SELECT o.*, p.objoid AS initial
      FROM (SELECT 'pg_class'::regclass AS class, oid, relacl AS acl, relowner AS owner,
                   relkind <> 't' AS counts,
                   CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS kind FROM pg_class
            UNION ALL SELECT 'pg_proc'::regclass, oid, proacl, proowner, true, 'f' FROM pg_proc
            UNION ALL SELECT 'pg_type'::regclass, oid, typacl, typowner, true, 'T' FROM pg_type
            UNION ALL SELECT 'pg_language'::regclass, oid, lanacl, lanowner, true, 'l' FROM pg_language
            UNION ALL SELECT 'pg_namespace'::regclass, oid, nspacl, nspowner, nspname <> 'public', 'n'
              FROM pg_namespace) o
      LEFT JOIN pg_init_privs p ON p.classoid = o.class AND p.objoid = o.oid AND p.objsubid = 0
      WHERE (o.acl IS NOT NULL OR p.objoid IS NOT NULL) AND o.counts
        AND coalesce(o.acl, acldefault(o.kind, o.owner)) IS DISTINCT FROM
            coalesce(p.initprivs, acldefault(o.kind, o.owner))
        AND (o.oid < 16384 OR EXISTS (SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
             WHERE e.classid = o.class AND e.objid = o.oid AND e.deptype = 'e'
               AND x.extname !~ '^timescaledb'))
      OFFSET 0) o  -- so that only these few are named, and not all of the server's thousands of objects
CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) i
-- initdb keeps no record of what it grants in the information schema: all of it to PUBLIC
WHERE o.initial IS NOT NULL OR 'information_schema' NOT IN (coalesce(i.schema, ''), i.identity)
   OR EXISTS (SELECT FROM aclexplode(o.acl) x WHERE x.grantee NOT IN (0, o.owner))
ORDER BY 1, 2
"""

PARAMETERS = "SELECT 'parameter grant' AS kind, parname AS name FROM pg_parameter_acl ORDER BY 2"
"""From PostgreSQL 15 on."""

BESIDE = """
SELECT 'schema' AS kind, n.nspname || ' (' || concat_ws(', ',
       nullif(c.tables, 0) || ' tables', nullif(c.others, 0) || ' other relations',
       nullif(f.functions, 0) || ' functions', nullif(y.types, 0) || ' types') || ')' AS name
FROM pg_namespace n
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE relkind IN ('r', 'p')) AS tables,
                           count(*) FILTER (WHERE relkind IN ('v', 'm', 'S', 'f')) AS others
                    FROM pg_class c WHERE c.relnamespace = n.oid AND NOT EXISTS (
                      SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
                      AND e.deptype = 'e') AND NOT EXISTS (
                      SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                      WHERE i.inhrelid = c.oid AND p.relnamespace <> n.oid)) c
CROSS JOIN LATERAL (SELECT count(*) AS functions FROM pg_proc p WHERE p.pronamespace = n.oid AND NOT EXISTS (
                      SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid
                      AND e.deptype = 'e')) f
CROSS JOIN LATERAL (SELECT count(*) AS types FROM pg_type t WHERE t.typnamespace = n.oid AND t.typtype IN
                      ('e', 'd', 'r') AND NOT EXISTS (
                      SELECT FROM pg_depend e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid
                      AND e.deptype = 'e')) y
WHERE n.oid <> $1 AND n.nspname !~ '^(pg_|_?timescaledb_|wsdash|information_schema$)'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid
                  AND e.deptype = 'e')
  AND (c.tables > 0 OR c.others > 0 OR f.functions > 0 OR y.types > 0)
ORDER BY 2
"""

MEMBERSHIPS = """
SELECT DISTINCT pg_get_userbyid(m.member) || ' of ' || pg_get_userbyid(m.roleid) AS name
FROM pg_auth_members m
WHERE pg_get_userbyid(m.member) = ANY ($1::text[]) OR pg_get_userbyid(m.roleid) = ANY ($1::text[]) ORDER BY 1
"""


async def read_around(conn: asyncpg.Connection, namespace: int, present: frozenset[str]) -> list[Draft]:
    """Everything of the database that concerns no schema or another one: items that are not carried.

    No secret is read: neither a subscription's connection nor a user mapping's options. present: of
    read_present.
    """
    questions: list[tuple[str, list[int]]] = [(RIGHTS, []), (BESIDE, [namespace])]
    if conn.get_server_version().major >= 15:
        questions.append((PARAMETERS, []))
    found = [
        (row["kind"], row["name"])
        for sql, arguments in questions
        for row in await conn.fetch(sql, *arguments, timeout=TIMEOUT)
    ]
    drafts = [left_behind(kind, name) for kind, name in found]
    of_database = [PUBLICATIONS, DATABASE] if "pg_publication" in present else [DATABASE]
    rows = [row for sql in of_database for row in await conn.fetch(sql, namespace, timeout=TIMEOUT)]
    for row in rows:
        drafts.append(left_behind(row["kind"], row["name"]))
        if row["oid"]:
            # what needs one of these (a function its language) falls with it
            drafts[-1].refs.append((row["class"], row["oid"]))
    return drafts


async def read_memberships(conn: asyncpg.Connection, roles: list[str]) -> list[Draft]:
    """Which of the roles that are carried belong to another, or another to them."""
    rows = await conn.fetch(MEMBERSHIPS, roles, timeout=TIMEOUT)
    return [left_behind("role membership", row["name"]) for row in rows]


def left_behind(kind: str, name: str) -> Draft:
    """An item that is not carried, with its kind's reason."""
    return Draft(SchemaItem(kind, name, left_out=REASONS[kind]), [])


IGNORED = frozenset({"plpgsql", "timescaledb"})
"""plpgsql is always there; of timescaledb its own line tells."""
_WORD = re.compile(r"[^\W\d][\w$]*")
UNUSED = (
    "no object and no function body of the schema names it; if the service itself calls it, create it in the "
    "target by hand"
)


async def with_extensions(
    conn: asyncpg.Connection, items: Sequence[SchemaItem], installed: Iterable[str]
) -> tuple[SchemaItem, ...]:
    """The items, functions that name something of an extension in their body now needing it; and a line, not
    carried, for each extension that nothing names.

    What a body calls is known to no catalog, so it is found by name: one that only looks the same costs an
    extension too much, never one too few.
    """
    needed = {name for item in items for kind, name in item.outside if kind == "extension"}
    names: dict[str, set[str]] = defaultdict(set)
    unknown = sorted(set(installed) - needed - IGNORED)
    if unknown:
        for row in await conn.fetch(queries.EXTENSION_MEMBERS, unknown, timeout=TIMEOUT):
            names[row["name"]].add(row["extension"])
    found: list[SchemaItem] = []
    for item in items:
        if item.kind in ("function", "procedure") and not item.left_out:
            words = {word.lower() for word in _WORD.findall(item.sql)} & names.keys()
            called = {extension for word in words for extension in names[word]}
            needed |= called
            outside = {*item.outside, *(("extension", name) for name in called)}
            found.append(replace(item, outside=tuple(sorted(outside))))
        else:
            found.append(item)
    unused = [SchemaItem("extension", name, left_out=UNUSED) for name in unknown if name not in needed]
    comments = [
        SchemaItem(
            "comment",
            f"extension {row['name']}",
            f"COMMENT ON EXTENSION {ident(row['name'])} IS {literal(row['comment'])}",
            stage=COMMENTS,
        )
        for row in await conn.fetch(queries.EXTENSION_COMMENTS, timeout=TIMEOUT)
        if row["name"] in needed - IGNORED
    ]
    return (*found, *unused, *comments)
