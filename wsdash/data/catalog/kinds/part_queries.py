"""The questions about members of partitioned, inheriting and hypertables. $1: the roots' oids, $2: the
members'.

Constraints, indexes and triggers are asked of roots as well, so that a member's copy of them is recognised
from its own. All run under search_path = pg_catalog.
"""

from __future__ import annotations

from wsdash.data.tables.read import SERVERS_OWN

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

INDEXES = f"""{_RELATED}
SELECT r.root, r.member, r.relation, c.oid, c.relname AS name, i.indisunique AS is_unique,
       substr(pg_get_indexdef(c.oid), strpos(pg_get_indexdef(c.oid), ' USING ') + 1) AS tail
FROM related r JOIN pg_index i ON i.indrelid = r.member JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
  AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)
ORDER BY 1, 3, 5
"""

TRIGGERS = f"""{_RELATED}
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
