"""Logs of all containers at once, each line once, across restarts, re-creation and engine restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from heapq import merge
from operator import attrgetter
from typing import Any

from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import LogLine
from wsdash.outside import clean
from wsdash.stack.docker.client import DockerClient, MissingError
from wsdash.stack.docker.inspect import ComposeNames, Inspections
from wsdash.stack.docker.logs import Cursor, as_log_line
from wsdash.stack.limits import DOCKER_RECONNECT_SECONDS, GATHER_SECONDS, LOOK_AGAIN_SECONDS

_BETWEEN_TRIES = 0.1
_LONGEST_NAME = 100
_WAITING_PIECES = 64
"""Pieces of logs, some thousand lines each at most, that may wait for the reader; then the engine waits, and
nothing is lost."""

Waiting = asyncio.Queue[list[LogLine] | Exception]


async def follow_logs(
    client: DockerClient,
    names: ComposeNames,
    inspections: Inspections,
    containers: Iterable[str],
    since: float,
) -> AsyncGenerator[LogLine, None]:
    """Lines of all containers after `since` (seconds since the epoch), for ever.

    Raises UnreachableError when no engine answers for DOCKER_RECONNECT_SECONDS.
    """
    queue: Waiting = asyncio.Queue(_WAITING_PIECES)
    followers = [_Follower(client, names, inspections, name, since, queue) for name in containers]
    tasks = [asyncio.create_task(follower.run()) for follower in followers]
    try:
        while True:
            first = await queue.get()
            await asyncio.sleep(GATHER_SECONDS)
            lines, trouble = gathered(first, queue)
            for line in lines:
                yield line
            if trouble is not None:
                raise trouble
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def gathered(first: list[LogLine] | Exception, queue: Waiting) -> tuple[list[LogLine], Exception | None]:
    """What waits, in the order of time, but each container's lines as the engine gave them; and the trouble
    that ends it, if there is one."""
    logs: dict[str, list[LogLine]] = {}
    piece = first
    while not isinstance(piece, Exception):
        logs.setdefault(piece[0].container, []).extend(piece)
        if queue.empty():
            break
        piece = queue.get_nowait()
    lines = list(merge(*logs.values(), key=attrgetter("at")))
    return lines, piece if isinstance(piece, Exception) else None


class _Follower:
    """One container's log, by its name."""

    def __init__(
        self,
        client: DockerClient,
        names: ComposeNames,
        inspections: Inspections,
        name: str,
        since: float,
        queue: Waiting,
    ) -> None:
        self._client = client
        self._names = names
        self._inspections = inspections
        self._name = name
        self._queue = queue
        self._cursor = Cursor(since)
        self._finished: tuple[str, str] | None = None
        """Id and start of a run of the container whose log was read to its end."""
        self._complained = ""
        self._driver = ""
        self._lines = 0

    async def run(self) -> None:
        """Follow until cancelled, or until the engine has been gone for too long."""
        lost_at: float | None = None
        while True:
            heard = self._lines
            try:
                await self._follow_once()
                lost_at = None
            except UnreachableError as error:
                # an engine whose connections break in mid-stream answers all the same
                if lost_at is None or self._lines > heard:
                    lost_at = time.monotonic()
                if time.monotonic() - lost_at > DOCKER_RECONNECT_SECONDS:
                    await self._queue.put(error)
                    return
                await asyncio.sleep(_BETWEEN_TRIES)
                continue
            except MissingError:
                pass  # removed between two questions
            except WsdashError as error:  # a log driver that cannot be read, say
                driver = f" (log driver {self._driver})" if self._driver else ""
                await self._complain(f"its log cannot be read{driver}: {error.what}")
            except Exception as error:  # else nobody would hear of it
                await self._queue.put(error)
                return
            await self._inspections.wait(self._name, LOOK_AGAIN_SECONDS)

    async def _follow_once(self) -> None:
        inspected = await self._names.inspect(self._name)
        if inspected is None:
            return
        state: dict[str, Any] = inspected.get("State") or {}
        run = (str(inspected.get("Id")), str(state.get("StartedAt")))
        running = bool(state.get("Running"))
        if self._finished == run and not running:
            return
        log = (inspected.get("HostConfig") or {}).get("LogConfig") or {}
        self._driver = clean(str(log.get("Type") or ""), _LONGEST_NAME)
        terminal = bool((inspected.get("Config") or {}).get("Tty"))
        self._cursor.begin()
        pieces = self._client.log(run[0], self._cursor.since, terminal, self._driver)
        async with aclosing(pieces):
            async for piece in pieces:
                self._lines += len(piece)
                if new := [as_log_line(self._name, line) for line in piece if self._cursor.is_new(line)]:
                    await self._queue.put(new)
        self._finished = None if running else run

    async def _complain(self, why: str) -> None:
        if why != self._complained:
            self._complained = why
            await self._queue.put([LogLine(self._name, time.time(), "wsdash", why)])
