"""The questions about kinds of objects beside tables, one for each kind. All run under search_path =
pg_catalog.

Columns that only some versions have are read through to_jsonb, which gives null for those that are missing.
"""

from __future__ import annotations

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

NOT_MADE = f"""
SELECT o.class, o.oid, o.kind, o.name FROM (
  SELECT 'pg_class' AS class, oid, 'foreign table' AS kind, relname::text AS name FROM pg_class
    WHERE relnamespace = $1 AND relkind = 'f' AND NOT relispartition
  UNION ALL SELECT 'pg_type', t.oid, CASE WHEN t.typisdefined THEN 'base type' ELSE 'shell type' END,
    t.typname FROM pg_type t WHERE t.typnamespace = $1
    AND (t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) OR t.typtype = 'p')
) o WHERE {_OWN.format(catalog="pg_class", oid="o.oid")} AND {_OWN.format(catalog="pg_type", oid="o.oid")}
ORDER BY 3, 4
"""
