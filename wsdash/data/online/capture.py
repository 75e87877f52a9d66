"""Putting capture on a side, and taking every trace of it away again."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.online.ground import Ground, to_text
from wsdash.data.online.objects import (
    BASE,
    CaptureTrigger,
    closed_functions,
    create_log,
    open_functions,
    triggers,
)
from wsdash.data.online.position import Position
from wsdash.data.online.shape import read_shape
from wsdash.data.online.short_locks import ATTEMPTS, patiently
from wsdash.data.online.state import read_state
from wsdash.data.online.tracked import APPLIED, GATE, SEAL, STATE, TABLES, Tracked, key_names, log_of
from wsdash.data.online.trees import Relation, Tree, read_trees
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import literal
from wsdash.data.pg.transactions import transaction
from wsdash.errors import RefusedError, WsdashError

SECONDS = 60.0

OURS = """
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


async def install(
    side: Endpoint, tracked: Sequence[Tracked], run: str, *, closed: bool, attempts: int = ATTEMPTS
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
            await conn.execute(f"UPDATE {STATE} SET shape = $1 WHERE shape IS NULL", shape, timeout=SECONDS)


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
        await conn.execute(BASE, timeout=SECONDS)
        await conn.execute(
            f"INSERT INTO {STATE} (run, state) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            run,
            "closed" if closed else "open",
            timeout=SECONDS,
        )
        wanted = [(one.number, one.table.schema, one.table.name, list(one.table.key)) for one in tracked]
        there = await conn.fetch(f"SELECT * FROM {TABLES} ORDER BY number", timeout=SECONDS)
        if there and [tuple(row) for row in there] != wanted:
            raise RefusedError(
                f"capture on {side.label} was begun with other tables or keys",
                where=side.address,
                remedy="take the capture away and begin anew: tables or keys changed since",
            )
        for line in wanted if not there else ():
            await conn.execute(f"INSERT INTO {TABLES} VALUES ($1, $2, $3, $4)", *line, timeout=SECONDS)
        if not await conn.fetchval("SELECT to_regproc($1) IS NOT NULL", GATE, timeout=SECONDS):
            shut = closed if state is None else not state.open
            functions = closed_functions(tracked) if shut else open_functions(tracked)
            for one in tracked:
                await conn.execute(create_log(one), timeout=SECONDS)
            await conn.execute(functions, timeout=SECONDS)


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
            await conn.execute(command, timeout=SECONDS)

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
                await conn.execute(BASE, timeout=SECONDS)
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
                    timeout=SECONDS,
                )


async def uninstall(side: Endpoint, *, attempts: int = ATTEMPTS) -> None:
    """Take every trace of capture away: triggers, functions, logs, state; the schema when it is empty then.

    Safe to call again, also where none is. A closed side takes writes again afterwards, so the caller must
    know that it may. Raises WsdashError naming who holds a table's lock.
    """
    async with connection(side, read_only=False) as conn:
        with ServerErrors(side, f"taking capture off {side.label}"):
            while (row := await conn.fetchrow(OURS, SCHEMA, timeout=SECONDS)) is not None:
                await _drop_trigger(conn, row["relation"], row["trigger"], attempts)
            for query, what in ((FUNCTIONS, "FUNCTION"), (LOGS, "TABLE")):
                for row in await conn.fetch(query, SCHEMA, timeout=SECONDS):
                    suffix = "()" if what == "FUNCTION" else ""
                    await conn.execute(f"DROP {what} IF EXISTS {row['name']}{suffix}", timeout=SECONDS)
            for name in (TABLES, APPLIED, SEAL, STATE):
                await conn.execute(f"DROP TABLE IF EXISTS {name}", timeout=SECONDS)
            if await conn.fetchval(LEFT, SCHEMA, timeout=SECONDS) == 0:
                await conn.execute(f"DROP SCHEMA {SCHEMA}", timeout=SECONDS)


async def _drop_trigger(conn: asyncpg.Connection, relation: str, trigger: str, attempts: int) -> None:
    async def work() -> None:
        await conn.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {relation}", timeout=SECONDS)

    await patiently(conn, [relation], work, doing=f"taking capture off {relation}", attempts=attempts)


async def log_bytes(conn: asyncpg.Connection) -> int:
    """How much the logs take on this side. Raises asyncpg.PostgresError."""
    rows = await conn.fetch(LOGS, SCHEMA, timeout=SECONDS)
    sizes = " + ".join(f"pg_total_relation_size({literal(row['name'])})" for row in rows) or "0"
    return int(await conn.fetchval(f"SELECT {sizes}", timeout=SECONDS))


async def prune(conn: asyncpg.Connection, tracked: Sequence[Tracked], applied: Position) -> int:
    """Remove lines that are on the other side for good; how many. Raises asyncpg.PostgresError."""
    removed = 0
    for one in tracked:
        status = await conn.execute(f"DELETE FROM {one.log} WHERE NOT {applied.since}", timeout=SECONDS * 10)
        removed += int(status.rsplit(" ", 1)[1])
    return removed


async def fold(conn: asyncpg.Connection) -> int:
    """Leave one line a key and operation in every log of this side; how many lines went.

    The one that is left is written anew by this transaction. Whatever position somebody holds, it either has
    seen all the lines that went, or has not seen the new one: then the key is carried once more, which does
    no harm. So nobody needs to know how far changes are carried. Raises asyncpg.PostgresError.
    """
    removed = 0
    for table in await conn.fetch(KEYS, timeout=SECONDS):
        log = log_of(table["number"])
        kept = ", ".join(("op", *key_names(table["columns"])))
        removed += await conn.fetchval(
            "WITH twice AS (SELECT ctid FROM (SELECT ctid, count(*) OVER "
            f"(PARTITION BY {kept}) AS lines FROM {log}) s WHERE lines > 1), "
            f"gone AS (DELETE FROM {log} WHERE ctid IN (SELECT ctid FROM twice) RETURNING {kept}), "
            f"kept AS (INSERT INTO {log} ({kept}) SELECT DISTINCT {kept} FROM gone RETURNING 1) "
            "SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM kept)",
            timeout=SECONDS * 10,
        )
    return removed


async def count_lines(conn: asyncpg.Connection) -> int:
    """How many lines the logs of this side hold. Raises asyncpg.PostgresError."""
    numbers = [row["number"] for row in await conn.fetch(KEYS, timeout=SECONDS)]
    counts = " + ".join(f"(SELECT count(*) FROM {log_of(number)})" for number in numbers) or "0"
    return int(await conn.fetchval(f"SELECT {counts}", timeout=SECONDS * 10))
