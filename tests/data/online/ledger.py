"""Clients that write to whichever side takes it and keep a ledger of what was acknowledged.

As a program: python -m tests.data.online.ledger '{"source": {...}, "target": {...}, "seed": 1, "clients": 8,
"rate": 100.0, "first": 1}' writes until its input is closed, and prints the ledger as one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg

from wsdash.data.online.capture.objects import REFUSAL
from wsdash.data.pg.connect import Endpoint, connection

ROWS_EACH = 1_000_000
"""Ids of client n begin at n times this: nobody else writes them."""
COMMAND_SECONDS = 20.0
CREATE = "INSERT INTO s.items (id, at, title, size, owner) VALUES ($1, $2::text::timestamptz, $3, 1, 1)"
UPDATE = "UPDATE s.items SET title = $3 WHERE id = $1 AND at = $2::text::timestamptz"
DELETE = "DELETE FROM s.items WHERE id = $1 AND at = $2::text::timestamptz AND $3::text IS NOT NULL"
RENUMBER = "UPDATE s.items SET id = $3::integer WHERE id = $1 AND at = $2::text::timestamptz"


@dataclass
class Row:
    """What may be stored under an id: its titles (None: no row), one but for unknown outcomes.

    writes: acknowledged changes that left a line in the audit; unknown: those without an answer.
    """

    at: str
    titles: list[str | None]
    writes: int = 0
    unknown: int = 0


@dataclass
class Ledger:
    """What clients were told. faults: what they saw and should not have; gap: the longest time without any
    acknowledged write, in seconds."""

    rows: dict[int, Row] = field(default_factory=dict)
    acknowledged: int = 0
    unknown: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    gap: float = 0.0
    last: float = 0.0

    def acknowledge(self) -> None:
        """One more, now."""
        now = time.monotonic()
        if self.last:
            self.gap = max(self.gap, now - self.last)
        self.last, self.acknowledged = now, self.acknowledged + 1


@dataclass
class Client:
    """One client with a session on each side."""

    number: int
    sides: tuple[Endpoint, Endpoint]
    random: random.Random
    ledger: Ledger
    pause: float
    at: int = 0
    version: int = 0
    sessions: dict[int, asyncpg.Connection] = field(default_factory=dict)

    async def work(self, over: asyncio.Event) -> None:
        """Write until it is over."""
        try:
            while not over.is_set():
                await self.change()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), self.random.uniform(0, 2 * self.pause))
        finally:
            for conn in self.sessions.values():
                conn.terminate()

    async def change(self) -> None:
        """One change of a row of ours, tried on one side and then the other until one answers."""
        self.version += 1
        base = self.number * ROWS_EACH
        mine = [i for i in range(base + 1, base + self.version) if self._certain(i)]
        kind = self.random.choices(("create", "update", "delete", "renumber"), (3, 5, 1, 1))[0]
        new = base + self.version
        if kind == "create" or not mine:
            at = f"2025-0{self.random.randint(1, 6)}-{self.random.randint(1, 28):02d} 00:00+00"
            row = Row(at, [None])
            await self._try(CREATE, new, row, f"v{self.version}", f"v{self.version}")
            self.ledger.rows[new] = row
            return
        number = self.random.choice(mine[-20:])
        row = self.ledger.rows[number]
        if kind == "update":
            await self._try(UPDATE, number, row, f"v{self.version}", f"v{self.version}")
        elif kind == "delete":
            await self._try(DELETE, number, row, "", None)
        else:
            other = Row(row.at, [None])
            title = row.titles[0]
            await self._try(RENUMBER, number, row, new, None, (other, title))
            self.ledger.rows[new] = other

    def _certain(self, number: int) -> bool:
        row = self.ledger.rows.get(number)
        return row is not None and len(row.titles) == 1 and row.titles[0] is not None

    async def _try(
        self,
        sql: str,
        number: int,
        row: Row,
        argument: str | int,
        title: str | None,
        other: tuple[Row, str | None] | None = None,
    ) -> None:
        while True:
            outcome = await self._send(sql, number, row.at, argument)
            if outcome == "refused":
                self.ledger.refused += 1
                self.at = 1 - self.at
                await asyncio.sleep(0.005)
                continue
            if outcome == "unreached":
                self.at = 1 - self.at
                await asyncio.sleep(0.05)
                continue
            counted = other[0] if other else row
            if outcome == "unknown":
                self.ledger.unknown += 1
                counted.unknown += 1
                row.titles.append(title)
                if other:
                    other[0].titles.append(other[1])
                return
            if outcome != "1":
                self.ledger.faults.append(f"{sql.split()[0]} of {number}: {outcome} rows")
            self.ledger.acknowledge()
            counted.writes += 1
            row.titles = [title]
            if other:
                other[0].titles = [other[1]]
            return

    async def _send(self, sql: str, number: int, at: str, argument: str | int) -> str:
        """How many rows, or: refused, unreached, unknown."""
        try:
            conn = await self._session()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return "unreached"
        try:
            status = await conn.execute(sql, number, at, argument, timeout=COMMAND_SECONDS)
        except asyncpg.PostgresError as error:
            if error.sqlstate == REFUSAL:
                return "refused"
            if error.sqlstate and not error.sqlstate.startswith(("57P", "08")):
                self.ledger.faults.append(f"{sql.split()[0]} of {number}: {error}")
                return "refused"
        except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            pass
        else:
            return str(status).rsplit(" ", 1)[1]
        conn.terminate()
        return "unknown"

    async def _session(self) -> asyncpg.Connection:
        conn = self.sessions.get(self.at)
        if conn is None or conn.is_closed():
            side = self.sides[self.at]
            conn = await asyncpg.connect(
                host=side.host,
                port=side.port,
                user=side.user,
                database=side.database,
                password=side.password(),
                timeout=5,
            )
            self.sessions[self.at] = conn
        return conn


async def check(ledger: Ledger, side: Endpoint) -> list[str]:
    """Compare the ledger with a side, row by row: what was lost, is there twice, or is wrong."""
    async with connection(side, read_only=True) as conn:
        stored: dict[int, list[str]] = {}
        for line in await conn.fetch("SELECT id, title FROM s.items WHERE id >= $1", ROWS_EACH):
            stored.setdefault(line["id"], []).append(line["title"])
        audited = Counter(
            {
                line["item"]: line["lines"]
                for line in await conn.fetch("SELECT item, count(*) AS lines FROM s.audit GROUP BY 1")
            }
        )
    told = list(ledger.faults)
    for number in stored.keys() - ledger.rows.keys():
        told.append(f"{number} is stored, and nobody wrote it")
    for number, row in ledger.rows.items():
        found = stored.get(number, [])
        if len(found) > 1:
            told.append(f"{number} is there {len(found)} times")
        if (found[0] if found else None) not in row.titles:
            told.append(f"{number} is {found}, was acknowledged as {row.titles}")
        if not row.writes <= audited[number] <= row.writes + row.unknown:
            told.append(f"{number}: {audited[number]} audit lines of {row.writes} writes")
    return told


@contextlib.asynccontextmanager
async def writing(
    source: Endpoint, target: Endpoint, *, seed: int, clients: int, rate: float, first: int = 1
) -> AsyncIterator[Ledger]:
    """Clients at work for the length of a block, `rate` writes a second in all."""
    ledger, over = Ledger(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(first, first + clients):
            rng = random.Random(seed * 1000 + number)
            client = Client(number, (source, target), rng, ledger, clients / rate)
            group.create_task(client.work(over))
        try:
            yield ledger
        finally:
            over.set()


async def main() -> None:
    """Write until the input is closed."""
    order = json.loads(sys.argv[1])
    source, target = Endpoint(**order["source"]), Endpoint(**order["target"])
    how = {name: order[name] for name in ("seed", "clients", "rate", "first")}
    async with writing(source, target, **how) as ledger:
        print("writing", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    rows = [[n, r.at, r.titles, r.writes, r.unknown] for n, r in ledger.rows.items()]
    counts = [ledger.acknowledged, ledger.unknown, ledger.refused, ledger.faults, ledger.gap]
    print(json.dumps({"rows": rows, "counts": counts}), flush=True)


def parse(text: str) -> Ledger:
    """A ledger out of what the program printed."""
    found = json.loads(text)
    rows = {n: Row(at, titles, writes, unknown) for n, at, titles, writes, unknown in found["rows"]}
    acknowledged, unknown, refused, faults, gap = found["counts"]
    return Ledger(rows, acknowledged, unknown, refused, faults, gap)


def merged(ledgers: list[Ledger]) -> Ledger:
    """One ledger of all of them: each wrote rows of its own."""
    whole = Ledger()
    for one in ledgers:
        whole.rows |= one.rows
        whole.acknowledged += one.acknowledged
        whole.unknown += one.unknown
        whole.refused += one.refused
        whole.faults += one.faults
        whole.gap = max(whole.gap, one.gap)
    return whole


if __name__ == "__main__":
    asyncio.run(main())
