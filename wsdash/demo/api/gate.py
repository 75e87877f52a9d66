"""Which requests the workspace API refuses, before it looks at them.

Its rate limit is a fixed window for each address, named in every answer's headers. In the online move, the
side that does not serve refuses all writes; the database notes which side that is.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
from aiohttp import web
from aiohttp.typedefs import Middleware
from asyncpg.pool import PoolConnectionProxy

from wsdash.data.online.capture.tracked import STATE
from wsdash.data.pg.sql import literal
from wsdash.demo.service import reply

MESSAGE = "Too many requests from this IP, please try again later."
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RateLimit:
    """Counts requests of each address in windows of its own, which begin with its first request."""

    def __init__(self, most: int, window: float) -> None:
        self.most = most
        self.window = window
        self._windows: dict[str, tuple[float, int]] = {}

    @classmethod
    def from_environment(cls) -> RateLimit:
        """As the real service reads it."""
        window = float(os.environ.get("RATE_LIMIT_WINDOW_MS") or 60_000) / 1000
        return cls(int(os.environ.get("RATE_LIMIT_MAX") or 120), window)

    def count(self, address: str) -> tuple[bool, dict[str, str]]:
        """Whether this request is allowed, and the headers to answer with."""
        now = time.monotonic()
        until, used = self._windows.get(address, (0.0, 0))
        if now >= until:
            until, used = now + self.window, 0
        self._windows[address] = (until, used + 1)
        left = math.ceil(until - now)
        headers = {
            "RateLimit-Policy": f"{self.most};w={self.window:g}",
            "RateLimit-Limit": str(self.most),
            "RateLimit-Remaining": str(max(0, self.most - used - 1)),
            "RateLimit-Reset": str(left),
        }
        allowed = used < self.most
        return allowed, headers if allowed else headers | {"Retry-After": str(left)}


def rate_limited(limit: RateLimit) -> Middleware:
    """The limit as a middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        allowed, headers = limit.count(request.remote or "")
        if allowed:
            response = await handler(request)
        else:
            body = {"success": False, "error": "Too Many Requests", "message": MESSAGE}
            response = reply(body | {"retryAfter": headers["Retry-After"]}, 429)
        response.headers.update(headers)
        return response

    return middleware


PRESENT = f"select to_regclass({literal(STATE)}) is not null"
OPEN = f"select state = 'open' from {STATE}"


@dataclass
class ServedSide:
    """What is known of the database of one API. noted: the last answer spoke of an online move."""

    noted: bool = False

    async def serves(self, conn: asyncpg.Connection | PoolConnectionProxy) -> bool:
        """Asked anew for each request, before it reads. Raises asyncpg.PostgresError."""
        try:
            # not asked of a table that is not there: the server would log an error a request
            if not self.noted and not await conn.fetchval(PRESENT):
                return True
            self.noted = True
            answer = await conn.fetchval(OPEN)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            self.noted = False
            return True
        except asyncpg.InsufficientPrivilegeError:
            return True  # a role that may not look is none of the move's
        return answer is not False
