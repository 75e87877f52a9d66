"""What the demo's HTTP services share: JSON logs, a server that ends gracefully, JSON answers."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from wsdash.api.relay import last_connections

SHUTDOWN_SECONDS = 5.0
FIRST_WORD_SECONDS = 0.2
"""How long a connection that has just been made may take to send its request when the service ends."""
QUIET = ("/health", "/metrics", "/v1/status")
"""Paths that probes ask all the time: logged only when the answer is no success."""


def log(level: str, message: str, **fields: object) -> None:
    """One JSON line: errors to stderr, the rest to stdout."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps(
        {"time": at, "level": level, "message": message, **fields}, ensure_ascii=False, default=str
    )
    print(line, file=sys.stderr if level == "error" else sys.stdout, flush=True)


def reply(body: dict[str, Any], status: int = 200) -> web.Response:
    """A JSON answer; values that JSON lacks are written as text."""
    text = json.dumps(body, ensure_ascii=False, default=str)
    return web.Response(text=text, status=status, content_type="application/json")


def log_request(request: web.Request, status: int, began: float) -> None:
    """Log one answered request; began is time.monotonic() at its start."""
    if request.path in QUIET and status < 400:
        return
    level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    milliseconds = round((time.monotonic() - began) * 1000, 1)
    agent = request.headers.get("User-Agent", "")
    known = {"agent": agent} if agent.startswith("wsdash") else {}
    log(level, f"{request.method} {request.path_qs} {status}", status=status, ms=milliseconds, **known)


async def serve(application: web.Application, host: str, port: int, name: str) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is being answered (at most 5 s) and return."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        listening = socket.create_server((host, port), reuse_port=False)
        listening.setblocking(False)
        site = web.SockSite(runner, listening)
        await site.start()
        log("info", f"{name} listens on {host}:{port}")
        await stop.wait()
        log("info", f"{name} stops")
        waiting = last_connections(listening)
        await site.stop()
        for connection in waiting:
            await loop.connect_accepted_socket(runner.server, connection)  # type: ignore[arg-type]
        await asyncio.sleep(FIRST_WORD_SECONDS)
    finally:
        await runner.cleanup()
