"""HTTP with what is outside: answers bounded in size, also of what they unpack to, and in time.

`client_session` makes every session; `HttpClient` is what clients of a service are built on.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

from wsdash.errors import UnreachableError
from wsdash.outside.documents import read_json

LARGEST_BODY = 8 << 20
"""Bytes of a body that are read, after unpacking."""
BODY_SECONDS = 30.0
"""The longest that one body may take to come, however steadily it drips."""
_PACKED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class BodyError(aiohttp.ClientPayloadError):
    """A body that is too large, unreadable or packed in a way that was not asked for."""


class BoundedResponse(aiohttp.ClientResponse):
    """A response whose body is read to at most `largest` bytes; text() and json() are built on that."""

    largest = LARGEST_BODY

    async def read(self) -> bytes:
        """The whole body, unpacked. Raises BodyError, TimeoutError after BODY_SECONDS."""
        if self._body is None:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    self._body = await self._read_bounded()
            except BaseException:
                self.close()
                raise
        return self._body

    async def json(self, **_: Any) -> Any:
        """The body as JSON of bounded depth, whatever its declared type. Raises DocumentError, BodyError."""
        return read_json(await self.read() or b"null", largest=self.largest)

    async def _read_bounded(self) -> bytes:
        packing = self.headers.get("Content-Encoding", "identity").strip().lower()
        if packing not in (*_PACKED, "", "identity"):
            raise BodyError(f"the body is packed as {packing[:40]!r}, which was not asked for")
        unpacker = zlib.decompressobj(_PACKED[packing]) if packing in _PACKED else None
        body = bytearray()
        while data := await self.content.readany():
            room = self.largest - len(body) + 1
            if unpacker is None:
                body += data[:room]
            else:
                try:
                    body += unpacker.decompress(data, room)
                except zlib.error as error:
                    raise BodyError(f"the packed body cannot be unpacked: {error}") from error
            if len(body) > self.largest:
                raise BodyError(f"the body is larger than {self.largest:,} bytes")
        return bytes(body)


class LargeResponse(BoundedResponse):
    """For lists that a step wants whole; not for what is asked every second."""

    largest = 64 << 20


def client_session(*, large: bool = False, repeats: bool = True, **options: Any) -> aiohttp.ClientSession:
    """An aiohttp session whose answers are BoundedResponse, or LargeResponse; options as ClientSession's.

    Nothing packed is asked for, and what comes packed all the same is unpacked only as far as the bound.
    repeats: whether aiohttp itself asks once more where the connection broke before an answer came. It does
    so for GET, and also for PUT and DELETE, whose effect may have happened: False for a session that writes.
    """
    headers = {"Accept-Encoding": "identity", **options.pop("headers", {})}
    session = aiohttp.ClientSession(
        response_class=LargeResponse if large else BoundedResponse,
        auto_decompress=False,
        headers=headers,
        **options,
    )
    session._retry_connection = repeats
    return session


@dataclass(frozen=True)
class Answer:
    """One answer, read whole. kind: its content type. seconds: from the question to the last byte."""

    status: int
    body: bytes = field(repr=False)
    kind: str
    headers: Mapping[str, str] = field(repr=False)
    seconds: float


class HttpClient:
    """What asks one service over one pool of connections. Use as an async context manager.

    remedy: what a person does where nobody answers. options: as client_session's, of every request.
    A write whose answer was lost is never sent again: whether it happened is for the caller to find out.
    """

    def __init__(self, remedy: str, *, connections: int = 100, **options: Any) -> None:
        self._remedy = remedy
        self._connections = connections
        self._options = options
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=self._connections)
        for repeats in (True, False):
            options = {"connector": connector, "connector_owner": repeats, **self._options}
            self._sessions[repeats] = client_session(repeats=repeats, **options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    def session(self, method: str = "GET") -> aiohttp.ClientSession:
        """The session for requests of this method."""
        assert self._sessions, f"use {type(self).__name__} as a context manager"
        return self._sessions[method == "GET"]

    async def exchange(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        name: str = "",
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> Answer:
        """One request with its JSON body, and its answer, whatever its status. name: of the URL, for people.

        Raises UnreachableError where no whole answer came.
        """
        options: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        begun = time.monotonic()
        try:
            async with self.session(method).request(method, url, json=body, **options) as response:
                content = await response.read()
                seconds = time.monotonic() - begun
                return Answer(response.status, content, response.content_type, response.headers, seconds)
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise UnreachableError(
                f"{method} {name or url} got no answer: {str(error) or type(error).__name__}",
                where=url,
                remedy=self._remedy,
            ) from error
