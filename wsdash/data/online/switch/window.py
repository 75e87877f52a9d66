"""What speaks against switching now: read-only looks at the side that is to be left, each able to say no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.limits import LOCKING_DELTA_SECONDS, OLD_WRITER_SECONDS, TIMEOUT
from wsdash.data.online.capture.position import read_state
from wsdash.data.online.capture.structure import Tree, differences, moved, read_ground, read_shape, read_trees
from wsdash.data.online.capture.tracked import FENCE
from wsdash.data.online.sync.link import Link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint
from wsdash.errors import RefusedError

SHOWN = 5

PREPARED = """
SELECT gid, owner::text AS owner, prepared::text AS since FROM pg_prepared_xacts
WHERE database = current_database() ORDER BY prepared
"""
HOLDERS = f"""
SELECT a.pid, a.usename::text AS role, a.backend_type AS backend, coalesce(left(a.query, 100), '') AS query,
       extract(epoch FROM statement_timestamp() - a.xact_start)::float8 AS seconds,
       bool_or(l.mode = 'ShareUpdateExclusiveLock') AS maintains,
       a.application_name LIKE 'wsdash%' AS ours
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.locktype = 'advisory' AND (l.classid, l.objid) = ({FENCE >> 32}, {FENCE & 0xFFFFFFFF})
       OR l.locktype = 'relation' AND l.relation = ANY ($1::text[]::regclass[])
          AND l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
GROUP BY 1, 2, 3, 4, 5, a.application_name ORDER BY 5 DESC NULLS LAST
"""


@dataclass(frozen=True)
class Line:
    """One line of the panel before the switch. ok: nothing speaks against it here."""

    name: str
    ok: bool
    text: str
    remedy: str = ""


async def look(conn: asyncpg.Connection, link: Link) -> list[Line]:
    """Every line, as the side that is to be left is now; conn: a session of it. Raises
    asyncpg.PostgresError."""
    trees = await read_trees(conn, link.tracked)
    holders = await _holders(conn, trees)
    return [
        await _prepared(conn),
        _old_writers(holders),
        _maintenance(holders),
        *await _structure(conn, link, trees),
    ]


async def require_window(conn: asyncpg.Connection, link: Link, *, closing: bool = False) -> None:
    """Raise RefusedError with every line that says no. closing: only what holds with all writers kept out."""
    if closing:
        lines = await _structure(conn, link, await read_trees(conn, link.tracked))
    else:
        lines = await look(conn, link)
    bad = [line for line in lines if not line.ok]
    if bad:
        raise RefusedError(
            "this is no moment for the switch: " + "; ".join(f"{line.name}: {line.text}" for line in bad),
            where=link.leaving.address,
            remedy="; ".join(dict.fromkeys(line.remedy for line in bad)),
        )


async def _holders(conn: asyncpg.Connection, trees: dict[int, Tree]) -> list[asyncpg.Record]:
    names = [one.name for tree in trees.values() for one in (tree.root, *tree.children)]
    return list(await conn.fetch(HOLDERS, names, timeout=TIMEOUT))


async def _prepared(conn: asyncpg.Connection) -> Line:
    rows = await conn.fetch(PREPARED, timeout=TIMEOUT)
    text = ", ".join(f"{row['gid']} of {row['owner']} since {row['since']}" for row in rows[:SHOWN])
    return Line(
        "prepared transactions",
        not rows,
        text or "none",
        "COMMIT PREPARED or ROLLBACK PREPARED them: their locks never end by themselves",
    )


def _old_writers(holders: Sequence[asyncpg.Record]) -> Line:
    old = [row for row in holders if not row["maintains"] and (row["seconds"] or 0) > OLD_WRITER_SECONDS]
    text = "; ".join(_session(row) for row in old[:SHOWN])
    return Line(
        "open writers",
        not old,
        text or f"none is older than {OLD_WRITER_SECONDS:.0f} s",
        "let them end, or end them: SELECT pg_terminate_backend(PID)",
    )


def _maintenance(holders: Sequence[asyncpg.Record]) -> Line:
    """An ordinary autovacuum worker makes way by itself; a VACUUM that somebody runs does not."""
    running = [
        row
        for row in holders
        if row["maintains"]
        and (row["backend"] != "autovacuum worker" or "to prevent wraparound" in row["query"])
        and not (row["ours"] and (row["seconds"] or 0) < LOCKING_DELTA_SECONDS)
    ]
    text = "; ".join(_session(row) for row in running[:SHOWN])
    return Line("maintenance", not running, text or "none on these tables", "let VACUUM or ANALYZE finish")


def _session(row: asyncpg.Record) -> str:
    return f"pid {row['pid']} ({row['role']}, for {row['seconds'] or 0:.0f} s: {row['query']})"


async def _structure(conn: asyncpg.Connection, link: Link, trees: dict[int, Tree]) -> list[Line]:
    state = await read_state(conn)
    before = state.shape if state is not None else ""
    changed = differences(before, await read_shape(conn, link.tracked))
    unguarded = [name for tree in trees.values() for name in tree.unguarded]
    return [
        Line(
            "changes of the schema",
            not changed,
            "; ".join(changed[:SHOWN]) or "none since capture began",
            begin_anew(link.move, link.leaving, state.turn if state is not None else 0),
        ),
        Line(
            "capture",
            not unguarded,
            f"missing or disabled on {', '.join(unguarded[:SHOWN])}" if unguarded else "on every table",
            "put capture back (its triggers must stay enabled), and copy these tables anew",
        ),
        _chunks(link, moved(link.ground, await read_ground(conn, link.tracked))),
    ]


def begin_anew(move: Move, side: Endpoint, turn: int) -> str:
    """What to do about a schema that changed since capture of this side began. turn: the side's."""
    if side == move.target:
        return f"take the change back in {side.label}, then try again"
    clear = ", clear capture away (wsdash finish --remove-traces)" if turn else ""
    return f"take the change back, or begin the move anew: roll back (R){clear}, then migrate again"


def _chunks(link: Link, found: dict[int, list[str]]) -> Line:
    """Rows that went with a chunk went unseen."""
    names = {one.number: one.table.qualified for one in link.tracked}
    sentences = [f"{names[number]}: {', '.join(lines[:SHOWN])}" for number, lines in found.items()]
    came_back = " (or came back through a mapping)"
    sentences += [
        names[number] + (came_back if number in link.move.lossy else "")
        for number in sorted(link.suspects - found.keys())
    ]
    return Line(
        "chunks",
        not sentences,
        f"dropped, emptied or rewritten since the last comparison ({'; '.join(sentences)})"
        if sentences
        else "as they were",
        "pause retention and compression, and compare both sides again",
    )
