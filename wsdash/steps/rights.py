"""Rights that a migration will want, looked for before it begins; only catalogs are read."""

from __future__ import annotations

import asyncio

from wsdash.config import Settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import DATABASE_ERRORS, describe
from wsdash.data.pg.quoting import ident
from wsdash.errors import UnreachableError, WsdashError
from wsdash.steps.base import endpoint
from wsdash.steps.limits import RIGHTS_SECONDS

SOURCE = """
SELECT r.rolsuper OR r.rolcreatedb AS createdb, r.rolsuper OR coalesce(
         has_schema_privilege(current_user, n.oid, 'USAGE'), false) AS usage,
       ARRAY(SELECT c.relname FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
             AND NOT c.relispartition AND NOT has_table_privilege(current_user, c.oid, 'SELECT')
             ORDER BY 1) AS unreadable,
       ARRAY(SELECT DISTINCT h.nspname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
             JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace h ON h.oid = c.relnamespace
             WHERE p.relnamespace = n.oid AND (NOT has_schema_privilege(current_user, h.oid, 'USAGE')
               OR NOT has_table_privilege(current_user, c.oid, 'SELECT')) ORDER BY 1) AS parts
FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = $1 WHERE r.rolname = current_user"""
TARGET = """
SELECT has_database_privilege(current_user, current_database(), 'CREATE') AS makes_schemas,
       n.oid IS NOT NULL AS there,
       coalesce(has_schema_privilege(current_user, n.oid, 'CREATE'), false) AS makes,
       ARRAY(SELECT c.relname FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
             AND NOT pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1) AS of_others
FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = $1 WHERE r.rolname = current_user"""


async def lacking_rights(settings: Settings) -> dict[str, list[str]]:
    """Side -> what its user lacks, each with the command that gives it; a side that is not there is left out.

    Raises WsdashError where a server that is there cannot be asked.
    """
    sides = {
        "source": (endpoint(settings.source), settings.source.schema, _source),
        "target": (endpoint(settings.target), settings.target.schema, _target),
    }

    async def ask(name: str) -> list[str] | None:
        side, schema, look = sides[name]
        try:
            return await look(side, schema)
        except UnreachableError:
            return None
        except DATABASE_ERRORS as error:
            raise describe(error, side, "reading the user's rights") from error

    found = dict(zip(sides, await asyncio.gather(*(ask(name) for name in sides)), strict=True))
    return {name: lacking for name, lacking in found.items() if lacking is not None}


async def _source(side: Endpoint, schema: str) -> list[str]:
    async with connection(side, read_only=True) as session:
        row = await session.fetchrow(SOURCE, schema, timeout=RIGHTS_SECONDS)
    if row is None:
        raise WsdashError("the user has no role", where=side.address, remedy="correct source.user")
    user, lacking = ident(side.user), []
    if not row["createdb"]:
        lacking.append(
            f"CREATEDB, for the database in which the backup is proven: ALTER ROLE {user} CREATEDB"
        )
    if not row["usage"]:
        lacking.append(f"USAGE of schema {schema}: GRANT USAGE ON SCHEMA {ident(schema)} TO {user}")
    if row["unreadable"]:
        names = ", ".join(row["unreadable"][:5])
        grant = f"GRANT SELECT ON ALL TABLES IN SCHEMA {ident(schema)} TO {user}"
        lacking.append(f"SELECT on {names}: {grant}")
    for home in row["parts"]:  # chunks and partitions are read one by one
        grant = f"GRANT USAGE ON SCHEMA {ident(home)} TO {user}; "
        grant += f"GRANT SELECT ON ALL TABLES IN SCHEMA {ident(home)} TO {user}"
        lacking.append(f"SELECT on the parts of tables in schema {home}: {grant}")
    return lacking


async def _target(side: Endpoint, schema: str) -> list[str]:
    user, lacking = ident(side.user), []
    async with connection(side, read_only=True) as session:
        row = await session.fetchrow(TARGET, schema, timeout=RIGHTS_SECONDS)
    if row is not None and row["there"] and not row["makes"]:
        lacking.append(f"CREATE in schema {schema}: GRANT CREATE ON SCHEMA {ident(schema)} TO {user}")
    if row is not None and not row["there"] and not row["makes_schemas"]:
        lacking.append(f"CREATE in the database: GRANT CREATE ON DATABASE {ident(side.database)} TO {user}")
    if row is not None and row["of_others"]:
        names = ", ".join(row["of_others"][:5])
        lacking.append(
            f"ownership of {names}, whose triggers rest while rows are written: "
            f"ALTER TABLE {ident(schema, row['of_others'][0])} OWNER TO {user}"
        )
    return lacking
