"""The online move, measured at its data level: what capture costs, how fast changes follow, how long writers
are refused, and the way back.

PYTHONPATH=. python benchmarks/online.py --rows 10000 --runs 20 --json FILE
PYTHONPATH=. python benchmarks/online.py --http --runs 50 --json FILE

The second one makes `--runs` trips there and back under traffic through both APIs over HTTP, and ends with 1
where an acknowledged write is lost, there twice or wrong, or a read was refused for over 100 ms.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import database_pair

from tests.support.online_site import running_site
from wsdash.data.copy.run import CopyRequest
from wsdash.data.online.capture.install import install
from wsdash.data.online.capture.objects import triggers
from wsdash.data.online.switch.cutover import AbortedError, switch_over
from wsdash.data.online.sync.copying import copy_online
from wsdash.data.online.sync.link import open_link
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.schema.ddl import post_data, sequence_values

WRITES_PER_SECOND, CLIENTS = 200.0, 16
LIMIT_SECONDS = 10.0
"""So that a slow switch is measured and not taken back."""
COST_ROUNDS, COST_STATEMENTS, COST_UPDATES = 40, 10, 100
ITEMS = "workspace.workspace_items"
UPDATE = f"UPDATE {ITEMS} SET title = $3 WHERE id = $1 AND created_at = $2"
BACK_CHANGES = 10_000
DWELL_SECONDS = 3.0
LONGEST_READ_REFUSAL_MS = 100.0


async def make_move(source: Endpoint, target: Endpoint, workers: int) -> Move:
    """Capture on both sides, every row copied."""
    catalog = await database_pair.prepared(source, target)
    move = Move("benchmark", source, target, catalog.tables)
    await install(source, move.tracked, move.run, closed=False)
    request = CopyRequest(
        source=source,
        target=target,
        tables=catalog.tables,
        post=post_data(catalog),
        sequences=lambda conn: sequence_values(conn, catalog),
        run=move.run,
        item="migrate-data",
        workers=workers,
    )
    await copy_online(move, request, lambda _: None)
    return move


async def keys(source: Endpoint) -> list[tuple[object, object]]:
    """Keys of some thousand items."""
    async with connection(source, read_only=True) as conn:
        return [
            (row["id"], row["created_at"])
            for row in await conn.fetch(f"SELECT id, created_at FROM {ITEMS} LIMIT 5000")
        ]


async def set_capture(conn: asyncpg.Connection, move: Move, on: bool) -> None:
    """Let the triggers fire, or not."""
    for one in move.tracked:
        for trigger in triggers(one):
            if not trigger.replica:
                how = "ENABLE" if on else "DISABLE"
                await conn.execute(f"ALTER TABLE {one.relation} {how} TRIGGER {trigger.name}")


async def executed(conn: asyncpg.Connection, some: list[tuple[object, object]]) -> float:
    """Milliseconds that the server executes updates of one row, the median of COST_STATEMENTS."""
    spent = []
    for _ in range(COST_STATEMENTS):
        plan = await conn.fetchval(
            f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {UPDATE}", *random.choice(some), "measured"
        )
        spent.append(float(json.loads(plan)[0]["Execution Time"]))
    return statistics.median(spent)


def ran(pid: int) -> int:
    """Nanoseconds that a process was on a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[0])


async def whole(conn: asyncpg.Connection, some: list[tuple[object, object]]) -> float:
    """Milliseconds of its processor that the session's server process takes for an update of one row, sent as
    the field's API does: not prepared, a transaction of its own. The mean of COST_UPDATES.
    """
    before = ran(conn.get_server_pid())
    for _ in range(COST_UPDATES):
        await conn.execute(UPDATE, *random.choice(some), "measured")
    return (ran(conn.get_server_pid()) - before) / COST_UPDATES / 1e6


async def capture_cost(move: Move, some: list[tuple[object, object]], report: database_pair.Report) -> None:
    """What capture adds to the update of one row, with it and without it in turns."""
    async with connection(move.source, read_only=False) as conn:
        for what, name, measure in (
            ("the server's whole work", "capture_share_of_whole_work", whole),
            ("its execution alone", "capture_share", executed),
        ):
            spent: dict[bool, list[float]] = {True: [], False: []}
            for number in range(COST_ROUNDS):
                on = bool(number % 2)
                await set_capture(conn, move, on)
                spent[on].append(await measure(conn, some))
            without, with_it = statistics.median(spent[False]), statistics.median(spent[True])
            print(f"update of one row, {what}: {without:.3f} ms without capture, {with_it:.3f} ms with it")
            report.ratios[name] = round(with_it / without - 1, 3)


@asynccontextmanager
async def writers(move: Move, some: list[tuple[object, object]]) -> AsyncIterator[list[float]]:
    """Clients that update items on whichever side takes it; the moments of acknowledged writes."""
    moments: list[float] = []
    over = asyncio.Event()

    async def write(number: int) -> None:
        sides, at = (move.source, move.target), 0
        conns = [await _plain(side) for side in sides]
        rng = random.Random(number)
        try:
            while not over.is_set():
                identity, created = rng.choice(some)
                while True:
                    try:
                        await conns[at].execute(UPDATE, identity, created, f"by {number}", timeout=30)
                        break
                    except asyncpg.CannotConnectNowError:
                        at = 1 - at
                        await asyncio.sleep(0.005)
                moments.append(time.monotonic())
                await asyncio.sleep(rng.uniform(0, 2 * CLIENTS / WRITES_PER_SECOND))
        finally:
            for conn in conns:
                conn.terminate()

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(write(number))
        try:
            yield moments
        finally:
            over.set()


async def _plain(side: Endpoint) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=side.host, port=side.port, user=side.user, database=side.database, password=side.password()
    )


async def downtimes(
    move: Move, some: list[tuple[object, object]], runs: int
) -> list[tuple[float, float, int]]:
    """Of `runs` switches, there and back in turns: the engine's number, the clients' gap, changes carried."""
    found = []
    async with writers(move, some) as moments:
        for number in range(runs):
            await asyncio.sleep(2)
            leaving = (move.source, move.target)[number % 2]
            first = len(moments)
            try:
                switched = await switch_over(move, leaving, limit=LIMIT_SECONDS, overwrite=None)
            except AbortedError as error:
                raise SystemExit(f"the switch was taken back: {error}") from error
            await asyncio.sleep(1)
            seen = moments[max(0, first - 1) :]
            gap = max(after - before for before, after in pairwise(seen))
            found.append((switched.downtime or 0.0, gap, switched.lines))
            shown = ", ".join(f"{name} {seconds:.2f}" for name, seconds in switched.seconds.items())
            print(f"switch {number + 1}: refused for {switched.downtime:.2f} s, gap {gap:.2f} s ({shown})")
    return found


async def catch_up_rate(move: Move, leaving: Endpoint) -> tuple[float, int]:
    """Seconds to carry what ten thousand updates left in the log, and how many lines that was."""
    async with connection(leaving, read_only=False) as conn:
        await conn.execute(
            f"UPDATE {ITEMS} SET title = title || '.' WHERE (id, created_at) IN "
            f"(SELECT id, created_at FROM {ITEMS} LIMIT {BACK_CHANGES})",
            timeout=database_pair.LONG,
        )
    async with open_link(move, leaving) as link:
        started = time.monotonic()
        lines = await link.apply()
        return time.monotonic() - started, lines


def peak_memory() -> float:
    """The most memory that this process, clients included, held so far, in MB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


async def over_http(move: Move, runs: int, report: database_pair.Report) -> list[str]:
    """Trips there and back under traffic through both APIs; what was amiss."""
    amiss = []
    with TemporaryDirectory(prefix="wsdash-bench-") as name:
        async with running_site(move, Path(name), WRITES_PER_SECOND) as site:
            for seed in range(1, runs + 1):
                trip = await site.round_trip(seed, DWELL_SECONDS)
                print(f"run {seed}: {trip.line()}", flush=True)
                amiss += [f"run {seed}: {text}" for text in trip.amiss]
                longest = trip.tally.longest_read_refusal_ms
                if longest > LONGEST_READ_REFUSAL_MS:
                    amiss.append(f"run {seed}: a read was refused for {longest:.0f} ms")
                report.runs.setdefault("write downtime", []).extend(trip.downtimes)
                report.runs.setdefault("clients' gap", []).extend(trip.client_gaps)
                report.runs.setdefault("longest read refusal", []).append(longest / 1000)
                report.runs.setdefault("old port free", []).append(trip.port_gap)
    return amiss


async def main() -> None:
    """Everything once, the switches `--runs` times; or the trips over HTTP."""
    options = database_pair.arguments(__doc__ or "", http="trips there and back over HTTP, nothing else")
    report = database_pair.Report()
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    async with database_pair.servers(options.rows) as (source, empty):
        target = await database_pair.fresh_target(empty, "online")
        move = await make_move(source, target, options.workers)
        if options.http:
            amiss = await over_http(move, options.runs, report)
            print("\n".join(amiss) or f"{options.runs} runs: nothing lost, duplicated or wrong")
            report.write(options.json)
            raise SystemExit(1 if amiss else 0)
        some = await keys(source)
        await capture_cost(move, some, report)
        seconds, lines = await catch_up_rate(move, source)
        print(f"caught up {lines} changes in {seconds:.2f} s: {lines / seconds:.0f} a second")
        report.runs["catch up 10 000 updates"] = [seconds]
        report.ratios["catch_up_vs_writes"] = round(lines / seconds / (2 * WRITES_PER_SECOND), 1)
        for downtime, gap, _ in await downtimes(move, some, options.runs):
            report.runs.setdefault("write downtime", []).append(downtime)
            report.runs.setdefault("clients' gap", []).append(gap)
        if options.runs % 2 == 0:
            await switch_over(move, source, limit=LIMIT_SECONDS, overwrite=None)
        async with connection(target, read_only=False) as conn:
            await conn.execute(
                f"UPDATE {ITEMS} SET title = title || '-' WHERE (id, created_at) IN "
                f"(SELECT id, created_at FROM {ITEMS} LIMIT {BACK_CHANGES})",
                timeout=database_pair.LONG,
            )
        started = time.monotonic()
        await switch_over(move, target, limit=60)
        report.runs["way back with 10 000 changed items"] = [time.monotonic() - started]
        report.memory["this process, clients included"] = peak_memory() * 1e6
    print(f"worst write downtime {max(report.runs['write downtime']):.2f} s")
    print(f"load average after: {os.getloadavg()[0]:.1f}; peak memory {peak_memory():.0f} MB")
    report.write(options.json)


if __name__ == "__main__":
    asyncio.run(main())
