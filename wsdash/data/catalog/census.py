"""The count of what is left over: whatever of a schema no reader explains becomes a line, never nothing.

`KNOWN` has every system catalog and each of its columns (PostgreSQL 15 to 18), with what becomes of what a
user can put there; a server's catalog or column that it does not know is named in the comparison. Objects
that no item covers are found by walking the catalogs, whatever their kind.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import asyncpg

from wsdash.data.catalog.items import Draft, Ref, SchemaItem
from wsdash.data.limits import TIMEOUT

Fate = Literal["carried", "named", "owner", "derived", "physical", "server"]
"""carried: made again in the target. named: a line says that it is not carried and what that costs. owner:
the target's user owns everything there, which a line says. derived: the server computes it, or it
identifies the row. physical: how bytes lie on the disk; it changes no result. server: it belongs to the
whole server, not to the data."""

NEWEST = 18
"""The newest major version whose catalogs this table was compared with."""

_TABLE = """
pg_aggregate carried aggfnoid aggkind aggnumdirectargs aggtransfn aggfinalfn aggcombinefn aggserialfn
    aggdeserialfn aggmtransfn aggminvtransfn aggmfinalfn aggfinalextra aggmfinalextra aggfinalmodify
    aggmfinalmodify aggsortop aggtranstype aggtransspace aggmtranstype aggmtransspace agginitval
    aggminitval
pg_am named oid amname amhandler amtype
pg_amop carried oid amopfamily amoplefttype amoprighttype amopstrategy amoppurpose amopopr amopmethod
    amopsortfamily
pg_amproc carried oid amprocfamily amproclefttype amprocrighttype amprocnum amproc
pg_attrdef carried oid adrelid adnum adbin
pg_attribute carried attname atttypid attstattarget atttypmod attstorage attcompression attnotnull
    attidentity attgenerated attcollation attacl attoptions
pg_attribute named attfdwoptions attislocal attinhcount
pg_attribute derived attrelid attlen attnum attndims attcacheoff attbyval attalign atthasdef
    attisdropped atthasmissing attmissingval
pg_auth_members named oid roleid member grantor admin_option inherit_option set_option
pg_authid named rolname rolsuper rolinherit rolcreaterole rolcreatedb rolcanlogin rolreplication
    rolbypassrls rolconnlimit rolpassword rolvaliduntil
pg_authid derived oid
pg_cast carried oid castsource casttarget castfunc castcontext castmethod
pg_class carried relname relnamespace relpersistence relkind relrowsecurity relforcerowsecurity
    relispopulated relreplident relacl reloptions
pg_class named reloftype relam reltablespace relispartition relpartbound
pg_class owner relowner
pg_class derived oid reltype relhasindex relisshared relnatts relchecks relhasrules relhastriggers
    relhassubclass reltuples relrewrite
pg_class physical relfilenode relpages relallvisible relallfrozen reltoastrelid relfrozenxid relminmxid
pg_collation carried oid collname collnamespace collprovider collisdeterministic collencoding
    collcollate collctype colliculocale colllocale collicurules
pg_collation owner collowner
pg_collation derived collversion
pg_constraint carried oid conname connamespace contype condeferrable condeferred convalidated conrelid
    contypid conindid confrelid confupdtype confdeltype confmatchtype connoinherit conkey confkey
    confdelsetcols conexclop conbin conenforced conperiod
pg_constraint named conparentid conislocal coninhcount
pg_constraint derived conpfeqop conppeqop conffeqop
pg_conversion carried oid conname connamespace conforencoding contoencoding conproc condefault
pg_conversion owner conowner
pg_database named datacl
pg_database server oid datname datdba encoding datlocprovider datistemplate datallowconn datconnlimit
    datcollate datctype daticulocale datlocale daticurules datcollversion dattablespace
pg_database derived datlastsysoid datfrozenxid datminmxid dathasloginevt
pg_db_role_setting named setdatabase setrole setconfig
pg_default_acl named oid defaclrole defaclnamespace defaclobjtype defaclacl
pg_depend derived classid objid objsubid refclassid refobjid refobjsubid deptype
pg_description carried objoid classoid objsubid description
pg_enum carried oid enumtypid enumsortorder enumlabel
pg_event_trigger named oid evtname evtevent evtowner evtfoid evtenabled evttags
pg_extension carried oid extname extnamespace extowner
pg_extension derived extrelocatable extversion extconfig extcondition
pg_foreign_data_wrapper named oid fdwname fdwowner fdwhandler fdwvalidator fdwacl fdwoptions
pg_foreign_server named oid srvname srvowner srvfdw srvtype srvversion srvacl srvoptions
pg_foreign_table named ftrelid ftserver ftoptions
pg_index carried indexrelid indrelid indnatts indnkeyatts indisunique indnullsnotdistinct indisprimary
    indisexclusion indimmediate indisclustered indisreplident indkey indcollation indclass indoption
    indexprs indpred
pg_index named indisvalid
pg_index derived indcheckxmin indisready indislive
pg_inherits named inhrelid inhparent inhseqno inhdetachpending
pg_init_privs named objoid classoid objsubid privtype initprivs
pg_language named oid lanname lanowner lanispl lanpltrusted lanplcallfoid laninline lanvalidator lanacl
pg_largeobject named loid pageno data
pg_largeobject_metadata named oid lomowner lomacl
pg_namespace carried oid nspname nspacl
pg_namespace owner nspowner
pg_opclass carried oid opcmethod opcname opcnamespace opcfamily opcintype opcdefault opckeytype
pg_opclass owner opcowner
pg_operator carried oid oprname oprnamespace oprkind oprcanmerge oprcanhash oprleft oprright oprresult
    oprcom oprnegate oprcode oprrest oprjoin
pg_operator owner oprowner
pg_opfamily carried oid opfmethod opfname opfnamespace
pg_opfamily owner opfowner
pg_parameter_acl named oid parname paracl
pg_partitioned_table named partrelid partstrat partnatts partdefid partattrs partclass partcollation
    partexprs
pg_policy carried oid polname polrelid polcmd polpermissive polroles polqual polwithcheck
pg_proc carried oid proname pronamespace prolang procost prorows provariadic prosupport prokind
    prosecdef proleakproof proisstrict proretset provolatile proparallel prorettype proargtypes
    proallargtypes proargmodes proargnames proargdefaults protrftypes prosrc prosqlbody proconfig proacl
pg_proc named probin
pg_proc owner proowner
pg_proc derived pronargs pronargdefaults
pg_publication named oid pubname pubowner puballtables pubinsert pubupdate pubdelete pubtruncate
    pubviaroot pubgencols
pg_publication_namespace named oid pnpubid pnnspid
pg_publication_rel named oid prpubid prrelid prqual prattrs
pg_range carried rngtypid rngsubtype rngmultitypid rngcollation rngsubopc rngsubdiff
pg_range named rngcanonical
pg_replication_origin server roident roname
pg_rewrite carried oid rulename ev_class ev_type ev_enabled is_instead ev_qual ev_action
pg_seclabel named objoid classoid objsubid provider label
pg_sequence carried seqrelid seqtypid seqstart seqincrement seqmax seqmin seqcache seqcycle
pg_shdepend derived dbid classid objid objsubid refclassid refobjid deptype
pg_shdescription named objoid classoid description
pg_shseclabel named objoid classoid provider label
pg_statistic derived starelid staattnum stainherit stanullfrac stawidth stadistinct stakind1 stakind2
    stakind3 stakind4 stakind5 staop1 staop2 staop3 staop4 staop5 stacoll1 stacoll2 stacoll3 stacoll4
    stacoll5 stanumbers1 stanumbers2 stanumbers3 stanumbers4 stanumbers5 stavalues1 stavalues2
    stavalues3 stavalues4 stavalues5
pg_statistic_ext carried oid stxrelid stxname stxnamespace stxstattarget stxkeys stxkind stxexprs
pg_statistic_ext owner stxowner
pg_statistic_ext_data derived stxoid stxdinherit stxdndistinct stxddependencies stxdmcv stxdexpr
pg_subscription named oid subdbid subskiplsn subname subowner subenabled subbinary substream
    subtwophasestate subdisableonerr subpasswordrequired subrunasowner subfailover subconninfo
    subslotname subsynccommit subpublications suborigin
pg_subscription_rel named srsubid srrelid srsubstate srsublsn
pg_tablespace named oid spcname spcowner spcacl spcoptions
pg_transform named oid trftype trflang trffromsql trftosql
pg_trigger carried oid tgrelid tgname tgfoid tgtype tgenabled tgconstrrelid tgconstraint tgdeferrable
    tginitdeferred tgnargs tgattr tgargs tgqual tgoldtable tgnewtable
pg_trigger named tgparentid
pg_trigger derived tgisinternal tgconstrindid
pg_ts_config carried oid cfgname cfgnamespace cfgparser
pg_ts_config owner cfgowner
pg_ts_config_map carried mapcfg maptokentype mapseqno mapdict
pg_ts_dict carried oid dictname dictnamespace dicttemplate dictinitoption
pg_ts_dict owner dictowner
pg_ts_parser carried oid prsname prsnamespace prsstart prstoken prsend prsheadline prslextype
pg_ts_template carried oid tmplname tmplnamespace tmplinit tmpllexize
pg_type carried oid typname typnamespace typtype typnotnull typbasetype typtypmod typndims typcollation
    typdefaultbin typdefault typacl typrelid typelem typarray
pg_type named typinput typoutput typreceive typsend typmodin typmodout typanalyze typsubscript
    typcategory typispreferred typdelim typlen typbyval typalign typstorage typisdefined
pg_type owner typowner
pg_user_mapping named oid umuser umserver umoptions
"""


def _parse(table: str) -> dict[str, dict[str, Fate]]:
    """A catalog's name begins with pg_; its fate follows, and then the columns that it is the fate of."""
    known: dict[str, dict[str, Fate]] = {}
    words = iter(table.split())
    for word in words:
        if word.startswith("pg_"):
            columns, fate = known.setdefault(word, {}), next(words)
        else:
            columns[word] = fate  # type: ignore[assignment]
    return known


KNOWN = _parse(_TABLE)
"""By catalog and column: what becomes of what a user can put there."""

COLUMNS = """
SELECT c.relname::text AS catalog, a.attname::text AS name
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND c.oid < 16384 AND a.attnum > 0
  AND NOT a.attisdropped ORDER BY 1, a.attnum
"""


async def read_unknown(conn: asyncpg.Connection, *, always: bool = False) -> list[Draft]:
    """A line for every catalog with columns that KNOWN lacks. Only a server newer than NEWEST is asked.

    always: ask any server.
    """
    if conn.get_server_version().major <= NEWEST and not always:
        return []
    unknown: dict[str, list[str]] = {}
    for row in await conn.fetch(COLUMNS, timeout=TIMEOUT):
        if row["name"] not in KNOWN.get(row["catalog"], {}):
            unknown.setdefault(row["catalog"], []).append(row["name"])
    why = (
        "this version of wsdash does not know it; what was made with it may be missing: compare with pg_dump"
    )
    return [
        Draft(SchemaItem("system catalog", f"{catalog} ({', '.join(names)})", left_out=why), [])
        for catalog, names in unknown.items()
    ]


OF_SCHEMAS = {
    "pg_class": "relnamespace",
    "pg_type": "typnamespace",
    "pg_proc": "pronamespace",
    "pg_operator": "oprnamespace",
    "pg_opclass": "opcnamespace",
    "pg_opfamily": "opfnamespace",
    "pg_collation": "collnamespace",
    "pg_conversion": "connamespace",
    "pg_ts_config": "cfgnamespace",
    "pg_ts_dict": "dictnamespace",
    "pg_ts_parser": "prsnamespace",
    "pg_ts_template": "tmplnamespace",
    "pg_statistic_ext": "stxnamespace",
}
"""Catalogs of objects that lie in a schema, each with the column that says in which."""
OF_RELATIONS = {
    "pg_constraint": "conrelid",
    "pg_attrdef": "adrelid",
    "pg_trigger": "tgrelid",
    "pg_rewrite": "ev_class",
    "pg_policy": "polrelid",
}
"""Catalogs of objects that hang on a relation, each with the column that says on which."""


def _question() -> str:
    relation = {"pg_class": "o.oid", "pg_statistic_ext": "o.stxrelid"}
    parts = [
        f"SELECT '{catalog}'::regclass AS class, o.oid, {relation.get(catalog, '0::oid')} AS relation "
        f"FROM {catalog} o WHERE o.{column} = $1"
        for catalog, column in OF_SCHEMAS.items()
    ]
    parts += [
        f"SELECT '{catalog}'::regclass, o.oid, o.{column} FROM {catalog} o "
        f"JOIN pg_class r ON r.oid = o.{column} WHERE r.relnamespace = $1"
        for catalog, column in OF_RELATIONS.items()
    ]
    parts.append(
        "SELECT 'pg_constraint'::regclass, o.oid, 0::oid FROM pg_constraint o "
        "JOIN pg_type t ON t.oid = o.contypid WHERE t.typnamespace = $1"
    )
    return (
        "SELECT o.class::text AS class, o.oid, i.type AS kind, i.identity AS name "
        f"FROM ({' UNION ALL '.join(parts)}) o "
        "CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) i "
        "WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM unnest($2::oid[]) x WHERE x = o.oid) "
        "AND NOT EXISTS (SELECT FROM unnest($3::oid[]) x WHERE x IN (o.oid, o.relation)) "
        "AND NOT EXISTS (SELECT FROM pg_index x JOIN unnest($3::oid[]) y ON y = x.indrelid "
        "WHERE x.indexrelid = o.oid) "
        "AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid "
        "AND d.deptype IN ('e', 'i', 'P', 'S')) ORDER BY 3, 4"
    )


async def read_unexplained(
    conn: asyncpg.Connection, namespace: int, explained: Collection[Ref], parts: Collection[int]
) -> list[Draft]:
    """A line for every object of the schema that is not among `explained` and belongs to no other object.

    parts: relations (partitions, chunks) whose own objects were looked at one by one. `conn` sees
    pg_catalog only.
    """
    oids = sorted({oid for _, oid in explained})
    why = "wsdash does not know how to carry it; make it by hand in the target"
    return [
        Draft(SchemaItem(row["kind"], row["name"], left_out=why), [(row["class"], row["oid"])])
        for row in await conn.fetch(_question(), namespace, oids, sorted(parts), timeout=TIMEOUT)
    ]
