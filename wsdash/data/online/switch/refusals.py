"""What makes an online move impossible, found out before anything is changed, and what to do instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.limits import TIMEOUT
from wsdash.data.online.capture.tracked import Tracked
from wsdash.data.online.delta.routes import against
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors, session_lives
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transactions import transaction
from wsdash.data.tables.shape import Table
from wsdash.data.timescaledb.definitions import AGGREGATE
from wsdash.errors import RefusedError

OFFLINE = "map it with --mode offline"
KEYLESS_BYTES = 1 << 20
"""A table without a key is taken whole inside the fence; up to so much that does not hold writers up."""

DISABLED = """
SELECT n.nspname || '.' || c.relname AS table, string_agg(g.tgname, ', ' ORDER BY g.tgname) AS triggers
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE g.tgenabled = 'D' AND g.tgparentid = 0 AND c.oid = ANY ($1::text[]::regclass[])
GROUP BY 1 ORDER BY 1
"""
FOREIGN = """
SELECT n.nspname || '.' || c.relname AS table FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1::text[]) AND c.relkind = 'f' ORDER BY 1
"""
REPLICA_SETTINGS = """
SELECT coalesce('role ' || r.rolname, 'the database') AS who FROM pg_db_role_setting s
LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND 'session_replication_role=replica' = ANY (s.setconfig) ORDER BY 1
"""
SUBSCRIPTIONS = """
SELECT s.subname AS name FROM pg_stat_subscription s
WHERE EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = s.pid AND a.datname = current_database())
ORDER BY 1
"""
SIZE = """
WITH RECURSIVE tree(oid) AS (
  SELECT $1::text::regclass::oid
  UNION ALL SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint FROM tree
"""
RIGHTS = """
SELECT has_database_privilege(current_database(), 'CREATE') OR to_regnamespace($2) IS NOT NULL AS create,
       (SELECT array_agg(name ORDER BY name) FROM unnest($1::text[]) name WHERE NOT (
          has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
          AND has_table_privilege(name, 'DELETE') AND has_table_privilege(name, 'TRIGGER'))) AS tables
"""


@dataclass(frozen=True)
class Refusal:
    """One reason. subject: the table, role or server. remedy: as an instruction. agreed: the settings accept
    it, and it speaks against nothing any more."""

    subject: str
    reason: str
    remedy: str
    agreed: bool = False


async def find_refusals(move: Move) -> list[Refusal]:
    """Every reason against the move, on both sides; nothing is changed. Raises UnreachableError, WsdashError,
    and InputError for a pooler that works by transactions."""
    return [*await source_refusals(move), *await target_refusals(move)]


async def source_refusals(move: Move) -> list[Refusal]:
    """The reasons that the source gives. Raises as find_refusals."""
    found = [refusal for here, _, table in move.pairs for refusal in _by_shape(here, table)]
    async with connection(move.source, read_only=True) as conn:
        with ServerErrors(move.source, "looking for what speaks against an online move"):
            found += await _source(conn, move)
            found += await _rights(conn, move.source, move.tracked)
            found += await _replica_right(conn, move.source)
    return found


async def target_refusals(move: Move) -> list[Refusal]:
    """The reasons that the target gives. Raises as find_refusals."""
    async with connection(move.target, read_only=True) as conn:
        with ServerErrors(move.target, "looking for what speaks against an online move"):
            found = await _replica_right(conn, move.target)
            for _, there, table in move.pairs:
                if table.mapped is not None:
                    found += await _operators(conn, there)
            return found


async def refuse_impossible(move: Move) -> None:
    """Raise RefusedError with every reason, if there is one."""
    found = await find_refusals(move)
    if found:
        raise RefusedError(
            "this schema cannot be moved online: " + "; ".join(f"{f.subject}: {f.reason}" for f in found),
            where=move.source.address,
            remedy="; ".join(dict.fromkeys(f.remedy for f in found)) + "; or move with --mode offline",
        )


def _by_shape(one: Tracked, table: Table) -> list[Refusal]:
    """What the source's table and the one that becomes of it say by themselves."""
    name = one.table.qualified
    if one.table.hypertable == AGGREGATE:
        remedy = "leave it out, or drop it and make it again on the other side"
        return [Refusal(name, "a continuous aggregate: its rows change without any trigger", remedy)]
    if table.mapped is not None and (reasons := against(table.mapped)):
        what = f"changes cannot be applied through its mapping: {'; '.join(reasons)}"
        return [Refusal(table.qualified, what, OFFLINE)]
    nullable = [column.name for column in one.key if not column.not_null]
    if nullable:
        what = f"its key may be NULL ({', '.join(nullable)})"
        return [Refusal(name, what, "SET NOT NULL on the key's columns")]
    return []


async def _source(conn: asyncpg.Connection, move: Move) -> list[Refusal]:
    names = [one.relation for one in move.tracked]
    schemas = sorted({one.table.schema for one in move.tracked})
    found = []
    for row in await conn.fetch(DISABLED, names, timeout=TIMEOUT):
        remedy = "ENABLE TRIGGER, or drop it"
        found.append(Refusal(row["table"], f"triggers are disabled on it ({row['triggers']})", remedy))
    for row in await conn.fetch(FOREIGN, schemas, timeout=TIMEOUT):
        what = "a foreign table: its rows change on another server"
        found.append(Refusal(row["table"], what, "leave it out of the schema"))
    for row in await conn.fetch(REPLICA_SETTINGS, timeout=TIMEOUT):
        remedy = "RESET session_replication_role for it"
        found.append(Refusal(row["who"], "its sessions are in replica role, which skips triggers", remedy))
    for row in await conn.fetch(SUBSCRIPTIONS, timeout=TIMEOUT):
        what = "a subscription writes here in replica role, which skips triggers"
        found.append(Refusal(f"subscription {row['name']}", what, "disable it for the time of the move"))
    for one, there, _ in move.pairs:
        if one.keyless or there.keyless:
            found += await _keyless(conn, one, there)
        else:
            found += await _operators(conn, one)
    return found


async def _keyless(conn: asyncpg.Connection, one: Tracked, there: Tracked) -> list[Refusal]:
    """there: the target's table, whose key a mapping may leave unfilled."""
    size = await conn.fetchval(SIZE, one.relation, timeout=TIMEOUT)
    if size <= KEYLESS_BYTES:
        return []
    what = f"no primary key, and {size:,} bytes, over the {KEYLESS_BYTES:,} that are taken whole in the fence"
    if one.keyless:
        return [Refusal(one.table.qualified, what, "give it a primary key")]
    return [Refusal(there.table.qualified, what, "fill its key from the source's key")]


async def _operators(conn: asyncpg.Connection, one: Tracked) -> list[Refusal]:
    """Keys are compared under a fixed search_path: a type whose = is elsewhere cannot be one."""
    found = []
    for column in one.key:
        try:
            async with transaction(conn):
                await conn.execute(f"SELECT NULL::{column.type} = NULL::{column.type}", timeout=TIMEOUT)
        except asyncpg.PostgresError as error:
            if not session_lives(error):
                raise
            what = f"its key {ident(column.name)} is of type {column.type}, which has no = in pg_catalog"
            found.append(Refusal(one.table.qualified, what, "use a key of a built-in type"))
    return found


async def _rights(conn: asyncpg.Connection, side: Endpoint, tracked: Sequence[Tracked]) -> list[Refusal]:
    row = await conn.fetchrow(RIGHTS, [one.relation for one in tracked], SCHEMA, timeout=TIMEOUT)
    assert row is not None
    user, found = ident(side.user), []
    if not row["create"]:
        remedy = f"GRANT CREATE ON DATABASE {ident(side.database)} TO {user}"
        found.append(Refusal(f"user {side.user} on {side.label}", "it may not create a schema", remedy))
    if row["tables"]:
        what = f"it may not read, write or put triggers on {', '.join(row['tables'])}"
        remedy = f"GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER on these tables TO {user}"
        found.append(Refusal(f"user {side.user} on {side.label}", what, remedy))
    return found


async def _replica_right(conn: asyncpg.Connection, side: Endpoint) -> list[Refusal]:
    """Asked by trying: changes are applied in replica role, on either side."""
    try:
        async with transaction(conn, taken_back=True):
            await conn.execute("SET LOCAL session_replication_role = replica", timeout=TIMEOUT)
    except asyncpg.InsufficientPrivilegeError:
        remedy = f"GRANT SET ON PARAMETER session_replication_role TO {ident(side.user)}"
        what = "it may not apply changes with triggers off (session_replication_role)"
        return [Refusal(f"user {side.user} on {side.label}", what, f"as a superuser: {remedy}")]
    return []
