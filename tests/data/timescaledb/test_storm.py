"""Maintenance, writes and DDL at random moments while a backup and a copy read: never a silent difference.

Each seed is one run on a hypertable of its own. A single writer keeps a model of what it has committed, so
that every state that ever was is known: what a backup or a copy holds must be one of those between its
beginning and its end. `WSDASH_STORM=100` runs a hundred seeds (CI: 3), `WSDASH_STORM_SEED=N` begins
at seed N.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from tests.data.backup_world import quiet, run_sql
from tests.data.copying import ignore, prepare, request_of
from tests.data.timescaledb.small import MAINTENANCE, WRITES, copy_of, maintain, reader
from tests.support.servers import Server
from wsdash.data.backup.take import take_backup
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.restore.run import restore_backup
from wsdash.data.snapshot import chunk_states as states
from wsdash.data.verify.run import verify_tables
from wsdash.errors import DefectError, UnreachableError, WsdashError

pytestmark = [pytest.mark.timescaledb, pytest.mark.timeout(7200)]

SEEDS = int(os.environ.get("WSDASH_STORM", "3"))
FIRST = int(os.environ.get("WSDASH_STORM_SEED", "1"))
CALLS = [name for name in MAINTENANCE if name not in WRITES | {"drop_chunks", "truncate a chunk"}]
"""The two that remove rows are the writer's own: its model must know of them."""
DDL = (
    "ALTER TABLE s.t ADD COLUMN extra_{n} integer DEFAULT {n}",
    "CREATE INDEX ON s.t (v) WHERE id > {n}",
    "CREATE TABLE s.further_{n} (n integer)",
    "ALTER TABLE s.plain ADD COLUMN more_{n} text",
    "CREATE VIEW s.seen_{n} AS SELECT id FROM s.t",
    "ALTER TABLE s.t ALTER COLUMN v SET STATISTICS {n}",
)
Rows = dict[int, str]


@dataclass
class Storm:
    """What happens to one database while it is read. past: every state that was committed, in order."""

    endpoint: Endpoint
    random: random.Random
    rows: Rows = field(default_factory=dict)
    past: list[Rows] = field(default_factory=list)
    over: bool = False
    number: int = 0
    """Of the last transaction; ids are made of it."""
    maintained: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held during a maintenance call, and while the writer asks what chunks it has dropped."""
    events: list[str] = field(default_factory=list)
    """What was done meanwhile, with its time and how many states there were, to explain what went wrong."""

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Note when something began and how it ended; database errors end here."""
        begun = time.monotonic()
        ended = "done"
        try:
            yield
        except (asyncpg.PostgresError, TimeoutError) as error:
            ended = f"{type(error).__name__}: {str(error)[:80]}"
        finally:
            self.events.append(f"{begun:.3f}-{time.monotonic():.3f} [{len(self.past) - 1}] {what}: {ended}")

    async def begin(self) -> None:
        """Learn the first state."""
        async with connection(self.endpoint, read_only=True) as conn:
            self.rows = {row["id"]: row["v"] for row in await conn.fetch("SELECT id, v FROM s.t")}
        self.past = [dict(self.rows)]

    async def write(self) -> None:
        """One transaction after the other: inserts, updates, and now and then the oldest chunk goes."""
        async with connection(self.endpoint, read_only=False) as conn:
            await conn.execute("SET lock_timeout = '2s'")
            while not self.over:
                self.number += 1
                await asyncio.sleep(self.random.uniform(0, 0.05))
                rows = dict(self.rows)
                with self.noted(f"write {self.number}"):
                    await self._write(conn, self.number, rows)
                    self.rows = rows
                    self.past.append(dict(rows))

    async def _write(self, conn: asyncpg.Connection, number: int, rows: Rows) -> None:
        dice = self.random.random()
        if dice < 0.02:
            # a chunk that was merged with a newer one stays; a SELECT that waits for split_chunk misses the
            # rows of its new chunk (2.23.0, without any session of ours): nothing is maintained meanwhile
            async with self.maintained:
                await conn.fetch("SELECT public.drop_chunks('s.t', timestamptz '2025-03-02 00:00+00')")
                left = {row["id"] for row in await conn.fetch("SELECT id FROM s.t")}
            for key in set(rows) - left:
                del rows[key]
        elif dice < 0.6 and rows:
            chosen = self.random.sample(sorted(rows), 3)
            update = "UPDATE s.t SET v = $1 WHERE id = ANY ($2::int[]) RETURNING id"
            # an update may miss a row that is being recompressed: what it did counts
            for row in await conn.fetch(update, f"storm {number}", chosen):
                rows[row["id"]] = f"storm {number}"
        else:
            day = self.random.randint(2, 9)
            rows[10_000 + number] = "new"
            await conn.execute(
                f"INSERT INTO s.t VALUES ($1, timestamptz '2025-03-{day:02d} 12:00+00', 'k9', 'new', 1)",
                10_000 + number,
            )

    async def keep_up(self) -> None:
        """Maintenance calls, one after the other; many fail, as they do beside other sessions."""
        while not self.over:
            await asyncio.sleep(self.random.uniform(0, 0.15))
            call = self.random.choice(CALLS)
            async with self.maintained:
                with self.noted(call):
                    await maintain(self.endpoint, call, f"{self.random.randint(50, 800)}ms")

    async def alter(self) -> None:
        """DDL now and then."""
        for number in range(100, 1000):
            await asyncio.sleep(self.random.uniform(0.05, 0.6))
            if self.over:
                return
            sql = self.random.choice(DDL).format(n=number)
            with self.noted(sql):
                await run_sql(self.endpoint, f"SET lock_timeout = '500ms'; {sql}")

    async def around(self, read: Callable[[], Awaitable[int]]) -> tuple[list[Rows], int | WsdashError]:
        """The states that were while `read` was at work, and what became of it: how often it began anew."""
        await self.begin()
        self.over = False
        tasks = [asyncio.create_task(one()) for one in (self.write, self.keep_up, self.alter)]
        await asyncio.sleep(self.random.uniform(0, 0.3))
        first = len(self.past) - 1
        outcome: int | WsdashError
        self.events.clear()
        begun = time.monotonic()
        try:
            outcome = await read()
        except WsdashError as error:
            outcome = error
        except Exception as error:
            outcome = DefectError(f"{type(error).__name__}: {error}")
            traceback.print_exc()
        self.events.append(f"{begun:.3f}-{time.monotonic():.3f} the reading")
        self.over = True
        await asyncio.gather(*tasks)
        held = await rows_of(self.endpoint)
        lost, more = sorted(self.rows.items() - held.items()), sorted(held.items() - self.rows.items())
        told = f"the source itself lost {len(lost)} rows {lost[:10]} and has {len(more)} others {more[:10]}"
        assert not lost, "\n".join([told, *self.events])
        assert not more, "\n".join([told, *self.events])
        return self.past[first:], outcome


async def rows_of(endpoint: Endpoint) -> Rows:
    """What a server holds."""
    async with connection(endpoint, read_only=True) as conn:
        return {row["id"]: row["v"] for row in await conn.fetch("SELECT id, v FROM s.t")}


def require_known(found: Rows, past: list[Rows], storm: Storm) -> None:
    """What was read is one of the states that were."""
    nearest = min(past, key=lambda one: len(set(one.items()) ^ set(found.items())))
    difference = {key for key, _ in set(nearest.items()) ^ set(found.items())}
    if not difference:
        return
    lines = [f"a state that never was; the nearest, {past.index(nearest)} of {len(past)}, differs in"]
    for key in sorted(difference)[:30]:
        had = [one.get(key) for one in past]
        changes = [(place, value) for place, value in enumerate(had) if not place or value != had[place - 1]]
        lines.append(f"  {key}: read {found.get(key)}, was {changes}")
    raise AssertionError("\n".join([*lines, "meanwhile:", *storm.events]))


def judged(outcome: int | WsdashError) -> str:
    """The kind of an outcome; a refusal must say what is wrong and what to do."""
    if isinstance(outcome, WsdashError):
        assert not isinstance(outcome, DefectError), outcome
        assert outcome.what
        assert outcome.remedy
        assert not isinstance(outcome, UnreachableError) or "lock" in str(outcome).lower(), outcome
        print(f"refused: {outcome.what[:200]}")
        return "refused"
    return "read anew, right" if outcome else "right"


@pytest.fixture(autouse=True)
def little_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The storm does not end while we wait."""
    monkeypatch.setattr(states, "RETAKE_SECONDS", 0.1)


async def test_a_storm_never_makes_a_silent_difference(
    timescale_server: Server, small_template: str, pg18: Server, tmp_path: Path
) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for seed in range(FIRST, FIRST + SEEDS):
        source = await copy_of(timescale_server, small_template)
        targets = [await pg18.fresh_database(), await pg18.fresh_database()]
        role = reader(source) if seed % 2 else source
        print(f"seed {seed}, {'reader' if seed % 2 else 'owner'}")
        try:
            storm = Storm(source, random.Random(seed))
            counts["backup " + await backed_up(storm, role, targets[0], tmp_path / str(seed))] += 1
            counts["copy " + await copied(storm, role, targets[1])] += 1
        except AssertionError as error:
            wrong.append(f"seed {seed}: {error}")
            print(wrong[-1], flush=True)
        finally:
            await timescale_server.drop_database(source.database)
            for target in targets:
                await pg18.drop_database(target.database)
    print(dict(sorted(counts.items())))
    assert not wrong, "\n".join(wrong)
    assert sum(counts.values()) == 2 * SEEDS


async def backed_up(storm: Storm, role: Endpoint, target: Endpoint, directory: Path) -> str:
    manifests = []

    async def read() -> int:
        manifests.append(await take_backup(role, "s", directory, item="backup", on_progress=quiet))
        return len(manifests[0].retakes)

    past, outcome = await storm.around(read)
    if manifests:
        await restore_backup(manifests[0].path, target, item="backup", on_progress=quiet)
        require_known(await rows_of(target), past, storm)
    return judged(outcome)


async def copied(storm: Storm, role: Endpoint, target: Endpoint) -> str:
    catalog = await prepare(role, target)

    async def read() -> int:
        result = await copy_tables(request_of(role, target, catalog, post=False, workers=2), ignore)
        return len(result.retakes)

    past, outcome = await storm.around(read)
    if isinstance(outcome, int):
        found = await rows_of(target)
        require_known(found, past, storm)
        results = await verify_tables(role, target, catalog.tables, on_table=lambda _: None, workers=2)
        same = {result.name: result.match for result in results}["s.t"]
        assert same == (found == storm.rows), "the comparison is wrong"
    return judged(outcome)
