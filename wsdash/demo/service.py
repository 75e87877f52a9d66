"""What the demo's HTTP services share: JSON logs and answers, /metrics, a server that ends gracefully."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from wsdash.api.relay import close_listening
from wsdash.demo.limits import SHUTDOWN_SECONDS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

QUIET_SECONDS, LEAVING_SECONDS = 0.2, 2.0
"""A service that ends answers until nobody has asked for QUIET_SECONDS (a connection that has just been made
may take as long to send its request), at most LEAVING_SECONDS."""
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


class _Leaving:
    """From the service's end on each answer closes its connection: one that stays open is closed later,
    perhaps in the moment when its client sends a request on it, whose fate nobody knows then."""

    def __init__(self) -> None:
        self._begun = False
        self._answered = 0.0

    @property
    def middleware(self) -> Middleware:
        """The outermost middleware."""

        @web.middleware
        async def close_when_leaving(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            if self._begun:
                self._answered = time.monotonic()
                response.force_close()
            return response

        return close_when_leaving

    async def until_quiet(self) -> None:
        """Return when no request came for QUIET_SECONDS, or after LEAVING_SECONDS."""
        self._begun, began = True, time.monotonic()
        self._answered = began
        while True:
            over = min(self._answered + QUIET_SECONDS, began + LEAVING_SECONDS)
            if (left := over - time.monotonic()) <= 0:
                return
            await asyncio.sleep(left)


async def serve(application: web.Application, host: str, port: int, name: str) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is being answered (at most 5 s) and return."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    leaving = _Leaving()
    application.middlewares.insert(0, leaving.middleware)
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
        waiting = close_listening(listening)
        await site.stop()
        for connection in waiting:
            await loop.connect_accepted_socket(runner.server, connection)  # type: ignore[arg-type]
        await leaving.until_quiet()
    finally:
        await runner.cleanup()


Labels = Mapping[str, str]
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(families: Iterable[str]) -> str:
    """One page out of families made by `family` and `Histogram.family`."""
    return "".join(families)


def family(name: str, kind: str, text: str, samples: Iterable[tuple[Labels, float]]) -> str:
    """A counter or gauge with its # HELP and # TYPE lines."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


@dataclass
class Histogram:
    """Observations in seconds by label set; buckets are upper bounds, ascending."""

    name: str
    text: str
    buckets: tuple[float, ...] = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
    _series: dict[tuple[tuple[str, str], ...], list[float]] = field(default_factory=dict)

    def observe(self, seconds: float, times: int = 1, **labels: str) -> None:
        """Count an observation, or `times` equal ones."""
        key = tuple(sorted(labels.items()))
        # one slot a bucket, then the count, then the sum
        series = self._series.setdefault(key, [0.0] * (len(self.buckets) + 2))
        for place, bound in enumerate(self.buckets):
            if seconds <= bound:
                series[place] += times
        series[-2] += times
        series[-1] += seconds * times

    def family(self) -> str:
        """Its lines, cumulative buckets first."""
        lines = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} histogram"]
        for key, series in self._series.items():
            labels = dict(key)
            for bound, count in zip((*map(_number, self.buckets), "+Inf"), series[:-1], strict=True):
                lines.append(f"{self.name}_bucket{_labels(labels | {'le': bound})} {_number(count)}")
            lines.append(f"{self.name}_sum{_labels(labels)} {_number(series[-1])}")
            lines.append(f"{self.name}_count{_labels(labels)} {_number(series[-2])}")
        return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
