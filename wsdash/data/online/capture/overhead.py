"""What capture adds to a write, measured where it is on, now, without touching a row of anybody's.

The same functions are put on a temporary copy of one row, and the server times them (EXPLAIN ANALYZE); then
all of it is rolled back. The table's own triggers do not fire, no row of it is locked, no sequence moves.
What is not in it: the log's share of the commit's WAL.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from wsdash.data.limits import OVERHEAD_SECONDS
from wsdash.data.online.capture.objects import REFUSAL, triggers
from wsdash.data.online.capture.tracked import Tracked
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.pg.sql import ident
from wsdash.data.pg.transactions import begin, roll_back

ROUNDS = 15
COPY = "wsdash_measured"
LIMITS = ("SET LOCAL lock_timeout = '200ms'", "SET LOCAL idle_in_transaction_session_timeout = '1s'")
"""It holds the gate's lock for some milliseconds: a fence must not wait for us when we are stopped."""


@dataclass(frozen=True)
class Overhead:
    """Milliseconds that capture adds to an update of one row; the median of ROUNDS."""

    table: str
    milliseconds: float


async def measure_overhead(side: Endpoint, tracked: Sequence[Tracked]) -> Overhead | None:
    """Measure on the largest table with a key and a row; None without one, or while the side takes no writes.

    Raises UnreachableError, and WsdashError where the role may not make temporary tables.
    """
    keyed = sorted((one for one in tracked if not one.keyless), key=lambda one: -(one.table.bytes or 0))
    async with connection(side, read_only=False) as conn:
        with ServerErrors(side, "measuring what capture costs"):
            await begin(conn, *LIMITS)
            try:
                for one in keyed:
                    if await _copy_a_row(conn, one):
                        return Overhead(one.table.qualified, await _measure(conn, one))
            except asyncpg.PostgresError as error:
                if error.sqlstate != REFUSAL:
                    raise
            finally:
                if not conn.is_closed():
                    await roll_back(conn)
    return None


async def _copy_a_row(conn: asyncpg.Connection, one: Tracked) -> bool:
    """Whether there was one."""
    columns = ", ".join(f"t.{ident(name)}" for name in one.columns)
    await conn.execute(
        f"DROP TABLE IF EXISTS pg_temp.{COPY}; "
        f"CREATE TEMP TABLE {COPY} ON COMMIT DROP AS SELECT {columns} FROM {one.relation} t LIMIT 1",
        timeout=OVERHEAD_SECONDS,
    )
    return bool(await conn.fetchval(f"SELECT EXISTS (SELECT FROM pg_temp.{COPY})", timeout=OVERHEAD_SECONDS))


async def _measure(conn: asyncpg.Connection, one: Tracked) -> float:
    ours = [trigger for trigger in triggers(one) if not trigger.replica]
    await conn.execute(
        "; ".join(trigger.create(f"pg_temp.{COPY}") for trigger in ours), timeout=OVERHEAD_SECONDS
    )
    key = ident(one.table.key[0])
    spent = []
    for _ in range(ROUNDS):
        plan = await conn.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT json) UPDATE pg_temp.{COPY} SET {key} = {key}",
            timeout=OVERHEAD_SECONDS,
        )
        fired = json.loads(plan)[0]["Triggers"]
        spent.append(sum(float(trigger["Time"]) for trigger in fired))
    return statistics.median(spent)
