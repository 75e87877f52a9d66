"""`wsdash serve`: the read-only screen in a browser: textual-serve, with what it lacks outwards."""

from __future__ import annotations

import argparse
import errno
import hmac
import logging
import os
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from wsdash.cli.places import found_state
from wsdash.cli.printing import say
from wsdash.errors import InputError


def serve(arguments: argparse.Namespace) -> int:
    """Serve until it is stopped; on any address but loopback with a token."""

    command = [sys.executable, "-m", "wsdash", "monitor"]
    state = found_state(arguments)
    if state is not None:
        command += ["--state", str(state)]
    if arguments.config is not None:
        command += ["--config", str(arguments.config.absolute())]
    token = _token(arguments, needed=arguments.host not in LOOPBACK)
    server = ReadOnlyServer(
        shlex.join(command), arguments.host, arguments.port, token, arguments.public_url or ""
    )
    named = token if arguments.token_env is None else f"${arguments.token_env}"
    address = f"{server.public_url}/" + (f"?token={named}" if token else "")
    sockets = _listening(arguments.host, arguments.port)
    say(f"The read-only screen is at {address} (Ctrl-C ends it)")
    server.serve_on(sockets)
    return 0


def _listening(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on every address of the name that this machine has. Raises InputError where one is
    taken or there is none."""
    made: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                made.append(socket.create_server(address, family=family))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error
        if absent is not None and not made:
            raise absent
    except OSError as error:
        for one in made:
            one.close()
        raise InputError(
            f"the screen cannot be served there: {error.strerror or error}",
            where=f"{host}, port {port}",
            remedy="choose another address with --port and --host, or end what listens there",
        ) from error
    return made


def _token(arguments: argparse.Namespace, *, needed: bool) -> str:
    """From the variable that --token-env names, else a new one where it is needed, else ''."""
    if arguments.token_env is None:
        return secrets.token_urlsafe(18) if needed else ""
    token = os.environ.get(arguments.token_env, "")
    if len(token) < 12:
        raise InputError(
            "the token is missing, or shorter than 12 characters",
            where=f"variable {arguments.token_env}",
            remedy="export it, or leave --token-env out to have one made",
        )
    return token


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

    def serve_on(self, sockets: list[socket.socket]) -> None:
        """Serve until stopped. Nothing is logged of requests: their addresses may hold the token."""
        logging.getLogger("textual-serve").setLevel(logging.ERROR)
        web.run_app(self._make_app(), sock=sockets, access_log=None, print=None)

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
