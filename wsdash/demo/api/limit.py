"""The rate limit of the workspace API: a fixed window for each address, named in every answer's headers.

Compared with express-rate-limit 7.5.1 as the workspace API configures it (backend/shared/middleware/index.js:
standardHeaders, draft 6): RATE_LIMIT_MAX requests (120) in RATE_LIMIT_WINDOW_MS (60000), health and metrics
counted too; then 429 with Retry-After and a JSON body.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

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
