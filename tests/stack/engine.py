"""A Docker engine's HTTP face, answering in the shapes of a real one (28.2, API 1.50), for tests."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from wsdash.stack.docker.parse import seconds

_ZERO = "0001-01-01T00:00:00Z"


def frame(stream: int, text: str) -> bytes:
    """One frame of a multiplexed log."""
    payload = text.encode()
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def inspected(status: str = "running", health: str | None = "healthy", **state: Any) -> dict[str, Any]:
    """What GET /containers/NAME/json answers, cut to the parts with a meaning here."""
    running = status in ("running", "paused", "restarting")
    found: dict[str, Any] = {
        "Status": status,
        "Running": running,
        "Paused": status == "paused",
        "Restarting": status == "restarting",
        "OOMKilled": False,
        "Dead": False,
        "Pid": 4121 if running else 0,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": "2025-11-03T10:15:30.123456789Z",
        "FinishedAt": _ZERO if running else "2025-11-03T11:00:00.5Z",
    }
    if health is not None:
        log = [
            {"Start": "2025-11-03T10:15:35.1Z", "End": "2025-11-03T10:15:35.2Z", "ExitCode": 0, "Output": ""}
        ]
        log.append(log[0] | {"Output": "connecting\nlocalhost:5432 - accepting connections\n"})
        found["Health"] = {"Status": health, "FailingStreak": 0, "Log": log}
    ports = {"5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "5433"}, {"HostIp": "::", "HostPort": "5433"}]}  # noqa: S104
    return {
        "Id": "8f1b7d2e",
        "Created": "2025-11-03T10:15:29.9Z",
        "State": found | state,
        "Image": "sha256:4e2b",
        "Name": "/workspace-db-compute",
        "RestartCount": 2,
        "HostConfig": {
            "Memory": 0,
            "PortBindings": {"5432/tcp": [{"HostIp": "", "HostPort": "5433"}]},
            "LogConfig": {"Type": "json-file", "Config": {}},
        },
        "Config": {
            "Tty": False,
            "Image": "neondatabase/compute-node-v16:latest",
            "Env": ["POSTGRES_PASSWORD=hunter2"],
            "Healthcheck": {
                "Test": ["CMD-SHELL", "pg_isready"],
                "Interval": 100_000_000,
                "Timeout": 50_000_000,
                "StartPeriod": 200_000_000,
                "Retries": 2,
            },
        },
        "NetworkSettings": {
            "Ports": (ports | {"9100/tcp": None, "53/udp": [{"HostPort": "53"}]}) if running else {}
        },
    }


def stats(used: int = 3_000_000_000, system: int = 60_000_000_000) -> dict[str, Any]:
    """One sample of GET /containers/NAME/stats (cgroup v2)."""
    before = {"cpu_usage": {"total_usage": 3_000_000_000}, "system_cpu_usage": 60_000_000_000}
    return {
        "name": "/workspace-db-compute",
        "read": "2025-11-03T10:16:00.1Z",
        "preread": _ZERO,
        "pids_stats": {"current": 12, "limit": 18446744073709551615},
        "cpu_stats": {
            "cpu_usage": {"total_usage": used, "usage_in_kernelmode": 1, "usage_in_usermode": 2},
            "system_cpu_usage": system,
            "online_cpus": 4,
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        },
        "precpu_stats": before,
        "networks": {
            "eth0": {"rx_bytes": 1_000, "tx_bytes": 30, "rx_packets": 9},
            "eth1": {"rx_bytes": 500, "tx_bytes": 12, "rx_packets": 4},
        },
        "memory_stats": {
            "usage": 210_000_000,
            "stats": {"anon": 60_000_000, "file": 140_000_000, "inactive_file": 110_000_000},
            "limit": 16_589_934_592,
        },
    }


@dataclass
class Engine:
    """What the engine holds, and what it was asked."""

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=stats)
    images: set[str] = field(default_factory=set)
    logs: dict[str, list[bytes]] = field(default_factory=dict)
    broken_after: int | None = None
    """Break every log connection after this many of its frames."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    happened: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """Names of containers that events are about."""

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._record])
        app.router.add_get("/version", self._version)
        base = "/v1.50/containers/{name}"
        app.router.add_get("/v1.50/events", self._events)
        app.router.add_get(base + "/json", self._inspect)
        app.router.add_get(base + "/stats", self._stats)
        app.router.add_get(base + "/logs", self._logs)
        app.router.add_post(base + "/{action:start|stop|restart|unpause}", self._act)
        app.router.add_get("/v1.50/images/{name:.+}/json", self._image)
        return app

    @web.middleware
    async def _record(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs))
        answer: web.StreamResponse = await handler(request)
        return answer

    def _found(self, request: web.Request) -> dict[str, Any]:
        name = request.match_info["name"]
        if name not in self.containers:
            body = json.dumps({"message": f"No such container: {name}"})
            raise web.HTTPNotFound(text=body, content_type="application/json")
        return self.containers[name]

    async def _version(self, request: web.Request) -> web.Response:
        return await _json({"Version": "28.2.2", "ApiVersion": "1.50"})

    async def _inspect(self, request: web.Request) -> web.Response:
        return await _json(self._found(request) | {"Id": request.match_info["name"]})

    async def _stats(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while self.stats:
            await response.write(json.dumps(self.stats).encode() + b"\n")
            await asyncio.sleep(0.02)
        await asyncio.sleep(60)
        return response

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            name = await self.happened.get()
            event = {
                "Type": "container",
                "Action": "die",
                "Actor": {"ID": "8f", "Attributes": {"name": name, "exitCode": "137"}},
            }
            await response.write(json.dumps(event).encode() + b"\n")

    async def _act(self, request: web.Request) -> web.Response:
        state = self._found(request)["State"]
        running = request.match_info["action"] != "stop"
        if state["Running"] == running and not state["Paused"]:
            return web.Response(status=304)
        state |= {"Running": running, "Paused": False, "Status": "running" if running else "exited"}
        return web.Response(status=204)

    async def _image(self, request: web.Request) -> web.Response:
        if request.match_info["name"] not in self.images:
            return await _json({"message": "No such image"}, 404)
        return await _json({"Id": "sha256:4e2b"})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        self._found(request)
        name, since = request.match_info["name"], float(request.query["since"])
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.docker.multiplexed-stream"})
        await response.prepare(request)
        sent = 0
        for number in range(1_000_000):
            while number >= len(self.logs.get(name, [])):
                if not self.containers[name]["State"]["Running"]:
                    return response
                await asyncio.sleep(0.01)
            piece = self.logs[name][number]
            if _time_of(piece) < since:
                continue
            await response.write(piece)
            sent += 1
            if sent == self.broken_after:
                assert request.transport is not None
                request.transport.abort()
                return response
        return response


def _time_of(piece: bytes) -> float:
    return seconds(piece[8:].split(b" ")[0].decode()) or 0.0


async def _json(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


@asynccontextmanager
async def serving(engine: Engine, socket: Path) -> AsyncIterator[Engine]:
    """The engine on a unix socket, for the length of a block."""
    runner = web.AppRunner(engine.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield engine
    finally:
        await runner.cleanup()
