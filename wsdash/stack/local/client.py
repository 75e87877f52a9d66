"""Talking to the supervisor: requests with timeouts, failures in our words, GET only when read-only.

What the supervisor and its clients say to each other are JSON shapes over its unix socket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from wsdash.errors import RefusedError, UnreachableError, WsdashError
from wsdash.model import ContainerReading, LogLine
from wsdash.outside import DocumentError, read_json
from wsdash.outside.http import client_session
from wsdash.runtime import socket_path
from wsdash.stack.limits import LOCAL_REQUEST_SECONDS, SILENCE_SECONDS
from wsdash.stack.local.log_files import StoredLine


class ContainerView(msgspec.Struct, frozen=True):
    """A service as GET /containers lists it. Never holds its environment."""

    reading: ContainerReading
    desired: str
    """running or stopped: what the supervisor brings back after a crash of its own."""
    pid: int | None
    depends_on: tuple[str, ...]
    health_output: str
    start_period: float
    grace_seconds: float
    log: str
    """Path of its log file."""


class ContainerDetail(msgspec.Struct, frozen=True):
    """GET /containers/{name}: the same with its last lines."""

    view: ContainerView
    lines: tuple[StoredLine, ...]


class SupervisorView(msgspec.Struct, frozen=True):
    """GET /supervisor: who serves, and for how long without a sign of its users."""

    pid: int
    services: str
    """Digest of the services file it runs."""
    lease_seconds: float | None
    lease_left: float | None


class Failure(msgspec.Struct, frozen=True):
    """The body of every answer that is no success."""

    what: str
    where: str = ""
    remedy: str = ""


def supervisor_socket(directory: Path) -> Path:
    """Where the supervisor of `directory` answers."""
    return socket_path(directory, "supervisor")


_BASE = "http://supervisor"

_T = TypeVar("_T")


class SupervisorClient:
    """One connection pool to one supervisor; used on one event loop."""

    def __init__(self, directory: Path, *, read_only: bool) -> None:
        self.directory = directory
        self._read_only = read_only
        self._session: aiohttp.ClientSession | None = None
        self._renewed = float("-inf")
        self._renew_after = 0.0

    async def get(self, path: str, kind: type[_T]) -> _T:
        """GET and decode. Raises UnreachableError, or WsdashError with the supervisor's own words."""
        await self._renew_lease()
        return self._decoded(await self._request("GET", path, LOCAL_REQUEST_SECONDS), kind)

    async def post(self, path: str, kind: type[_T], timeout: float = LOCAL_REQUEST_SECONDS) -> _T:
        """POST and decode. Raises RefusedError when read-only, before anything is sent."""
        return self._decoded(await self._request("POST", path, timeout), kind)

    def refuse_if_read_only(self) -> None:
        """Raise RefusedError when nothing may be changed."""
        if self._read_only:
            raise RefusedError(
                "the monitor changes nothing", where=str(self.directory), remedy="use the operator's screen"
            )

    async def log_lines(self, since: float) -> AsyncIterator[LogLine]:
        """Lines after `since` until the connection breaks. Raises UnreachableError when it does."""
        decoder = msgspec.json.Decoder(LogLine)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=SILENCE_SECONDS)
        path = f"/logs?since={since!r}&group=apps&group=workspace"
        try:
            async with self._open().get(_BASE + path, timeout=timeout, read_bufsize=2**18) as answer:
                async for raw in answer.content:
                    if raw.strip():
                        yield decoder.decode(raw)
                    await self._renew_lease()
        except (OSError, aiohttp.ClientError, TimeoutError, msgspec.DecodeError, RecursionError) as error:
            raise self._unreachable() from error
        raise self._unreachable()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _renew_lease(self) -> None:
        if self._read_only or time.monotonic() - self._renewed < self._renew_after:
            return
        self._renewed = time.monotonic()
        view = self._decoded(await self._request("PUT", "/lease", LOCAL_REQUEST_SECONDS), SupervisorView)
        self._renew_after = min(5.0, (view.lease_seconds or 20.0) / 4)

    def _decoded(self, body: bytes, kind: type[_T]) -> _T:
        try:
            return read_json(body, kind)
        except DocumentError as error:
            raise self._unreachable() from error

    async def _request(self, method: str, path: str, timeout: float) -> bytes:
        if method != "GET":
            self.refuse_if_read_only()
        try:
            async with asyncio.timeout(timeout), self._open().request(method, _BASE + path) as answer:
                body = await answer.read()
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable() from error
        if answer.status >= 400:
            try:
                failure = read_json(body, Failure)
            except DocumentError:
                failure = Failure(f"the supervisor answered {answer.status} to {method} {path}")
            raise WsdashError(failure.what, where=failure.where, remedy=failure.remedy)
        return body

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.UnixConnector(str(supervisor_socket(self.directory)))
            self._session = client_session(connector=connector)
        return self._session

    def _unreachable(self) -> UnreachableError:
        return UnreachableError(
            "the supervisor of the local services does not answer",
            where=str(self.directory),
            remedy="start the same wsdash demo again: it brings its world back",
        )
