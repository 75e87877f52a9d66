"""The read-only screen in a browser: textual-serve, with what it lacks towards the outside.

Each page is a `wsdash monitor` of its own, which holds no control object. Refused are requests whose Host is
not ours (a foreign name that points here), whose Origin is another page's, or that lack the token where one
is wanted; the token is taken once from the address, and kept in a cookie.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

COOKIE = "wsdash"
POLICY = (
    "default-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'"
)
"""The page loads nothing of elsewhere (textual-serve's asks for a font of Google's), and nobody frames it."""
MOST_PAGES = 8
"""Pages at once: each costs a process."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ReadOnlyServer(Server):
    """Serves pages of `command` until SIGINT or SIGTERM. token: '' where nobody is asked for one."""

    def __init__(self, command: str, host: str, port: int, token: str, public_url: str = "") -> None:
        named = f"[{host}]" if ":" in host else host
        super().__init__(command, host, port, "wsdash", public_url or f"http://{named}:{port}")
        self._token = token
        self._pages = 0
        self._names = {host, urlsplit(self.public_url).hostname or host}
        if host in LOOPBACK:
            self._names |= set(LOOPBACK)

    def serve(self, debug: bool = False) -> None:
        """Serve until stopped. Nothing is logged of requests: their addresses may hold the token."""
        logging.getLogger("textual-serve").setLevel(logging.ERROR)
        web.run_app(self._make_app(), host=self.host, port=self.port, access_log=None, print=None)

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing: the command has said where it serves."""

    async def handle_websocket(self, request: web.Request) -> Any:
        """A page's process, if there are not too many."""
        if self._pages >= MOST_PAGES:
            raise web.HTTPServiceUnavailable(text=f"{MOST_PAGES} pages are open already; close one")
        self._pages += 1
        try:
            return await super().handle_websocket(request)
        finally:
            self._pages -= 1

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guarded())
        return app

    def _guarded(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if urlsplit(f"//{request.host}").hostname not in self._names:
                raise web.HTTPForbidden(text="this name is not served here")
            origin = request.headers.get("Origin")
            if origin is not None and urlsplit(origin).netloc != request.host:
                raise web.HTTPForbidden(text="another page may not look in here")
            if self._token and not self._known(request.cookies.get(COOKIE, "")):
                if not self._known(request.query.get("token", "")):
                    raise web.HTTPUnauthorized(
                        text="open the address with ?token=... that wsdash serve printed"
                    )
                answer = web.HTTPFound("/")  # so that the token does not stay in the address
                answer.set_cookie(COOKIE, self._token, httponly=True, samesite="Strict")
                raise answer
            given = await handler(request)
            if not given.prepared:
                given.headers["Content-Security-Policy"] = POLICY
            return given

        return guard

    def _known(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())
