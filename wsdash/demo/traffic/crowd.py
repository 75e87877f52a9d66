"""The crowd: clients that write and read at a steady rate, try again where they are refused, and note it all.

A client knows every address of the service and prefers the first. Refused (nothing can have been written:
the connection was refused, or 503 or 429 with Retry-After) it asks the next address, and then again every
50 ms: it does not wait as long as Retry-After allows, so that what is measured is the service's gap and not
the clients' patience. An answer that was lost is unknown, and never asked for twice.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp

from wsdash.demo.limits import AWAY_SECONDS, CROWD_CALL_SECONDS, CROWD_REPORT_SECONDS, TALLY_SECONDS
from wsdash.demo.service import log
from wsdash.demo.traffic.ledger import Book, Row, State, Tally
from wsdash.demo.world.schema import CATEGORIES, PRIORITIES, STATUSES
from wsdash.outside.http import BodyError, client_session
from wsdash.tasks import task_group

TAG = "traffic"
"""Among the tags of every item that it makes, beside the run's own."""
WRITERS, READERS = 16, 4
READS_PER_WRITE, MOST_READS = 4.0, 50.0
"""Reads a second: so many for each write, and no more than that."""
PAUSES = (0.0, 0.02, 0.05)
"""Before the second attempt, the third, and each further one."""
A_MINUTE_EACH = 60
"""Requests of one user, on average: well below what the API takes from one address."""
RECENT = 20
LONG_MS, MOST_REFUSALS = 100.0, 10
LIST = "/api/items?limit=20"


class LostAnswerError(Exception):
    """The request may have been served, and nothing tells."""


class _RefusedError(Exception):
    """Nothing can have been written; the text says by whom and how."""


@dataclass
class TrafficClient:
    """One client. book: everybody's. rows: the titles of its own, which nobody else writes."""

    number: int
    crowd: Traffic
    random: random.Random
    at: int = 0
    away_since: float = 0.0
    made: int = 0
    rows: list[str] = field(default_factory=list)
    refusals: list[tuple[float, str]] = field(default_factory=list)
    """Of its request: when, in monotonic seconds, and by whom."""
    began: float = 0.0
    late: float = 0.0
    """By how much its pauses were longer than they should have been: that is not the service's refusing."""
    asked_at: float = 0.0
    """When the last attempt began; began: the first one."""

    async def write(self) -> None:
        """One change."""
        certain = [title for title in self.rows[-RECENT:] if self.crowd.rows[title].certain]
        self.rows = self.rows[-10 * RECENT :]
        kind = "create"
        if certain:
            kind = self.random.choices(("create", "update", "move", "delete"), (4, 3, 2, 1))[0]
        if kind == "create":
            await self._create()
            return
        title = self.random.choice(certain)
        self.crowd.in_flight.add(title)
        await self._write_to(kind, title)
        self.crowd.in_flight.discard(title)

    async def _write_to(self, kind: str, title: str) -> None:
        row = self.crowd.rows[title]
        assert row.states[0] is not None
        description, priority, status = row.states[0]
        if kind == "delete":
            await self._change(kind, title, row, None, {})
        elif kind == "move":
            status = self.random.choice([one for one in STATUSES if one != status])
            await self._change(kind, title, row, (description, priority, status), {"status": status})
        else:
            description = f"alterado {self.crowd.number()}"
            priority = self.random.choice(PRIORITIES)
            body = {"description": description, "priority": priority}
            await self._change(kind, title, row, (description, priority, status), body)

    async def _create(self) -> None:
        title = f"Pedido {self.crowd.run} nº {self.crowd.number()}"
        state = (f"criado por {self.number}", self.random.choice(PRIORITIES), STATUSES[0])
        item = {
            "title": title,
            "description": state[0],
            "category": self.random.choice(CATEGORIES),
            "priority": state[1],
            "tags": [TAG, self.crowd.run],
        }
        row = Row()
        try:
            status, content = await self._ask("POST", "/api/items", item)
        except LostAnswerError as error:
            self.crowd.rows[title] = row
            self._lose(row, state, f"POST of {title}: {error}")
            return
        if status == 0:
            return
        self.crowd.rows[title] = row
        made = content.get("data") if isinstance(content, dict) else None
        if status != 201 or not isinstance(made, dict):
            self._fault("POST", title, status, content)
            row.leave_open(state)
            return
        row.id = str(made.get("id"))
        self.rows.append(title)
        self._acknowledge("create", row, state)

    async def _change(
        self, kind: str, title: str, row: Row, state: State | None, body: dict[str, Any]
    ) -> None:
        method = "DELETE" if kind == "delete" else "PUT"
        try:
            status, content = await self._ask(method, f"/api/items/{row.id}", body or None)
        except LostAnswerError as error:
            self._lose(row, state, f"{method} of {title}: {error}")
            return
        if status == 200:
            self._acknowledge(kind, row, state)
        elif status != 0:
            self._fault(method, title, status, content)
            row.leave_open(state)

    def _lose(self, row: Row, state: State | None, text: str) -> None:
        row.leave_open(state)
        self.crowd.tally.unknown += 1
        self.crowd.tally.note(text)

    def _acknowledge(self, kind: str, row: Row, state: State | None) -> None:
        row.acknowledge(state)
        self.crowd.book.acknowledged()
        self.crowd.counts[kind] += 1

    def _fault(self, method: str, title: str, status: int, content: Any) -> None:
        message = content.get("message", "") if isinstance(content, dict) else ""
        self.crowd.tally.fault(f"{method} of {title} was answered {status}: {str(message)[:200]}")

    async def read(self) -> None:
        """One read: a page of the list, or a row that was acknowledged."""
        title = self.crowd.some_row(self.random) if self.random.random() < 0.5 else None
        row = self.crowd.rows[title] if title else None
        filters = ("", "&status=" + self.random.choice(STATUSES))
        path = f"/api/items/{row.id}" if row else LIST + self.random.choice(filters)
        writes = row.writes if row else 0
        tally = self.crowd.tally
        status, content = await self._ask("GET", path, None)
        if status == 0:
            return
        tally.reads_answered += 1
        self.crowd.counts["read"] += 1
        if self.refusals:
            refused_ms = (self.asked_at - self.refusals[0][0] - self.late) * 1000
            tally.longest_read_refusal_ms = max(tally.longest_read_refusal_ms, refused_ms)
            if refused_ms > LONG_MS:
                words = "; ".join(f"{(at - self.began) * 1000:.0f} ms: {why}" for at, why in self.refusals)
                tally.note(f"GET refused for {refused_ms:.0f} ms ({words})")
        if row is not None and status == 404:
            untouched = title not in self.crowd.in_flight and row.writes == writes
            tally.reads_stale += untouched and row.certain
        elif status != 200:
            self._fault("GET", path, status, content)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        """Status and content of the first answer that is no refusal; status 0 when it is over before."""
        self.refusals, self.began, self.late = [], time.monotonic(), 0.0
        while not self.crowd.over.is_set():
            self.asked_at = time.monotonic()
            if self.at and self.asked_at - self.away_since > AWAY_SECONDS:
                self.at = 0
            try:
                answer = await self._attempt(method, path, body)
            except _RefusedError as error:
                self.refusals.append((time.monotonic(), str(error)))
            else:
                self.crowd.answers()
                return answer
            self.crowd.refuses(read=method == "GET")
            self.at = (self.at + 1) % len(self.crowd.apis)
            self.away_since = time.monotonic()
            paused, pause = time.monotonic(), PAUSES[min(len(self.refusals), len(PAUSES)) - 1]
            await self.crowd.pause(pause)
            self.late += time.monotonic() - paused - pause
            del self.refusals[MOST_REFUSALS:]
        return 0, None

    async def _attempt(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        """Raises _RefusedError, LostAnswerError."""
        api, read = self.crowd.apis[self.at], method == "GET"
        try:
            async with self.crowd.session().request(method, api + path, json=body) as answer:
                content = await answer.json()
                if answer.status in (429, 503) and (read or "Retry-After" in answer.headers):
                    raise _RefusedError(f"{api} answered {answer.status}")
                if answer.status == 503:
                    raise LostAnswerError(f"{api} answered 503 without Retry-After")
                return answer.status, content
        except BodyError:  # a list that is all items in one answer
            return 200, None
        except aiohttp.ClientConnectorError as error:
            raise _RefusedError(f"{api} refused the connection") from error
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            words = f"{api}: {str(error) or type(error).__name__}"
            raise _RefusedError(words) if read else LostAnswerError(words) from error


class Traffic:
    """One crowd. apis: base URLs, the usual one first. directory: where the tally and the ledger go.

    counts: answers by kind (read, create, update, move, delete), refused attempts, turns that were left out
    because clients were still waiting.
    """

    def __init__(
        self,
        apis: Sequence[str],
        writes_per_second: float,
        seed: int,
        patience: float,
        *,
        own_addresses: bool = False,
        directory: Path | None = None,
    ) -> None:
        self.apis = [api.rstrip("/") for api in apis]
        self.rates = (writes_per_second, min(writes_per_second * READS_PER_WRITE, MOST_READS))
        self.run = f"{seed}-{os.getpid():x}-{int(time.time()):x}"
        self.book = Book(self.run, 1 / writes_per_second)
        self.over = asyncio.Event()
        self.in_flight: set[str] = set()
        """Titles of rows that are being changed."""
        self.counts: Counter[str] = Counter()
        self._seed, self._patience, self._directory = seed, patience, directory
        users = math.ceil(60 * sum(self.rates) / A_MINUTE_EACH)
        self._addresses = [_address(user) for user in range(users)] if own_addresses else [""]
        self._sessions: list[aiohttp.ClientSession] = []
        self._turn = cycle([0])
        self._answered = time.monotonic()
        self._away = False
        self._number = 0
        self._writers: list[TrafficClient] = []

    @property
    def tally(self) -> Tally:
        """The figures so far."""
        return self.book.tally

    @property
    def rows(self) -> dict[str, Row]:
        """Every row by its title."""
        return self.book.ledger.rows

    def number(self) -> int:
        """The next number, given once."""
        self._number += 1
        return self._number

    def session(self) -> aiohttp.ClientSession:
        """The next user's."""
        return self._sessions[next(self._turn)]

    def some_row(self, rng: random.Random) -> str | None:
        """The title of a row that should be there, among the last ones; None when that one is not certain."""
        titles = [title for client in self._writers for title in client.rows[-1:]]
        title = rng.choice(titles) if titles else None
        return title if title and self.rows[title].certain else None

    async def run_until(self, stop: asyncio.Event) -> bool:
        """Work until `stop`; False when no address answered for longer than the patience.

        The ledger is written at the end. Raises OSError when its directory cannot be written to.
        """
        self._answered = time.monotonic()
        self._writers = [TrafficClient(n, self, random.Random(self._seed * 1000 + n)) for n in range(WRITERS)]
        readers = [TrafficClient(n, self, random.Random(-self._seed * 1000 - n)) for n in range(READERS)]
        try:
            async with AsyncExitStack() as stack:
                self._sessions = [await stack.enter_async_context(_session(a)) for a in self._addresses]
                self._turn = cycle(range(len(self._sessions)))
                async with task_group() as group:
                    writes, reads = self.rates
                    for client in self._writers:
                        group.create_task(self._work(client.write, client.number / WRITERS, WRITERS / writes))
                    for client in readers:
                        group.create_task(self._work(client.read, client.number / READERS, READERS / reads))
                    group.create_task(self._watch(stop))
        finally:
            if self._directory is not None:
                await asyncio.to_thread(self.book.write, self._directory)
        return stop.is_set()

    async def _work(self, turn: Callable[[], Awaitable[None]], offset: float, interval: float) -> None:
        """A client's turns, one an interval; those that it was late for are left out, not made up for."""
        due = time.monotonic() + offset * interval
        while not self.over.is_set():
            await self.pause(due - time.monotonic())
            if self.over.is_set():
                return
            await turn()
            due += interval
            missed = int((time.monotonic() - due) / interval)
            if missed > 0:
                self.counts["left-out"] += missed
                due += missed * interval

    async def _watch(self, stop: asyncio.Event) -> None:
        """Ends the work; writes the tally and tells of it meanwhile."""
        reported = time.monotonic()
        while not stop.is_set() and time.monotonic() - self._answered < self._patience:
            try:
                async with asyncio.timeout(min(TALLY_SECONDS, self._patience)):
                    await stop.wait()
            except TimeoutError:
                pass
            if self._directory is not None:
                await asyncio.to_thread(self.book.write_tally, self._directory)
            if time.monotonic() - reported > CROWD_REPORT_SECONDS:
                reported = time.monotonic()
                log("info", "traffic", **self.counts)
        self.over.set()

    async def pause(self, seconds: float) -> None:
        """So long, or until it is over."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self.over.wait()
        except TimeoutError:
            pass

    def answers(self) -> None:
        """The service served somebody."""
        self._answered = time.monotonic()
        if self._away:
            self._away = False
            log("info", "the API serves again")

    def refuses(self, *, read: bool) -> None:
        """The service refused somebody."""
        self.counts["refused"] += 1
        if read:
            self.tally.reads_refused += 1
        else:
            self.tally.refused += 1
        if not self._away and time.monotonic() - self._answered > 1.0:
            self._away = True
            log("error", "the API does not serve")


def _address(user: int) -> str:
    """A loopback address of the user's own; the low ones are left to others."""
    return f"127.1.{user // 250}.{user % 250 + 1}"


def _session(address: str) -> aiohttp.ClientSession:
    # no connection is kept: on one that the service is about to close, an answer may be lost
    local = (address, 0) if address else None
    connector = aiohttp.TCPConnector(force_close=True, limit=0, local_addr=local)
    # nothing is repeated: the refusal of a second PUT or DELETE would be taken for one of the first
    limit = aiohttp.ClientTimeout(total=CROWD_CALL_SECONDS)
    return client_session(timeout=limit, connector=connector, repeats=False)
