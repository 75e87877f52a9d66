"""Users of the workspace API: 80 % reads, 20 % writes, at a steady rate, until they are stopped.

`python -m wsdash.demo.traffic --api URL --writes-per-second W [--seed N] [--patience SECONDS]
[--own-addresses]`
It ends by itself with exit code 1 when the API has not answered for `patience` seconds. --own-addresses:
every user is a loopback address of its own (Linux), so that an API which limits each address serves all.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import signal
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

from wsdash.demo.service import log
from wsdash.demo.world.generate import CATEGORIES, PRIORITIES, STATUSES
from wsdash.outside.http import client_session

TAG = "traffic"
"""Among the tags of every item that it makes."""
CALL_SECONDS = 5.0
REPORT_SECONDS = 10.0
READS_PER_WRITE = 4
A_MINUTE_EACH = 60
"""Requests of one user, on average: well below what the API takes from one address."""
AT_ONCE = 16
"""Requests under way at most; when the API is slower than the rate, requests are left out, not queued."""


class Traffic:
    """One crowd of users. counts: answers by kind (read, create, update, delete, failed, left-out)."""

    def __init__(
        self, api: str, writes_per_second: float, seed: int, patience: float, *, own_addresses: bool = False
    ) -> None:
        self._api = api.rstrip("/")
        self._interval = 1 / (writes_per_second * (READS_PER_WRITE + 1))
        users = math.ceil(60 / self._interval / A_MINUTE_EACH)
        self._addresses = [_address(user) for user in range(users)] if own_addresses else [""]
        self._rng = random.Random(seed)
        self._patience = patience
        self._mine: list[str] = []
        self._answered = time.monotonic()
        self._away = False
        self.counts: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> bool:
        """Work until `stop`; False when the API was away for longer than the patience."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            sessions = [await stack.enter_async_context(_session(address)) for address in self._addresses]
            began = reported = time.monotonic()
            running: set[asyncio.Task[None]] = set()
            turn = 0
            while not stop.is_set() and time.monotonic() - self._answered < self._patience:
                if len(running) < AT_ONCE:
                    task = group.create_task(self._turn(sessions[turn % len(sessions)], turn))
                    running.add(task)
                    task.add_done_callback(running.discard)
                else:
                    self.counts["left-out"] += 1
                turn += 1
                if time.monotonic() - reported > REPORT_SECONDS:
                    reported = time.monotonic()
                    log("info", "traffic", **self.counts)
                await _pause(stop, began + turn * self._interval - time.monotonic())
        return stop.is_set()

    async def _turn(self, session: aiohttp.ClientSession, turn: int) -> None:
        try:
            kind = "read" if turn % (READS_PER_WRITE + 1) else self._write_kind()
            await getattr(self, f"_{kind}")(session)
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            self.counts["failed"] += 1
            if not self._away:
                self._away = True
                log("error", "the API does not serve", error=str(error) or type(error).__name__)
            return
        self.counts[kind] += 1
        self._answered = time.monotonic()
        if self._away:
            self._away = False
            log("info", "the API serves again")

    def _write_kind(self) -> str:
        if not self._mine:
            return "create"
        return self._rng.choices(("create", "update", "delete"), (5, 4, 1))[0]

    async def _read(self, session: aiohttp.ClientSession) -> None:
        filters = ("", "?status=" + self._rng.choice(STATUSES), "?category=" + self._rng.choice(CATEGORIES))
        await self._call(session, "GET", "/api/items" + self._rng.choice(filters))

    async def _create(self, session: aiohttp.ClientSession) -> None:
        item = {
            "title": f"Pedido nº {self._rng.randrange(10**9)}",
            "description": "criado pelo tráfego",
            "category": self._rng.choice(CATEGORIES),
            "priority": self._rng.choice(PRIORITIES),
            "tags": [TAG],
        }
        made = await self._call(session, "POST", "/api/items", item)
        self._mine.append(made["data"]["id"])

    async def _update(self, session: aiohttp.ClientSession) -> None:
        change = {"status": self._rng.choice(STATUSES)}
        await self._call(session, "PUT", f"/api/items/{self._rng.choice(self._mine)}", change)

    async def _delete(self, session: aiohttp.ClientSession) -> None:
        item = self._mine.pop(self._rng.randrange(len(self._mine)))
        await self._call(session, "DELETE", f"/api/items/{item}")

    async def _call(
        self, session: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        async with session.request(method, self._api + path, json=body) as answer:
            content: dict[str, Any] = await answer.json()
            # an item that another user removed meanwhile is an ordinary answer
            if answer.status >= 400 and answer.status != 404:
                raise ValueError(f"{method} {path} answered {answer.status}: {content.get('message')}")
            return content


def _address(user: int) -> str:
    """A loopback address of the user's own; the low ones are left to others."""
    return f"127.1.{user // 250}.{user % 250 + 1}"


def _session(address: str) -> aiohttp.ClientSession:
    # a user of thousands keeps no connection open between two requests
    connector = (
        aiohttp.TCPConnector(local_addr=(address, 0), force_close=True)
        if address
        else aiohttp.TCPConnector(limit=AT_ONCE)
    )
    return client_session(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS), connector=connector)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _run(chosen: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    traffic = Traffic(
        chosen.api,
        chosen.writes_per_second,
        chosen.seed,
        chosen.patience,
        own_addresses=chosen.own_addresses,
    )
    log("info", f"{chosen.writes_per_second:g} writes and {4 * chosen.writes_per_second:g} reads a second")
    stopped = await traffic.run(stop)
    log("info" if stopped else "error", "traffic ends", **traffic.counts)
    return 0 if stopped else 1


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM; exit code 0 then, 1 when the API stayed away."""
    parser = argparse.ArgumentParser(prog="python -m wsdash.demo.traffic")
    parser.add_argument("--api", required=True, help="base URL of the workspace API")
    parser.add_argument("--writes-per-second", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=300.0)
    parser.add_argument("--own-addresses", action="store_true", help="a loopback address for every user")
    chosen = parser.parse_args(argv)
    if chosen.writes_per_second <= 0:
        parser.error("--writes-per-second must be above 0")
    return asyncio.run(_run(chosen))


if __name__ == "__main__":
    sys.exit(main())
