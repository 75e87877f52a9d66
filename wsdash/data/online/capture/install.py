"""Putting capture on a side, and taking every trace of it away again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.limits import (
    CAPTURE_LOCK_ATTEMPTS,
    CAPTURE_LOCK_MILLISECONDS,
    CAPTURE_LOCK_PAUSE_SECONDS,
    TIMEOUT,
)
from wsdash.data.online.capture.objects import (
    BASE,
    CaptureTrigger,
    closed_functions,
    create_log,
    open_functions,
    triggers,
)
from wsdash.data.online.capture.position import Position, read_state
from wsdash.data.online.capture.structure import Ground, Relation, Tree, read_shape, read_trees, to_text
from wsdash.data.online.capture.tracked import APPLIED, GATE, SEAL, STATE, TABLES, Tracked, key_names, log_of
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors, server_of
from wsdash.data.pg.sql import ident, literal
from wsdash.data.pg.transactions import transaction
from wsdash.errors import RefusedError, WsdashError

HOLDERS = """
SELECT DISTINCT a.pid, a.usename::text AS role, extract(epoch FROM now() - a.xact_start)::bigint AS seconds,
       coalesce(left(a.query, 100), '') AS query
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.relation = ANY ($1::text[]::regclass[]) AND l.pid <> pg_backend_pid()
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
ORDER BY 3 DESC NULLS LAST LIMIT 5
"""
OUR_TRIGGERS = """
SELECT format('%I', g.tgname) AS trigger, format('%I.%I', n.nspname, c.relname) AS relation
FROM pg_trigger g JOIN pg_proc f ON f.oid = g.tgfoid JOIN pg_class c ON c.oid = g.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE f.pronamespace = to_regnamespace($1) AND f.proname LIKE 'online\\_%' AND g.tgparentid = 0
ORDER BY EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid), 2, 1 LIMIT 1
"""
"""One of our triggers, a root's before its children's: a hypertable's go with the root's."""
LEFT = """
SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid)
     + (SELECT count(*) FROM pg_proc WHERE pronamespace = n.oid) AS left
FROM pg_namespace n WHERE n.nspname = $1
"""
LOGS = """
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname ~ '^online_changes_\\d+$'
"""
KEYS = f"SELECT number, cardinality(key) AS columns FROM {TABLES} ORDER BY number"
FUNCTIONS = """
SELECT format('%I.%I', n.nspname, f.proname) AS name
FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE n.nspname = $1 AND f.proname LIKE 'online\\_%'
"""
EVERYTHING = """
SELECT line FROM (
  SELECT format('relation %s.%s %s %s', n.nspname, c.relname, c.relkind, c.relacl) AS line
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_|^information_schema'
  UNION ALL SELECT format('namespace %s %s', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_'
  UNION ALL SELECT format('function %s %s', oid::regprocedure, proacl) FROM pg_proc
            WHERE pronamespace::regnamespace::text !~ '^pg_|^information_schema'
  UNION ALL SELECT format('trigger %s %s %s', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger
            WHERE NOT tgisinternal
  UNION ALL SELECT format('type %s', oid::regtype) FROM pg_type
            WHERE typnamespace::regnamespace::text !~ '^pg_|^information_schema'
  UNION ALL SELECT format('setting %s', setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) s ORDER BY line
"""
"""Every object of a database that is not the server's own."""
OUR_TABLES = """
SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1
"""


async def patiently(
    conn: asyncpg.Connection,
    relations: list[str],
    work: Callable[[], Awaitable[None]],
    *,
    doing: str,
    attempts: int = CAPTURE_LOCK_ATTEMPTS,
) -> None:
    """Do `work` in one transaction that waits briefly for its locks, up to `attempts` times.

    relations: the tables (quoted) whose lock it needs. Raises WsdashError naming who holds them when no
    attempt gets them; what `work` raises else.
    """
    for _ in range(attempts):
        try:
            async with transaction(conn):
                await conn.execute(
                    f"SET LOCAL lock_timeout = '{CAPTURE_LOCK_MILLISECONDS}ms'", timeout=TIMEOUT
                )
                await work()
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(CAPTURE_LOCK_PAUSE_SECONDS * random.uniform(0.5, 1.5))
    holders = await conn.fetch(HOLDERS, relations, timeout=TIMEOUT)
    named = "; ".join(
        f"pid {row['pid']} ({row['role']}, for {row['seconds'] or 0} s: {row['query']})" for row in holders
    )
    raise WsdashError(
        f"{doing}: its lock cannot be had, it is held by {named or 'sessions that come and go'}",
        where=server_of(conn).address,
        remedy="let that session end (or end it: SELECT pg_terminate_backend(PID)), then retry",
    )


async def install(
    side: Endpoint,
    tracked: Sequence[Tracked],
    run: str,
    *,
    closed: bool,
    attempts: int = CAPTURE_LOCK_ATTEMPTS,
) -> None:
    """Put capture on every table, each in a transaction of its own with short locks; safe to call again.

    closed: a side that is new to it refuses writes (the target before the switch); one that knows its state
    keeps it. attempts: how often each table's lock is asked for. Raises RefusedError when the capture of
    another run or of other tables is there, WsdashError naming who holds a table's lock.
    """
    async with connection(side, read_only=False) as conn:
        with ServerErrors(side, f"putting capture on {side.label}"):
            await _install_base(conn, side, tracked, run, closed)
            trees = await read_trees(conn, tracked)
            for one in tracked:
                await _install_table(conn, one, trees[one.number], attempts)
            shape = await read_shape(conn, tracked)
            await conn.execute(f"UPDATE {STATE} SET shape = $1 WHERE shape IS NULL", shape, timeout=TIMEOUT)


async def _install_base(
    conn: asyncpg.Connection, side: Endpoint, tracked: Sequence[Tracked], run: str, closed: bool
) -> None:
    state = await read_state(conn)
    if state is not None and state.run != run:
        raise RefusedError(
            f"capture of run {state.run} is on {side.label}",
            where=side.address,
            remedy="finish that run first, which takes its capture away",
        )
    async with transaction(conn):
        await conn.execute(BASE, timeout=TIMEOUT)
        await conn.execute(
            f"INSERT INTO {STATE} (run, state) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            run,
            "closed" if closed else "open",
            timeout=TIMEOUT,
        )
        wanted = [(one.number, one.table.schema, one.table.name, list(one.table.key)) for one in tracked]
        there = await conn.fetch(f"SELECT * FROM {TABLES} ORDER BY number", timeout=TIMEOUT)
        if there and [tuple(row) for row in there] != wanted:
            raise RefusedError(
                f"capture on {side.label} was begun with other tables or keys",
                where=side.address,
                remedy="take the capture away and begin anew: tables or keys changed since",
            )
        for line in wanted if not there else ():
            await conn.execute(f"INSERT INTO {TABLES} VALUES ($1, $2, $3, $4)", *line, timeout=TIMEOUT)
        if not await conn.fetchval("SELECT to_regproc($1) IS NOT NULL", GATE, timeout=TIMEOUT):
            shut = closed if state is None else not state.open
            functions = closed_functions(tracked) if shut else open_functions(tracked)
            for one in tracked:
                await conn.execute(create_log(one), timeout=TIMEOUT)
            await conn.execute(functions, timeout=TIMEOUT)


async def _install_table(conn: asyncpg.Connection, one: Tracked, tree: Tree, attempts: int) -> None:
    if tree.kind == "missing":
        raise WsdashError(f"table {one.table.qualified} is missing", where=one.table.qualified)
    ours = triggers(one)
    commands = _missing(ours, tree.root, hypertable=tree.kind == "hypertable")
    for child in tree.children if tree.kind != "hypertable" else ():
        needed = tuple(trigger for trigger in ours if not (trigger.row and tree.clones_rows))
        commands += _missing(needed, child, hypertable=False)
    if not commands:
        return

    async def work() -> None:
        for command in commands:
            await conn.execute(command, timeout=TIMEOUT)

    relations = [tree.root.name, *(child.name for child in tree.children)]
    await patiently(conn, relations, work, doing=f"capture of {one.table.qualified}", attempts=attempts)


def _missing(wanted: Sequence[CaptureTrigger], relation: Relation, *, hypertable: bool) -> list[str]:
    return [
        trigger.create(relation.name)
        for trigger in wanted
        if trigger.name not in relation.triggers and not (hypertable and trigger.replica)
    ]


async def note_copy(target: Endpoint, run: str, position: Position, ground: Ground) -> None:
    """Note in the target from which position on its rows lack changes: before the first row is copied there.

    ground: the source's chunks in that snapshot. A copy that is taken up again under a later snapshot keeps
    the oldest position. The position must be sealed. Raises WsdashError.
    """
    async with connection(target, read_only=False) as conn:
        with ServerErrors(target, "noting the position of the copy"):
            async with transaction(conn):
                await conn.execute(BASE, timeout=TIMEOUT)
                await conn.execute(
                    f"INSERT INTO {STATE} AS s "
                    "(run, state, position, position_turn, position_boot, position_ground, own_boot) "
                    "VALUES ($1, 'closed', $2::text::pg_snapshot, 0, $3, $4, "
                    "pg_postmaster_start_time()::text) ON CONFLICT (single) DO UPDATE "
                    "SET position = coalesce(s.position, excluded.position), position_turn = 0, "
                    "position_boot = coalesce(s.position_boot, excluded.position_boot), "
                    "position_ground = coalesce(s.position_ground, excluded.position_ground), "
                    "own_boot = coalesce(s.own_boot, excluded.own_boot)",
                    run,
                    position.snapshot,
                    position.boot,
                    to_text(ground),
                    timeout=TIMEOUT,
                )


async def uninstall(side: Endpoint, *, attempts: int = CAPTURE_LOCK_ATTEMPTS) -> None:
    """Take every trace of capture away: triggers, functions, logs, state; the schema when it is empty then.

    Safe to call again, also where none is. A closed side takes writes again afterwards, so the caller must
    know that it may. Raises WsdashError naming who holds a table's lock.
    """
    async with connection(side, read_only=False) as conn:
        with ServerErrors(side, f"taking capture off {side.label}"):
            while (row := await conn.fetchrow(OUR_TRIGGERS, SCHEMA, timeout=TIMEOUT)) is not None:
                await _drop_trigger(conn, row["relation"], row["trigger"], attempts)
            for query, what in ((FUNCTIONS, "FUNCTION"), (LOGS, "TABLE")):
                for row in await conn.fetch(query, SCHEMA, timeout=TIMEOUT):
                    suffix = "()" if what == "FUNCTION" else ""
                    await conn.execute(f"DROP {what} IF EXISTS {row['name']}{suffix}", timeout=TIMEOUT)
            for name in (TABLES, APPLIED, SEAL, STATE):
                await conn.execute(f"DROP TABLE IF EXISTS {name}", timeout=TIMEOUT)
            if await conn.fetchval(LEFT, SCHEMA, timeout=TIMEOUT) == 0:
                await conn.execute(f"DROP SCHEMA {SCHEMA}", timeout=TIMEOUT)


async def _drop_trigger(conn: asyncpg.Connection, relation: str, trigger: str, attempts: int) -> None:
    async def work() -> None:
        await conn.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {relation}", timeout=TIMEOUT)

    await patiently(conn, [relation], work, doing=f"taking capture off {relation}", attempts=attempts)


async def log_bytes(conn: asyncpg.Connection) -> int:
    """How much the logs take on this side. Raises asyncpg.PostgresError."""
    rows = await conn.fetch(LOGS, SCHEMA, timeout=TIMEOUT)
    sizes = " + ".join(f"pg_total_relation_size({literal(row['name'])})" for row in rows) or "0"
    return int(await conn.fetchval(f"SELECT {sizes}", timeout=TIMEOUT))


async def prune(conn: asyncpg.Connection, tracked: Sequence[Tracked], applied: Position) -> int:
    """Remove lines that are on the other side for good; how many. Raises asyncpg.PostgresError."""
    removed = 0
    for one in tracked:
        status = await conn.execute(f"DELETE FROM {one.log} WHERE NOT {applied.since}", timeout=TIMEOUT * 10)
        removed += int(status.rsplit(" ", 1)[1])
    return removed


async def fold(conn: asyncpg.Connection) -> int:
    """Leave one line a key and operation in every log of this side; how many lines went.

    The one that is left is written anew by this transaction. Whatever position somebody holds, it either has
    seen all the lines that went, or has not seen the new one: then the key is applied once more, which does
    no harm. So nobody needs to know how far changes are applied. Raises asyncpg.PostgresError.
    """
    removed = 0
    for table in await conn.fetch(KEYS, timeout=TIMEOUT):
        log = log_of(table["number"])
        kept = ", ".join(("op", *key_names(table["columns"])))
        removed += await conn.fetchval(
            "WITH twice AS (SELECT ctid FROM (SELECT ctid, count(*) OVER "
            f"(PARTITION BY {kept}) AS lines FROM {log}) s WHERE lines > 1), "
            f"gone AS (DELETE FROM {log} WHERE ctid IN (SELECT ctid FROM twice) RETURNING {kept}), "
            f"kept AS (INSERT INTO {log} ({kept}) SELECT DISTINCT {kept} FROM gone RETURNING 1) "
            "SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM kept)",
            timeout=TIMEOUT * 10,
        )
    return removed


async def count_lines(conn: asyncpg.Connection) -> int:
    """How many lines the logs of this side hold. Raises asyncpg.PostgresError."""
    numbers = [row["number"] for row in await conn.fetch(KEYS, timeout=TIMEOUT)]
    counts = " + ".join(f"(SELECT count(*) FROM {log_of(number)})" for number in numbers) or "0"
    return int(await conn.fetchval(f"SELECT {counts}", timeout=TIMEOUT * 10))


async def read_objects(side: Endpoint) -> list[str]:
    """A line for each object of that database. Raises UnreachableError, WsdashError."""
    async with connection(side, read_only=True) as conn:
        with ServerErrors(side, "reading the catalog"):
            return [row["line"] for row in await conn.fetch(EVERYTHING, timeout=TIMEOUT)]


async def remove_everything(side: Endpoint) -> None:
    """Take capture off, and schema wsdash with what is known of the copy.

    Safe to call again, also where nothing is. Raises WsdashError naming what is in the way, such as an object
    of somebody else in that schema.
    """
    await uninstall(side)
    async with connection(side, read_only=False) as conn:
        with ServerErrors(side, f"removing schema {SCHEMA}"):
            async with transaction(conn):
                await _drop(conn)


async def _drop(conn: asyncpg.Connection) -> None:
    names = [ident(SCHEMA, row["name"]) for row in await conn.fetch(OUR_TABLES, SCHEMA, timeout=TIMEOUT)]
    if names:
        await conn.execute(f"DROP TABLE {', '.join(names)}", timeout=TIMEOUT)
    await conn.execute(f"DROP SCHEMA IF EXISTS {SCHEMA}", timeout=TIMEOUT)
