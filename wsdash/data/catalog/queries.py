"""The questions put to pg_catalog beside those about tables. All run under search_path = pg_catalog."""

from __future__ import annotations

_OWN = """NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = {oid}
  AND e.deptype = 'e')"""

DEPENDENCIES = """
SELECT DISTINCT d.classid::regclass::text AS class, d.objid AS oid, d.refclassid::regclass::text AS ref_class,
       d.refobjid AS ref_oid
FROM pg_depend d WHERE d.objid = ANY ($1::oid[]) AND d.deptype IN ('n', 'a')
  AND NOT (d.classid = 'pg_class'::regclass AND d.deptype = 'a'
           AND EXISTS (SELECT FROM pg_class s WHERE s.oid = d.objid AND s.relkind = 'S'))
"""

OUTSIDE = """
SELECT r.class, r.oid, CASE WHEN e.extname IS NULL THEN i.type ELSE 'extension' END AS kind,
       coalesce(e.extname, i.identity) AS name
FROM (SELECT q.class, q.oid, coalesce(t.typelem, q.oid) AS real FROM unnest($1::text[], $2::oid[]) q(class,
oid)
      LEFT JOIN pg_type t ON q.class = 'pg_type' AND t.oid = q.oid AND t.typcategory = 'A') r
CROSS JOIN LATERAL pg_identify_object(r.class::regclass, r.real, 0) i
LEFT JOIN pg_depend d ON d.classid = r.class::regclass AND d.objid = r.real AND d.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = d.refobjid
WHERE i.type IS NOT NULL AND i.type NOT IN ('schema', 'index', 'table constraint') ORDER BY 1, 2
"""

ENUMS = f"""
SELECT t.oid, t.typname AS name,
       array(SELECT l.enumlabel::text FROM pg_enum l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)
         AS labels
FROM pg_type t WHERE t.typnamespace = $1 AND t.typtype = 'e' AND {_OWN.format(catalog="pg_type", oid="t.oid")}
ORDER BY 2
"""

DOMAINS = f"""
SELECT t.oid, t.typname AS name, format_type(t.typbasetype, t.typtypmod) AS type, t.typnotnull AS not_null,
       pg_get_expr(t.typdefaultbin, 0) AS expression,
       CASE WHEN t.typcollation <> b.typcollation
            THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE '' END AS collation,
       array(SELECT 'CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
             FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c' AND k.convalidated
             ORDER BY k.conname) AS checks,
       (SELECT k.conname FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'n'
          AND k.conname <> t.typname || '_not_null') AS not_null_name,
       array(SELECT k.oid FROM pg_constraint k WHERE k.contypid = t.oid AND k.convalidated) AS constraints
FROM pg_type t JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_collation co ON co.oid = t.typcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
WHERE t.typnamespace = $1 AND t.typtype = 'd' AND {_OWN.format(catalog="pg_type", oid="t.oid")}
ORDER BY 2
"""

COMPOSITES = f"""
SELECT c.oid, c.reltype AS type_oid, c.relname AS name,
       array(SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                    || CASE WHEN a.attcollation <> t.typcollation
                            THEN ' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(l.collname)
                            ELSE '' END
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             LEFT JOIN pg_collation l ON l.oid = a.attcollation
             LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS fields
FROM pg_class c WHERE c.relnamespace = $1 AND c.relkind = 'c' AND {
    _OWN.format(catalog="pg_type", oid="c.reltype")
}
ORDER BY 3
"""

RANGES = f"""
SELECT t.oid, t.typname AS name, format_type(r.rngsubtype, NULL) AS subtype, m.typname AS multirange,
       CASE WHEN o.opcdefault THEN '' ELSE quote_ident(n.nspname) || '.' || quote_ident(o.opcname)
       END AS opclass,
       CASE WHEN r.rngcollation <> s.typcollation
            THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE '' END AS collation,
       CASE WHEN r.rngsubdiff = 0 THEN '' ELSE r.rngsubdiff::regproc::text END AS subdiff,
       r.rngcanonical <> 0 AS canonical
FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid JOIN pg_type s ON s.oid = r.rngsubtype
JOIN pg_type m ON m.oid = r.rngmultitypid
JOIN pg_opclass o ON o.oid = r.rngsubopc JOIN pg_namespace n ON n.oid = o.opcnamespace
LEFT JOIN pg_collation co ON co.oid = r.rngcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
WHERE t.typnamespace = $1 AND {_OWN.format(catalog="pg_type", oid="t.oid")}
ORDER BY 2
"""

SEQUENCES = f"""
SELECT c.oid, c.relname AS name, format_type(s.seqtypid, NULL) AS type, s.seqstart AS start,
       s.seqincrement AS increment, s.seqmin AS minimum, s.seqmax AS maximum, s.seqcache AS cache,
       s.seqcycle AS cycle, c.relpersistence = 'u' AS unlogged, d.deptype::text AS owned,
       d.refobjid AS owner, a.attname AS owner_column
FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE c.relnamespace = $1 AND c.relkind = 'S' AND {_OWN.format(catalog="pg_class", oid="c.oid")}
ORDER BY 2
"""

FUNCTIONS = f"""
SELECT p.oid, p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
p.prokind::text AS kind,
       l.lanname AS language, p.prosrc AS source,
       pg_get_functiondef(p.oid) AS definition
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = $1 AND p.prokind <> 'a' AND {_OWN.format(catalog="pg_proc", oid="p.oid")}
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                  AND d.deptype = 'i')
ORDER BY 2, 3
"""

VIEWS = f"""
SELECT c.oid, c.relname AS name, c.relkind::text AS kind, pg_get_viewdef(c.oid) AS definition,
       coalesce(c.reloptions, '{{}}') AS options, c.relispopulated AS populated,
       array(SELECT r.oid FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename = '_RETURN') AS rules,
       array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
             AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       array(SELECT col_description(c.oid, a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid
             AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS comments
FROM pg_class c WHERE c.relnamespace = $1 AND c.relkind IN ('v', 'm')
  AND {_OWN.format(catalog="pg_class", oid="c.oid")}
ORDER BY 2
"""

INDEXES = """
SELECT c.oid, c.relname AS name, i.indrelid AS relation, pg_get_indexdef(c.oid) AS definition,
       quote_ident(c.relname) AS quoted, am.amname AS method, i.indnatts AS width, i.indisvalid AS valid,
       s.spcname AS tablespace,
       array(SELECT a.attnum || ' SET STATISTICS ' || a.attstattarget FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attstattarget >= 0 ORDER BY a.attnum) AS targets
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
WHERE i.indrelid = ANY ($1::oid[])
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
ORDER BY 2
"""

CONSTRAINTS = """
SELECT k.oid, k.conname AS name, k.conrelid AS relation, k.contype::text AS type, k.conindid AS index,
       pg_get_constraintdef(k.oid) AS definition, k.connoinherit AS own_rows_only
FROM pg_constraint k
WHERE k.conrelid = ANY ($1::oid[]) AND k.conparentid = 0
  AND (k.contype IN ('p', 'u', 'x', 'c', 'f') OR k.contype = 'n' AND NOT k.convalidated)
ORDER BY 3, 2
"""

ATTACHED_CONSTRAINTS = """
SELECT k.oid, k.conname AS name, r.relname AS relation, t.typname AS domain, k.contype::text AS type,
       k.convalidated AS valid, pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k LEFT JOIN pg_class r ON r.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
WHERE t.typnamespace = $1 OR k.contype = 'n' AND k.convalidated AND k.conrelid = ANY ($2::oid[])
ORDER BY 1
"""
"""Those that come with their column or domain, and domains' checks that are not validated."""

TRIGGERS = """
SELECT t.oid, t.tgname AS name, t.tgrelid AS relation, pg_get_triggerdef(t.oid) AS definition,
       t.tgenabled::text AS enabled, n.nspname AS function_schema, p.proname AS function, p.prosrc AS source,
       (t.tgtype & 7) = 7 AS before_insert_row, p.oid AS function_oid
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgparentid = 0
ORDER BY 3, 2
"""

RULES = """
SELECT r.oid, r.rulename AS name, r.ev_class AS relation, pg_get_ruledef(r.oid) AS definition,
       r.ev_enabled::text AS enabled
FROM pg_rewrite r WHERE r.ev_class = ANY ($1::oid[]) AND r.rulename <> '_RETURN' ORDER BY 3, 2
"""

POLICIES = """
SELECT p.oid, p.polname AS name, p.polrelid AS relation, p.polcmd::text AS command,
p.polpermissive AS permissive,
       pg_get_expr(p.polqual, p.polrelid) AS qualifier, pg_get_expr(p.polwithcheck, p.polrelid) AS checked,
       array(SELECT CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END
             FROM unnest(p.polroles) r ORDER BY 1) AS roles,
       array(SELECT pg_get_userbyid(r)::text FROM unnest(p.polroles) r WHERE r <> 0 ORDER BY 1) AS named
FROM pg_policy p WHERE p.polrelid = ANY ($1::oid[]) ORDER BY 3, 2
"""

STATISTICS = """
SELECT s.oid, s.stxname AS name, n.nspname AS schema, s.stxrelid AS relation,
       coalesce((to_jsonb(s) ->> 'stxstattarget')::int, -1) AS target,
       pg_get_statisticsobjdef(s.oid) AS definition
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE s.stxrelid = ANY ($1::oid[]) ORDER BY 2
"""

RELATION_STATE = """
SELECT c.oid, c.relrowsecurity AS secured, c.relforcerowsecurity AS forced, c.relreplident::text AS identity,
       s.spcname AS tablespace, c.reloftype::regtype::text AS type, m.amname AS method,
       (SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = c.oid AND x.indisreplident) AS identity_index,
       (SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = c.oid AND x.indisclustered) AS cluster_index,
       (SELECT quote_ident(n.relname) FROM pg_index x JOIN pg_class n ON n.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND x.indisreplident) AS identity_name,
       (SELECT quote_ident(n.relname) FROM pg_index x JOIN pg_class n ON n.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND x.indisclustered) AS cluster_name
FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_am m ON m.oid = c.relam AND m.amname <> 'heap' WHERE c.oid = ANY ($1::oid[]) ORDER BY 1
"""

DEFAULTS = """
SELECT d.oid, d.adrelid AS relation, a.attname AS name,
       EXISTS (SELECT FROM pg_depend p
               LEFT JOIN pg_proc f ON p.refclassid = 'pg_proc'::regclass AND f.oid = p.refobjid
               LEFT JOIN pg_class s ON p.refclassid = 'pg_class'::regclass AND s.oid = p.refobjid
                 AND s.relkind = 'S' AND s.relnamespace <> $2
               WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                 AND (f.pronamespace = $2 OR coalesce(f.oid, s.oid) >= 16384 AND NOT EXISTS (
                   SELECT FROM pg_depend e WHERE e.classid = p.refclassid AND e.objid = p.refobjid
                   AND e.deptype = 'e'))) AS by_function
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = ANY ($1::oid[]) ORDER BY 2, 3
"""

TYPE_ALIASES = """
SELECT t.oid AS type, CASE WHEN t.typelem <> 0 AND t.typsubscript::text = 'array_subscript_handler'
THEN t.typelem
                           WHEN r.rngtypid IS NOT NULL THEN r.rngtypid ELSE 0 END AS element,
       CASE WHEN t.typtype = 'c' THEN t.typrelid ELSE 0 END AS relation
FROM pg_type t LEFT JOIN pg_range r ON r.rngmultitypid = t.oid
WHERE t.typnamespace = $1
"""

GRANTS = """
WITH subject AS (
  SELECT 'pg_namespace' AS class, oid, 0 AS sub, nspowner AS owner, nspacl AS acl, 'n'::"char" AS kind
    FROM pg_namespace
  UNION ALL SELECT 'pg_class', oid, 0, relowner, relacl, CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END
    FROM pg_class
  UNION ALL SELECT 'pg_class', t.attrelid, t.attnum, c.relowner, t.attacl, 'c'
    FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid WHERE t.attnum > 0 AND NOT t.attisdropped
  UNION ALL SELECT 'pg_proc', oid, 0, proowner, proacl, 'f' FROM pg_proc
  UNION ALL SELECT 'pg_type', oid, 0, typowner, typacl, 'T' FROM pg_type),
own AS (SELECT * FROM subject WHERE oid = ANY ($1::oid[]) AND acl IS NOT NULL),
given AS (SELECT o.*, x.* FROM own o CROSS JOIN LATERAL aclexplode(o.acl) x),
usual AS (SELECT o.*, x.* FROM own o CROSS JOIN LATERAL aclexplode(acldefault(o.kind, o.owner)) x)
SELECT r.class, r.oid, r.sub, coalesce(a.attname, '') AS column, r.revoked, r.grantee = r.owner AS by_owner,
       CASE WHEN r.grantee = 0 THEN '' ELSE pg_get_userbyid(r.grantee) END AS grantee,
       r.privilege_type AS privilege, r.is_grantable AS grantable,
       CASE WHEN r.grantor IN (0, r.owner) THEN '' ELSE pg_get_userbyid(r.grantor) END AS grantor
FROM (
  SELECT g.*, false AS revoked FROM given g WHERE g.grantee <> g.owner AND NOT EXISTS (
    SELECT FROM usual u WHERE (u.class, u.oid, u.sub, u.grantee, u.privilege_type, u.is_grantable)
      = (g.class, g.oid, g.sub, g.grantee, g.privilege_type, g.is_grantable))
  UNION ALL
  SELECT u.*, true FROM usual u WHERE NOT EXISTS (
    SELECT FROM given g WHERE (u.class, u.oid, u.sub, u.grantee, u.privilege_type)
      = (g.class, g.oid, g.sub, g.grantee, g.privilege_type))
) r
LEFT JOIN pg_attribute a ON r.class = 'pg_class' AND r.sub > 0 AND a.attrelid = r.oid AND a.attnum = r.sub
ORDER BY 1, 2, 3, 5, 7, 8
"""
"""What differs from what the server grants by itself; revoked: it takes something of that away."""

DESCRIPTIONS = """
SELECT d.classoid::regclass::text AS class, d.objoid AS oid, d.description
FROM pg_description d WHERE d.objoid = ANY ($1::oid[]) AND d.objsubid = 0 ORDER BY 1, 2
"""

COLUMN_DESCRIPTIONS = """
SELECT d.objoid AS oid, a.attname AS column, d.description
FROM pg_description d JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
WHERE d.classoid = 'pg_class'::regclass AND d.objoid = ANY ($1::oid[]) AND d.objsubid > 0
  AND NOT a.attisdropped ORDER BY 1, a.attnum
"""

VIEW_DEFAULTS = """
SELECT d.oid, d.adrelid AS relation, a.attname AS name, pg_get_expr(d.adbin, 0) AS expression
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = ANY ($1::oid[]) ORDER BY 2, 3
"""

EXTENSION_MEMBERS = """
SELECT e.extname AS extension, lower(coalesce(p.proname, t.typname, c.relname)::text) AS name
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid AND t.typelem = 0
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = ANY ($1::text[])
  AND coalesce(p.proname, t.typname, c.relname) IS NOT NULL
UNION SELECT extname, lower(extname) FROM pg_extension WHERE extname = ANY ($1::text[])
"""

EXTENSION_COMMENTS = """
SELECT e.extname AS name, obj_description(e.oid, 'pg_extension') AS comment
FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname
WHERE obj_description(e.oid, 'pg_extension') IS DISTINCT FROM a.comment
  AND obj_description(e.oid, 'pg_extension') IS NOT NULL
"""

SETTINGS = """
SELECT coalesce(r.rolname, '') AS role, split_part(c, '=', 1) AS name,
       CASE WHEN split_part(c, '=', 1) = 'search_path' THEN c ELSE '' END AS shown
FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY 1, 2
"""

ELSEWHERE = """
SELECT i.type AS kind, i.identity AS name
FROM (SELECT 'pg_class'::regclass AS class, oid, relnamespace AS namespace FROM pg_class
        WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND NOT relispartition
      UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type WHERE typrelid = 0 AND typelem = 0
      UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc) o
JOIN pg_namespace n ON n.oid = o.namespace
CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) i
WHERE o.oid >= 16384 AND n.nspname <> $1 AND n.nspname !~ '^(pg_|_?timescaledb_|information_schema$)'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.class AND e.objid = o.oid AND e.deptype = 'e')
"""

SERVER = """
SELECT current_setting('server_version_num')::int AS version, current_user::text AS user,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) AS makes_roles,
       array(SELECT rolname::text FROM pg_roles ORDER BY 1) AS roles,
       array(SELECT e.extname || '=' || n.nspname FROM pg_extension e
             JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY 1) AS extensions,
       array(SELECT name::text FROM pg_available_extensions ORDER BY 1) AS available,
       (SELECT to_jsonb(d)::text FROM pg_database d WHERE datname = current_database()) AS database,
       n.oid AS namespace, pg_get_userbyid(n.nspowner)::text AS owner
FROM (VALUES (1)) once LEFT JOIN pg_namespace n ON n.nspname = $1
"""
