"""A small client of the workspace API, as its users speak to it."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any

import aiohttp

from wsdash.errors import UnreachableError, WsdashError

CALL_TIMEOUT = 10.0


class ApiClient:
    """Calls one generation of the API, over at most `connections` at once. Use as an async context manager.

    Every call has a timeout and raises UnreachableError when nobody answers, WsdashError for an answer that
    the API's contract does not allow.
    """

    def __init__(self, base: str, connections: int = 100) -> None:
        self.base = base.rstrip("/")
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ApiClient:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT, connect=3),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        expect: tuple[int, ...] = (200, 201),
    ) -> dict[str, Any]:
        """One request; the JSON object of its answer."""
        answer, _ = await self.timed(method, path, body, expect=expect)
        return answer

    async def timed(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        expect: tuple[int, ...] = (200, 201),
    ) -> tuple[dict[str, Any], float]:
        """One request; its answer and its duration in seconds, body read."""
        assert self._session is not None, "use ApiClient as a context manager"
        url = self.base + path
        started = time.monotonic()
        try:
            async with self._session.request(method, url, json=body) as response:
                raw = await response.read()
                seconds = time.monotonic() - started
                status = response.status
                content: Any = await response.json(content_type=None) if raw else {}
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(
                f"{method} {path} got no answer: {reason}",
                where=url,
                remedy="see the logs of this API's container",
            ) from error
        except ValueError as error:
            raise WsdashError(
                f"{method} {path} answered no JSON", where=url, remedy="see its logs"
            ) from error
        if status not in expect:
            said = content.get("message") or content.get("error") if isinstance(content, dict) else content
            raise WsdashError(
                f"{method} {path} answered {status}: {said}",
                where=url,
                remedy="see the logs of this API's container",
            )
        return (content if isinstance(content, dict) else {"data": content}), seconds

    async def answers(self) -> bool:
        """Whether anything speaks HTTP there, whatever it says."""
        assert self._session is not None, "use ApiClient as a context manager"
        try:
            async with self._session.get(self.base + "/health", timeout=aiohttp.ClientTimeout(total=3)):
                return True
        except (OSError, TimeoutError, aiohttp.ClientError):
            return False

    async def wait_healthy(self, within: float) -> None:
        """Return when /health answers 200; raise UnreachableError after `within` seconds."""
        deadline = time.monotonic() + within
        while True:
            try:
                await self.call("GET", "/health", expect=(200,))
                return
            except WsdashError as error:
                if time.monotonic() > deadline:
                    raise UnreachableError(
                        f"{self.base}/health is not well after {within:.0f} s: {error.what}",
                        where=self.base,
                        remedy="see the logs of this API's container",
                    ) from error
            await asyncio.sleep(0.1)

    async def count_items(self) -> int:
        """The `count` of GET /api/items."""
        answer = await self.call("GET", "/api/items?limit=1")
        count = answer.get("count")
        if not isinstance(count, int):
            raise WsdashError("GET /api/items gives no count", where=self.base, remedy="see its logs")
        return count
