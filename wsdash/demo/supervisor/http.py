"""The supervisor's HTTP face: the routes, over its unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from wsdash.demo.supervisor.programs import programs_present
from wsdash.errors import WsdashError
from wsdash.stack.local.log_files import newest_lines
from wsdash.stack.local.view import ContainerDetail, Failure

if TYPE_CHECKING:
    from wsdash.demo.supervisor.daemon import Daemon

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
                    event = await asyncio.wait_for(queue.get(), 5.0)
                except TimeoutError:
                    await response.write(b"\n")
                else:
                    await response.write(msgspec.json.encode(event) + b"\n")


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    await response.write(b"\n")
    return response
