"""The workspace API in both generations: old against the shared TimescaleDB, new against the new stack.

`python -m wsdash.demo.api.server --generation old|new --port P`; the database's address is in the environment
(TIMESCALEDB_* for old, NEON_* for new: HOST, PORT, DATABASE, USER, and PASSWORD or PASSWORD_FILE).

`GET /api/items` answers `count`, the number of all items that match, and `data`, one page of them, newest
first: 100 unless `limit` (at most 1000) and `offset` say otherwise. So its time does not grow with the table.

Compared with the service in the field (Express; routes/items.js, services/WorkspaceService.js,
validation/schemas.js): /health answers 503 until the tables exist; who made an item is the logged-in user or
null, whatever a body says; a new item's status is `new`; what a new item's body has beside the known fields
is ignored, and refused in a change; 429 beyond RATE_LIMIT_MAX requests of one address (api_limit.py);
description and priority are required, and a body with metadata is answered 500 (a fault of the validator's
locked version) unless `--shape simple` is given. There the list is all items in one answer, whatever limit
says: here only with `--whole-list`.

Not so in the field: a temporary refusal by the database (class 57) is 500 there and 503 here, for 57P03 (the
online move's fence) with Retry-After; and here the new generation refuses reads while its side is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from aiohttp import web
from aiohttp.typedefs import Middleware

from wsdash.demo import service
from wsdash.demo.api.gate import RateLimit, ServedSide, rate_limited
from wsdash.demo.api.resources import POOL, SHAPE, WHOLE_LIST, ApiError, add_category_routes, add_item_routes
from wsdash.demo.limits import API_CONNECT_SECONDS, API_QUERY_SECONDS, POOL_END_SECONDS
from wsdash.demo.service import log, log_request, reply, serve

PREFIXES = {"old": "TIMESCALEDB", "new": "NEON"}
RETRY_AFTER = "1"
"""Seconds (the header knows whole ones only), where it is certain that nothing was written."""
POOL_SIZE = 10
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    # asyncpg says this when the server ended a pooled session and the news is not read yet
    asyncpg.InternalClientError,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Database:
    """Where the API's rows are. The password is never logged."""

    host: str
    port: int
    database: str
    user: str
    password: str

    @classmethod
    def from_environment(cls, generation: str) -> Database:
        """Read TIMESCALEDB_* or NEON_*. Raises KeyError naming the missing variable."""
        prefix = PREFIXES[generation]
        secret = os.environ.get(f"{prefix}_PASSWORD")
        if secret is None:
            secret = Path(os.environ[f"{prefix}_PASSWORD_FILE"]).read_text(encoding="utf-8").rstrip("\n")
        return cls(
            host=os.environ[f"{prefix}_HOST"],
            port=int(os.environ[f"{prefix}_PORT"]),
            database=os.environ[f"{prefix}_DATABASE"],
            user=os.environ[f"{prefix}_USER"],
            password=secret,
        )


@dataclass
class Metrics:
    """What /metrics tells."""

    durations: service.Histogram
    requests: Counter[tuple[str, str, str]]


HEALTH_QUERY = "select id from workspace.workspace_items limit 1"
METRICS = web.AppKey("metrics", Metrics)
GENERATION = web.AppKey("generation", str)


def create_app(
    generation: str,
    database: Database,
    *,
    shape: str = "real",
    limit: RateLimit | None = None,
    whole_list: bool = False,
) -> web.Application:
    """The application. It starts without its database too, and answers 503 until that is there.

    shape: real, or simple. limit: of requests of one address; None: no limit. whole_list: not in pages.
    """
    middlewares: list[Middleware] = [_boundary]
    if generation == "new":
        middlewares.append(_open_side(ServedSide()))
    if limit is not None:
        middlewares.insert(0, rate_limited(limit))
    application = web.Application(middlewares=middlewares, client_max_size=1024**2)
    application[SHAPE] = shape
    application[WHOLE_LIST] = whole_list
    application[GENERATION] = generation
    application[METRICS] = Metrics(
        service.Histogram("http_request_duration_seconds", "Time to answer a request"), Counter()
    )
    application.cleanup_ctx.append(_pool(generation, database))
    add_item_routes(application)
    add_category_routes(application)
    application.router.add_get("/health", health)
    application.router.add_get("/metrics", metrics)
    return application


async def health(request: web.Request) -> web.Response:
    """200 while the items can be read, else 503 with the database's words."""
    body: dict[str, object] = {"service": "workspace-api", "generation": request.app[GENERATION]}
    try:
        async with request.app[POOL].acquire(timeout=API_CONNECT_SECONDS) as conn:
            await conn.fetchval(HEALTH_QUERY)
    except (*UNREACHABLE, asyncpg.PostgresError) as error:
        check = {"status": "unhealthy", "message": str(error) or type(error).__name__}
        return reply({"status": "unhealthy", **body, "checks": {"database": check}}, 503)
    check = {"status": "healthy", "message": f"{PREFIXES[request.app[GENERATION]].lower()} connected"}
    return reply({"status": "healthy", **body, "checks": {"database": check}})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus' text format."""
    pool, held = request.app[POOL], request.app[METRICS]
    memory = await asyncio.to_thread(lambda: psutil.Process().memory_info().rss)
    requests = (
        ({"method": method, "route": route, "status": status}, float(count))
        for (method, route, status), count in held.requests.items()
    )
    families = [
        service.family("http_requests_total", "counter", "Requests answered", requests),
        held.durations.family(),
        service.family("db_pool_connections", "gauge", "Open connections", [({}, pool.get_size())]),
        service.family("db_pool_idle", "gauge", "Idle connections", [({}, pool.get_idle_size())]),
        service.family("db_pool_max", "gauge", "Limit of connections", [({}, pool.get_max_size())]),
        service.family("process_resident_memory_bytes", "gauge", "Memory in use", [({}, memory)]),
        service.family(
            "workspace_api_info", "gauge", "Generation", [({"generation": request.app[GENERATION]}, 1)]
        ),
    ]
    page = service.exposition(families).encode()
    return web.Response(body=page, headers={"Content-Type": service.CONTENT_TYPE})


def _pool(generation: str, database: Database) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(application: web.Application) -> AsyncIterator[None]:
        pool = asyncpg.create_pool(
            host=database.host,
            port=database.port,
            database=database.database,
            user=database.user,
            password=database.password,
            # none at first: the API starts before its database and outlives it
            min_size=0,
            max_size=POOL_SIZE,
            timeout=API_CONNECT_SECONDS,
            command_timeout=API_QUERY_SECONDS,
            # prepared statements would not survive a schema that is made anew underneath
            statement_cache_size=0,
            server_settings={"application_name": f"workspace-api-{generation}", "TimeZone": "UTC"},
        )
        application[POOL] = await pool
        yield
        try:
            await asyncio.wait_for(pool.close(), POOL_END_SECONDS)
        except (*UNREACHABLE, asyncpg.PostgresError):
            pool.terminate()

    return context


@web.middleware
async def _boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer is JSON, logged and counted, whatever goes wrong inside."""
    began = time.monotonic()
    response = await _answer(request, handler)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    held = request.app[METRICS]
    held.durations.observe(time.monotonic() - began, method=request.method, route=route)
    held.requests[request.method, route, str(response.status)] += 1
    log_request(request, response.status, began)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return _failure(error.status, error.message)
    except asyncpg.CannotConnectNowError:
        return _failure(503, "the database takes no requests at the moment", retry=True)
    except web.HTTPException as error:
        return _failure(error.status, f"{request.method} {request.path}: {error.reason}")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return _failure(503, "the workspace schema is not initialised", retry=True)
    except UNREACHABLE as error:
        log("error", "database unreachable", error=str(error) or type(error).__name__)
        return _failure(503, "the database does not answer")
    except asyncpg.DataError as error:
        return _failure(400, f"a value cannot be stored: {error}")
    except asyncpg.PostgresError as error:
        log("error", "database error", error=str(error), code=error.sqlstate)
        # class 57: the server is shutting down
        return _failure(
            503 if str(error.sqlstate).startswith("57") else 500, "the database refused the request"
        )
    except Exception as error:
        log("error", "request failed", error=repr(error), where=traceback.format_exc(limit=-3))
        return _failure(500, "internal error")


def _failure(status: int, message: str, *, retry: bool = False) -> web.Response:
    response = reply({"success": False, "message": message}, status)
    if retry:
        response.headers["Retry-After"] = RETRY_AFTER
    return response


def _open_side(side: ServedSide) -> Middleware:
    """Refuse reads while the database is not the side that serves. Writes its own gates refuse."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "GET" and request.path.startswith("/api/"):
            async with request.app[POOL].acquire(timeout=API_CONNECT_SECONDS) as conn:
                serves = await side.serves(conn)
            if not serves:
                return _failure(503, "this database is closed: the service is moving", retry=True)
        return await handler(request)

    return middleware


def main(argv: list[str] | None = None) -> None:
    """Run one generation of the API until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m wsdash.demo.api.server", description="The workspace API."
    )
    parser.add_argument("--generation", choices=sorted(PREFIXES), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--shape", choices=("real", "simple"), default="real")
    parser.add_argument("--whole-list", action="store_true")
    chosen = parser.parse_args(argv)
    application = create_app(
        chosen.generation,
        Database.from_environment(chosen.generation),
        shape=chosen.shape,
        limit=RateLimit.from_environment(),
        whole_list=chosen.whole_list,
    )
    asyncio.run(serve(application, chosen.host, chosen.port, f"workspace-api ({chosen.generation})"))


if __name__ == "__main__":
    main()
