"""The supervisor's inside: its services, what should run, measurements, its lease, its HTTP routes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
from aiohttp import web

from wsdash.demo.limits import (
    EVENTS_QUIET_SECONDS,
    LEASE_POLL_SECONDS,
    MEASURE_SECONDS,
    POLL_SECONDS,
    ROUTES_END_SECONDS,
)
from wsdash.demo.supervisor.guardian import Guardian, clear_leftovers
from wsdash.demo.supervisor.health import programs_present
from wsdash.demo.supervisor.hub import EventHub, LogHub
from wsdash.demo.supervisor.process import Service, Surroundings
from wsdash.demo.supervisor.service_spec import SERVICES_FILE, Services, start_order
from wsdash.demo.supervisor.tree import scan, tree_usage
from wsdash.errors import WsdashError
from wsdash.outside import read_json
from wsdash.stack.local.client import (
    ContainerDetail,
    ContainerView,
    Failure,
    SupervisorView,
    supervisor_socket,
)
from wsdash.stack.local.log_files import log_path, newest_lines

DETAIL_LINES = 20
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


@web.middleware
async def _tell_failures(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except WsdashError as error:
        return _json(Failure(error.what, error.where, error.remedy), 409)
    except ConnectionError:
        raise
    except OSError as error:
        what = f"the supervisor cannot do that: {error.strerror}"
        return _json(Failure(what, error.filename or "", "correct that, then retry"), 500)


class Routes:
    """Handlers bound to one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[_tell_failures])
        app.router.add_get("/supervisor", self.supervisor)
        app.router.add_get("/containers", self.containers)
        app.router.add_get("/containers/{name}", self.container)
        app.router.add_get("/images", self.images)
        app.router.add_get("/logs", self.logs)
        app.router.add_get("/events", self.events)
        app.router.add_post("/containers/{name}/{action:start|stop|restart|kill}", self.act)
        app.router.add_post("/shutdown", self.shutdown)
        app.router.add_put("/lease", self.lease)
        return app

    async def supervisor(self, request: web.Request) -> web.StreamResponse:
        """GET /supervisor: the state of the daemon (SupervisorView)."""
        return _json(self._daemon.view())

    async def containers(self, request: web.Request) -> web.StreamResponse:
        """GET /containers: every service as a ContainerView."""
        return _json([self._daemon.container(name) for name in self._daemon.services])

    async def container(self, request: web.Request) -> web.StreamResponse:
        """GET /containers/NAME: its ContainerDetail. A name that is not supervised: Failure, 409."""
        view = self._daemon.container(request.match_info["name"])
        lines = await asyncio.to_thread(newest_lines, self._daemon.directory, view.reading.name, DETAIL_LINES)
        return _json(ContainerDetail(view, tuple(lines)))

    async def images(self, request: web.Request) -> web.StreamResponse:
        """GET /images: image -> whether its programs answer; each is run, so it takes up to 10 s."""
        specs = [service.spec for service in self._daemon.services.values()]
        return _json(await programs_present([spec for spec in specs if spec.group == "workspace"]))

    async def act(self, request: web.Request) -> web.StreamResponse:
        """POST /containers/NAME/start, stop, restart or kill: its ContainerView, or Failure, 409."""
        await self._daemon.act(request.match_info["name"], request.match_info["action"])
        return _json(self._daemon.container(request.match_info["name"]))

    async def shutdown(self, request: web.Request) -> web.StreamResponse:
        """POST /shutdown: answered at once; the daemon then stops its services and ends."""
        self._daemon.stop.set()
        return _json({})

    async def lease(self, request: web.Request) -> web.StreamResponse:
        """PUT /lease: the daemon is in use and stays for another lease; its SupervisorView."""
        self._daemon.renew_lease()
        return _json(self._daemon.view())

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """GET /logs?since=EPOCH&group=G...: NDJSON without end, an empty line after 5 s without.

        since: epoch seconds. Without a group the lines of all. A since that is no number: Failure, 409.
        """
        try:
            since = float(request.query.get("since", "0"))
        except ValueError as error:
            raise WsdashError("since is no number", where="GET /logs") from error
        groups = request.query.getall("group", [])
        services = self._daemon.services.values()
        names = tuple(s.spec.name for s in services if not groups or s.spec.group in groups)
        response = await _stream(request)
        async for lines in self._daemon.hub.follow(since, names):
            await response.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) or b"\n")
        return response

    async def events(self, request: web.Request) -> web.StreamResponse:
        """GET /events: what happens to services, NDJSON without end, an empty line after 5 s without."""
        with self._daemon.events.listen() as queue:
            response = await _stream(request)
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), EVENTS_QUIET_SECONDS)
                except TimeoutError:
                    await response.write(b"\n")
                else:
                    await response.write(msgspec.json.encode(event) + b"\n")


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    await response.write(b"\n")
    return response


def services_digest(directory: Path) -> str:
    """Tells whether a running supervisor runs today's services file."""
    return hashlib.sha256((directory / SERVICES_FILE).read_bytes()).hexdigest()


class Daemon:
    """Runs the services of one directory until it is asked to stop or nobody renews its lease."""

    def __init__(self, directory: Path, services: Services, guardian: Guardian) -> None:
        """Blocking: to be made before the event loop runs."""
        self.directory = directory
        self.order = start_order(services.services)
        self.services: dict[str, Service] = {}
        self.events = EventHub()
        self.hub = LogHub(directory, tuple(spec.name for spec in services.services))
        self.stop = asyncio.Event()
        self._described = services
        self._digest = services_digest(directory)
        self._guardian = guardian
        self._lease = services.lease_seconds
        self._renewed = time.monotonic()
        self._desired = self._read_desired()
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Serve until `stop` is set or the lease ends; then stop all services, dependents first."""
        async with asyncio.TaskGroup() as tasks:
            around = Surroundings(self.directory, self.hub, self._guardian, self.events, tasks)
            for spec in self._described.services:
                service = self.services[spec.name] = Service(spec, around)
                service.state = "exited" if self._desired.get(spec.name) == "stopped" else "created"
            serving = [
                tasks.create_task(work) for work in (self.hub.run(), self._measure(), self._watch_lease())
            ]
            restoring = tasks.create_task(self._restore())
            runner = web.AppRunner(
                Routes(self).application(), access_log=None, shutdown_timeout=ROUTES_END_SECONDS
            )
            await runner.setup()
            socket = supervisor_socket(self.directory)
            socket.unlink(missing_ok=True)
            await web.UnixSite(runner, str(socket)).start()
            socket.chmod(0o600)
            await self.stop.wait()
            restoring.cancel()
            await self._stop_all()
            await self.hub.drain()
            await runner.cleanup()
            for task in serving:
                task.cancel()
        self.hub.close()

    # --- what clients ask ---

    def view(self) -> SupervisorView:
        """Who serves."""
        left = None if self._lease is None else self._lease - (time.monotonic() - self._renewed)
        return SupervisorView(os.getpid(), self._digest, self._lease, left)

    def container(self, name: str) -> ContainerView:
        """A service as it is now. Raises WsdashError when there is none of that name."""
        service = self._service(name)
        return ContainerView(
            reading=service.reading(),
            desired=self._desired.get(name, "stopped"),
            pid=service.root.pid if service.root else None,
            depends_on=service.spec.depends_on,
            health_output=service.health.output,
            start_period=service.spec.start_period,
            grace_seconds=service.spec.grace_seconds,
            log=str(log_path(self.directory, name)),
        )

    async def act(self, name: str, action: str) -> None:
        """start, stop, restart or kill a service, and remember what should be. Raises WsdashError."""
        service = self._service(name)
        if self.stop.is_set():
            raise WsdashError(
                "the supervisor is stopping", where=str(self.directory), remedy="start it again"
            )
        await self._want(name, "running" if action in ("start", "restart") else "stopped")
        actions: dict[str, Callable[[], Awaitable[None]]] = {
            "start": service.start,
            "stop": service.stop,
            "restart": service.restart,
            "kill": lambda: service.stop(kill=True),
        }
        await actions[action]()

    def renew_lease(self) -> None:
        """Somebody still uses this world."""
        self._renewed = time.monotonic()

    def _service(self, name: str) -> Service:
        if name not in self.services:
            raise WsdashError(
                f"there is no service {name}",
                where=str(self.directory / SERVICES_FILE),
                remedy="use one of: " + ", ".join(self.services),
            )
        return self.services[name]

    # --- what should run ---

    def _read_desired(self) -> dict[str, str]:
        with suppress(OSError, ValueError, AttributeError):
            found = read_json((self.directory / "desired.json").read_bytes())
            return {str(name): str(state) for name, state in found.items()}
        return {}

    async def _want(self, name: str, state: str) -> None:
        async with self._writing:
            if self._desired.get(name) != state:
                self._desired[name] = state
                await asyncio.to_thread(self._write_desired, json.dumps(self._desired))

    def _write_desired(self, text: str) -> None:
        temporary = self.directory / ".desired.json"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.directory / "desired.json")

    async def _restore(self) -> None:
        """Clear what an earlier supervisor left, and start again what should run, each after its needs."""
        for service in self.services.values():
            if self._desired.get(service.spec.name) != "running":
                await asyncio.to_thread(clear_leftovers, self.directory, service.spec)
        for name in self.order:
            if self._desired.get(name) != "running":
                continue
            service = self.services[name]
            for needed in service.spec.depends_on:
                await self._until_healthy(self.services[needed])
            if self._desired.get(name) == "running":
                with suppress(WsdashError):  # its log and its reading say so
                    await service.start()

    async def _until_healthy(self, service: Service) -> None:
        deadline = time.monotonic() + service.spec.start_period
        while time.monotonic() < deadline and self._desired.get(service.spec.name) == "running":
            if service.reading().health in ("healthy", "none"):
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _stop_all(self) -> None:
        """Stop every service once its dependents are gone."""
        gone = {name: asyncio.Event() for name in self.services}
        dependents: dict[str, list[str]] = {name: [] for name in self.services}
        for name, service in self.services.items():
            for needed in service.spec.depends_on:
                dependents[needed].append(name)

        async def end(name: str) -> None:
            for dependent in dependents[name]:
                await gone[dependent].wait()
            await self.services[name].stop()
            gone[name].set()

        await asyncio.gather(*(end(name) for name in self.services))

    # --- what goes on meanwhile ---

    async def _watch_lease(self) -> None:
        while self._lease is not None:
            if time.monotonic() - self._renewed > self._lease:
                self.stop.set()
                return
            await asyncio.sleep(min(LEASE_POLL_SECONDS, self._lease / 4))

    async def _measure(self) -> None:
        while True:
            table = await asyncio.to_thread(scan)
            for service in self.services.values():
                if service.root is None or service.state != "running":
                    continue
                root, limit = service.root, service.spec.memory_limit_bytes
                usage = await asyncio.to_thread(tree_usage, root, table, service.usage)
                if service.root != root:
                    continue
                service.usage = usage
                if limit is not None and (usage.memory_bytes or 0) > limit:
                    await service.out_of_memory()
            await asyncio.sleep(MEASURE_SECONDS)
