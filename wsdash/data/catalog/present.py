"""Which kinds a schema has any of, in one cheap question: what it has none of is not asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import asyncpg

from wsdash.data.limits import TIMEOUT

Question = TypeVar("Question")

_OF_SCHEMA = {
    "pg_collation": "collnamespace",
    "pg_conversion": "connamespace",
    "pg_opclass": "opcnamespace",
    "pg_operator": "oprnamespace",
    "pg_opfamily": "opfnamespace",
    "pg_ts_config": "cfgnamespace",
    "pg_ts_dict": "dictnamespace",
    "pg_ts_parser": "prsnamespace",
    "pg_ts_template": "tmplnamespace",
}
_OF_DATABASE = {
    "pg_cast": "oid >= 16384",
    "pg_inherits": "true",
    "pg_policy": "true",
    "pg_publication": "true",
    "pg_rewrite": "oid >= 16384 AND rulename <> '_RETURN'",
    "pg_statistic_ext": "true",
}
"""These may lie in another schema than the table that they are about: any of them counts."""


def _question() -> str:
    parts = [
        "SELECT 'pg_type ' || typtype::text AS kind FROM pg_type WHERE typnamespace = $1 GROUP BY 1",
        "SELECT 'pg_class ' || relkind::text FROM pg_class WHERE relnamespace = $1 GROUP BY 1",
        "SELECT 'pg_proc ' || prokind::text FROM pg_proc WHERE pronamespace = $1 GROUP BY 1",
    ]
    wanted = [(catalog, f"{column} = $1") for catalog, column in _OF_SCHEMA.items()]
    parts += [
        f"SELECT '{catalog}' WHERE EXISTS (SELECT FROM {catalog} WHERE {condition})"
        for catalog, condition in (*wanted, *_OF_DATABASE.items())
    ]
    return " UNION ALL ".join(parts)


async def read_present(conn: asyncpg.Connection, namespace: int) -> frozenset[str]:
    """Catalogs that hold something of the schema; of types, relations and functions with their kind's letter
    ('pg_type e', 'pg_class v', 'pg_proc a').

    An extension's own objects count too: what is named here may turn out to be nothing, what is not named is
    certainly not there. `conn` sees pg_catalog only. Raises asyncpg.PostgresError.
    """
    return frozenset(row["kind"] for row in await conn.fetch(_question(), namespace, timeout=TIMEOUT))


def worth_asking(
    present: frozenset[str], questions: Iterable[tuple[tuple[str, ...], Question]]
) -> list[Question]:
    """Those of the questions of which one of the catalogs that they are about holds something."""
    return [question for catalogs, question in questions if not present.isdisjoint(catalogs)]
