"""The safekeeper's stand-in: its timelines and their WAL positions, in the real one's shapes."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from wsdash.demo.service import Histogram, exposition, family, reply
from wsdash.demo.standins.shared import (
    BYTES_PER_SECOND,
    INITDB_LSN,
    PG_VERSION,
    TENANT_ID,
    TIMELINE_ID,
    errors_as_msg,
    hex_id,
    lsn_text,
    wal_position,
)

PER_TIMELINE = (
    "commit_lsn",
    "flush_lsn",
    "backup_lsn",
    "peer_horizon_lsn",
    "remote_consistent_lsn",
    "timeline_active",
    "connected_computes",
    "disk_usage_bytes",
    "written_wal_bytes_total",
)
WAL_SEGMENT_BYTES = 16 * 1024**2


class Safekeeper:
    """The one timeline that a compute writes to, as long as it is not deleted."""

    def __init__(self) -> None:
        self.started_at = time.monotonic()
        self.timelines = {(TENANT_ID, TIMELINE_ID)}


SERVER = web.AppKey("safekeeper", Safekeeper)


def safekeeper_app() -> web.Application:
    """The HTTP side."""
    application = web.Application(middlewares=[errors_as_msg])
    application[SERVER] = Safekeeper()
    route = application.router
    route.add_get("/v1/status", _status)
    route.add_get("/v1/utilization", _utilization)
    route.add_get("/metrics", _metrics)
    route.add_get("/v1/tenant/timeline", _timelines)
    route.add_get("/v1/tenant/{tenant}/timeline/{timeline}", _timeline)
    route.add_delete("/v1/tenant/{tenant}/timeline/{timeline}", _delete_timeline)
    return application


async def _status(request: web.Request) -> web.Response:
    return reply({"id": 1})


async def _utilization(request: web.Request) -> web.Response:
    return reply({"timeline_count": len(request.app[SERVER].timelines)})


async def _timelines(request: web.Request) -> web.Response:
    known = sorted(request.app[SERVER].timelines)
    return web.json_response([{"tenant_id": tenant, "timeline_id": timeline} for tenant, timeline in known])


async def _timeline(request: web.Request) -> web.Response:
    tenant, timeline = _ids(request)
    if (tenant, timeline) not in request.app[SERVER].timelines:
        raise web.HTTPNotFound(reason=f"timeline {tenant}/{timeline} was not found")
    return reply(timeline_status(tenant, timeline))


async def _delete_timeline(request: web.Request) -> web.Response:
    known, ids = request.app[SERVER].timelines, _ids(request)
    existed = ids in known
    known.discard(ids)
    return reply({"dir_existed": existed})


def timeline_status(tenant: str, timeline: str) -> dict[str, Any]:
    """TimelineStatus as the real one answers it."""
    commit = lsn_text(wal_position())
    older = lsn_text(max(INITDB_LSN, wal_position(time.time() - 10)))
    return {
        "tenant_id": tenant,
        "timeline_id": timeline,
        "mconf": {
            "generation": 1,
            "members": [{"id": 1, "host": "workspace-db-safekeeper", "pg_port": 5454}],
        },
        "acceptor_state": {
            "term": 1,
            "epoch": 1,
            "term_history": [{"term": 1, "lsn": lsn_text(INITDB_LSN)}],
        },
        "pg_info": {
            "pg_version": PG_VERSION * 10_000 + 5,
            "system_id": 7_568_123_456_789_012_345,
            "wal_seg_size": WAL_SEGMENT_BYTES,
        },
        "flush_lsn": commit,
        "timeline_start_lsn": lsn_text(INITDB_LSN),
        "local_start_lsn": lsn_text(INITDB_LSN),
        "commit_lsn": commit,
        "backup_lsn": older,
        "peer_horizon_lsn": commit,
        "remote_consistent_lsn": older,
        "peers": [],
        "walsenders": [],
        "walreceivers": [],
    }


def _ids(request: web.Request) -> tuple[str, str]:
    return (
        hex_id(request.match_info["tenant"], "tenant id"),
        hex_id(request.match_info["timeline"], "timeline id"),
    )


async def _metrics(request: web.Request) -> web.Response:
    server = request.app[SERVER]
    uptime = time.monotonic() - server.started_at
    known = sorted(server.timelines)
    families = [_per_timeline(name, known, uptime) for name in PER_TIMELINE]
    families += [
        _plain("timelines", "gauge", len(known)),
        _plain("active_timelines", "gauge", len(known)),
        _plain("wal_receivers", "gauge", len(known)),
        _plain("backup_errors_total", "counter", 0),
        _plain("wal_disk_io_errors", "counter", 0),
        _plain("broker_pushed_updates_total", "counter", int(uptime)),
        _plain("broker_pulled_updates_total", "counter", int(uptime)),
    ]
    write = Histogram("safekeeper_write_wal_seconds", "Seconds spent writing WAL")
    flush = Histogram("safekeeper_flush_wal_seconds", "Seconds spent syncing WAL")
    write.observe(0.0004, 1 + int(uptime))
    flush.observe(0.003, 1 + int(uptime))
    page = exposition([*families, write.family(), flush.family()])
    return web.Response(body=page.encode(), headers={"Content-Type": "text/plain; version=0.0.4"})


def _plain(name: str, kind: str, value: float) -> str:
    return family(f"safekeeper_{name}", kind, name.replace("_", " "), [({}, value)])


def _per_timeline(name: str, known: list[tuple[str, str]], uptime: float) -> str:
    now, older = wal_position(), wal_position(time.time() - 10)
    fixed: dict[str, float] = {
        "timeline_active": 1,
        "connected_computes": 1,
        "disk_usage_bytes": 2 * WAL_SEGMENT_BYTES,
        "written_wal_bytes_total": int(uptime * BYTES_PER_SECOND),
        "backup_lsn": older,
        "remote_consistent_lsn": older,
    }
    samples = [
        ({"tenant_id": tenant, "timeline_id": timeline}, fixed.get(name, now)) for tenant, timeline in known
    ]
    kind = "counter" if name.endswith("_total") else "gauge"
    return family(f"safekeeper_{name}", kind, name.replace("_", " "), samples)
