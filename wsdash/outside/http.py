"""HTTP answers from outside: bounded in size, also of what they unpack to, and in time."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import aiohttp

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


def client_session(*, large: bool = False, **options: Any) -> aiohttp.ClientSession:
    """An aiohttp session whose answers are BoundedResponse, or LargeResponse; options as ClientSession's.

    Nothing packed is asked for, and what comes packed all the same is unpacked only as far as the bound.
    """
    headers = {"Accept-Encoding": "identity", **options.pop("headers", {})}
    return aiohttp.ClientSession(
        response_class=LargeResponse if large else BoundedResponse,
        auto_decompress=False,
        headers=headers,
        **options,
    )
