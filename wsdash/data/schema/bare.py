"""A schema that holds tables and nothing after them: recognised by one query, without reading it whole."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from wsdash.data.limits import TIMEOUT
from wsdash.data.pg.errors import described
from wsdash.data.schema.ddl import Statement

AFTER_ROWS = frozenset(
    {
        "comment",
        "constraint",
        "grant",
        "index",
        "materialized view",
        "policy",
        "role",
        "row security",
        "rule",
        "sequence value",
        "statistics",
        "trigger",
        "view",
    }
)
"""The kinds of which a bare schema has none (grants and roles are judged by what the server says)."""

ANY_OF_THEM = """
WITH space AS (SELECT oid FROM pg_namespace WHERE nspname = $1),
     relation AS (SELECT c.* FROM pg_class c JOIN space s ON c.relnamespace = s.oid)
SELECT EXISTS (SELECT FROM relation WHERE relkind NOT IN ('r', 'S', 'c', 't') OR relhasindex OR relhasrules
               OR relhastriggers OR relrowsecurity OR relforcerowsecurity)
    OR EXISTS (SELECT FROM pg_constraint k JOIN relation r ON k.conrelid = r.oid WHERE k.contype <> 'n')
    OR EXISTS (SELECT FROM pg_policy p JOIN relation r ON p.polrelid = r.oid)
    OR EXISTS (SELECT FROM pg_statistic_ext x JOIN relation r ON x.stxrelid = r.oid)
    OR EXISTS (SELECT FROM pg_description d WHERE d.objoid IN (SELECT oid FROM space)
               OR d.objoid IN (SELECT oid FROM relation)
               OR d.objoid IN (SELECT p.oid FROM pg_proc p JOIN space s ON p.pronamespace = s.oid)
               OR d.objoid IN (SELECT t.oid FROM pg_type t JOIN space s ON t.typnamespace = s.oid))
"""


@described("looking for objects")
async def is_bare(conn: asyncpg.Connection, schema: str, statements: Sequence[Statement]) -> bool:
    """Whether nothing that the statements make can be in the schema yet. Raises WsdashError."""
    if not all(statement.kind in AFTER_ROWS for statement in statements):
        return False
    return not await conn.fetchval(ANY_OF_THEM, schema, timeout=TIMEOUT)
