"""Objects of a schema that no item covers: found by walking the catalogs, whatever their kind."""

from __future__ import annotations

from collections.abc import Collection

import asyncpg

from wsdash.data.catalog.items import Draft, Ref, SchemaItem
from wsdash.data.limits import TIMEOUT

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
