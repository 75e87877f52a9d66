"""The pageserver's stand-in: tenants and timelines over HTTP, in the real one's shapes and status codes."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from wsdash.demo.limits import ATTACH_SECONDS, DELETE_SECONDS, INGEST_LAG_SECONDS, WAIT_LSN_SECONDS
from wsdash.demo.service import reply
from wsdash.demo.standins.branches import BranchDatabases
from wsdash.demo.standins.pageserver_metrics import pageserver_metrics
from wsdash.demo.standins.shared import (
    BIRTH,
    BYTES_PER_SECOND,
    INITDB_LSN,
    PG_VERSION,
    TENANT_ID,
    TIMELINE_ID,
    errors_as_msg,
    hex_id,
    lsn_text,
    parse_lsn,
    wal_position,
)
from wsdash.outside import read_json

MAIN_BYTES = 31_457_280


class Timeline(msgspec.Struct):
    """A timeline. lsn is None on the one that is written to: its position follows the clock."""

    timeline_id: str
    pg_version: int = PG_VERSION
    ancestor_timeline_id: str | None = None
    ancestor_lsn: int | None = None
    lsn: int | None = None
    size: int = MAIN_BYTES
    deleted_at: float | None = None

    def position(self) -> int:
        """The last record that was ingested."""
        return wal_position(time.time() - INGEST_LAG_SECONDS) if self.lsn is None else self.lsn


class Tenant(msgspec.Struct):
    """A tenant and its timelines by id."""

    tenant_id: str
    attached_at: float
    generation: int = 1
    timelines: dict[str, Timeline] = {}

    @property
    def slug(self) -> str:
        """Attaching at first, then Active."""
        return "Active" if time.time() >= self.attached_at + ATTACH_SECONDS else "Attaching"


class Pageserver:
    """All tenants, kept in a file so that a restart forgets nothing."""

    def __init__(self, directory: Path, branches: BranchDatabases | None = None) -> None:
        self._file = directory / "tenants.json"
        self.branches = branches
        self.started_at = time.monotonic()
        if self._file.exists():
            self.tenants = msgspec.json.decode(self._file.read_bytes(), type=dict[str, Tenant])
        else:
            first = Tenant(TENANT_ID, float(BIRTH), 1, {TIMELINE_ID: Timeline(TIMELINE_ID)})
            self.tenants = {TENANT_ID: first}

    async def save(self) -> None:
        """Durable enough for a demo: written aside, then renamed."""
        await asyncio.to_thread(self._write, msgspec.json.encode(self.tenants))

    def _write(self, content: bytes) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".new")
        temporary.write_bytes(content)
        temporary.replace(self._file)

    def tenant(self, tenant_id: str) -> Tenant:
        """Raises web.HTTPNotFound."""
        found = self.tenants.get(hex_id(tenant_id, "tenant id"))
        if found is None:
            raise web.HTTPNotFound(reason=f"NotFound: tenant {tenant_id}")
        return found

    def timeline(self, tenant_id: str, timeline_id: str) -> tuple[Tenant, Timeline]:
        """Raises web.HTTPNotFound; a deleted timeline disappears after a moment."""
        tenant = self.tenant(tenant_id)
        found = tenant.timelines.get(hex_id(timeline_id, "timeline id"))
        if found is not None and found.deleted_at and time.time() > found.deleted_at + DELETE_SECONDS:
            del tenant.timelines[timeline_id]
            found = None
        if found is None:
            raise web.HTTPNotFound(reason=f"NotFound: Timeline {tenant_id}/{timeline_id} was not found")
        return tenant, found

    def live(self, tenant: Tenant) -> list[Timeline]:
        """Its timelines that are not being deleted."""
        return [timeline for timeline in tenant.timelines.values() if timeline.deleted_at is None]


SERVER = web.AppKey("pageserver", Pageserver)
DISTANCE = web.AppKey("checkpoint_distance", int)
CHECKPOINT_DISTANCE = 256 * 2**20
"""The real one's default, in bytes; and its default of layers that a compaction takes together."""
COMPACTION_THRESHOLD = 10


def pageserver_app(
    directory: Path, branches: BranchDatabases | None = None, distance: int = CHECKPOINT_DISTANCE
) -> web.Application:
    """The HTTP side; state is kept in `directory`. branches: what makes a branch a database. distance: the
    configured checkpoint_distance, in bytes."""
    application = web.Application(middlewares=[errors_as_msg])
    application[DISTANCE] = distance
    application[SERVER] = Pageserver(directory, branches)
    route = application.router
    route.add_get("/v1/status", _status)
    route.add_get("/v1/utilization", _utilization)
    route.add_get("/metrics", _metrics)
    route.add_get("/v1/tenant", _tenants)
    route.add_get("/v1/tenant/{tenant}", _tenant)
    route.add_get("/v1/tenant/{tenant}/config", _tenant_config)
    route.add_put("/v1/tenant/{tenant}/location_config", _location_config)
    route.add_get("/v1/tenant/{tenant}/timeline", _timelines)
    route.add_post("/v1/tenant/{tenant}/timeline", _create_timeline)
    route.add_get("/v1/tenant/{tenant}/timeline/{timeline}", _timeline)
    route.add_delete("/v1/tenant/{tenant}/timeline/{timeline}", _delete_timeline)
    route.add_get("/v1/tenant/{tenant}/timeline/{timeline}/get_lsn_by_timestamp", _lsn_by_timestamp)
    return application


def tenant_info(tenant: Tenant) -> dict[str, Any]:
    """TenantInfo as GET /v1/tenant lists it."""
    return {
        "id": tenant.tenant_id,
        "state": {"slug": tenant.slug},
        "current_physical_size": None,
        "attachment_status": {"slug": "attached"},
        "generation": tenant.generation,
    }


def timeline_info(tenant: Tenant, timeline: Timeline) -> dict[str, Any]:
    """TimelineInfo as the real one answers it."""
    last = timeline.position()
    lsn = lsn_text(last)
    received = time.time() - INGEST_LAG_SECONDS
    active = timeline.lsn is None
    return {
        "tenant_id": tenant.tenant_id,
        "timeline_id": timeline.timeline_id,
        "ancestor_timeline_id": timeline.ancestor_timeline_id,
        "ancestor_lsn": None if timeline.ancestor_lsn is None else lsn_text(timeline.ancestor_lsn),
        "last_record_lsn": lsn,
        "prev_record_lsn": lsn_text(last - 8),
        "applied_gc_cutoff_lsn": lsn_text(INITDB_LSN),
        "disk_consistent_lsn": lsn,
        "remote_consistent_lsn": lsn,
        "remote_consistent_lsn_visible": lsn,
        "initdb_lsn": lsn_text(INITDB_LSN),
        "min_readable_lsn": lsn_text(INITDB_LSN),
        "current_logical_size": timeline.size,
        "current_logical_size_is_accurate": True,
        "current_physical_size": 34_603_008,
        "pitr_history_size": last - INITDB_LSN,
        "pg_version": timeline.pg_version,
        "wal_source_connstr": "host=workspace-db-safekeeper port=5454" if active else None,
        "last_received_msg_lsn": lsn if active else None,
        "last_received_msg_ts": int(received * 1_000_000) if active else None,
        "walreceiver_status": "streaming" if active else "Not active",
        "state": "Active" if timeline.deleted_at is None else "Stopping",
        "is_archived": False,
    }


async def _tenant_config(request: web.Request) -> web.Response:
    request.app[SERVER].tenant(request.match_info["tenant"])
    effective = {
        "checkpoint_distance": request.app[DISTANCE],
        "checkpoint_timeout": "10m",
        "compaction_threshold": COMPACTION_THRESHOLD,
    }
    return reply({"tenant_specific_overrides": {}, "effective_config": effective})


async def _status(request: web.Request) -> web.Response:
    return reply({"id": 1234})


async def _utilization(request: web.Request) -> web.Response:
    return reply(
        {
            "disk_usage_bytes": 34_603_008,
            "free_space_bytes": 100 * 1024**3,
            "shard_count": len(request.app[SERVER].tenants),
            "utilization_score": 340,
        }
    )


async def _metrics(request: web.Request) -> web.Response:
    server = request.app[SERVER]
    labelled = [
        (tenant.tenant_id, timeline.timeline_id, timeline.position())
        for tenant in server.tenants.values()
        for timeline in server.live(tenant)
    ]
    states = [tenant.slug for tenant in server.tenants.values()]
    page = pageserver_metrics(labelled, states, time.monotonic() - server.started_at)
    return web.Response(body=page.encode(), headers={"Content-Type": "text/plain; version=0.0.4"})


async def _tenants(request: web.Request) -> web.Response:
    return _json([tenant_info(tenant) for tenant in request.app[SERVER].tenants.values()])


async def _tenant(request: web.Request) -> web.Response:
    server = request.app[SERVER]
    tenant = server.tenant(request.match_info["tenant"])
    timelines = [timeline.timeline_id for timeline in server.live(tenant)]
    return reply({**tenant_info(tenant), "walredo": None, "timelines": timelines})


async def _location_config(request: web.Request) -> web.Response:
    server = request.app[SERVER]
    tenant_id = hex_id(request.match_info["tenant"], "tenant id")
    body = await _body(request)
    mode = body.get("mode")
    if mode not in ("AttachedSingle", "AttachedMulti", "AttachedStale", "Secondary", "Detached"):
        raise web.HTTPBadRequest(reason=f"unknown variant {mode!r} of mode")
    if mode == "Detached":
        server.tenants.pop(tenant_id, None)
        await server.save()
        return reply({"shards": [], "stripe_size": None})
    generation = body.get("generation")
    if not isinstance(generation, int):
        raise web.HTTPBadRequest(reason="Generation attribute missing")
    tenant = server.tenants.setdefault(tenant_id, Tenant(tenant_id, time.time()))
    tenant.generation = generation
    await server.save()
    return reply({"shards": [{"shard_id": tenant_id, "node_id": 1234}], "stripe_size": None})


async def _timelines(request: web.Request) -> web.Response:
    server = request.app[SERVER]
    tenant = server.tenant(request.match_info["tenant"])
    return _json([timeline_info(tenant, timeline) for timeline in server.live(tenant)])


async def _timeline(request: web.Request) -> web.Response:
    tenant, timeline = request.app[SERVER].timeline(
        request.match_info["tenant"], request.match_info["timeline"]
    )
    return reply(timeline_info(tenant, timeline))


async def _create_timeline(request: web.Request) -> web.Response:
    server = request.app[SERVER]
    tenant = server.tenant(request.match_info["tenant"])
    if tenant.slug != "Active":
        raise web.HTTPServiceUnavailable(reason="Tenant is not yet active")
    body = await _body(request)
    new_id = hex_id(body.get("new_timeline_id"), "new_timeline_id")
    wanted = await _wanted_timeline(server, tenant, new_id, body)
    found = tenant.timelines.get(new_id)
    if found is not None:
        same = (found.ancestor_timeline_id, found.pg_version) == (
            wanted.ancestor_timeline_id,
            wanted.pg_version,
        )
        if not same or ("ancestor_start_lsn" in body and found.ancestor_lsn != wanted.ancestor_lsn):
            raise web.HTTPConflict(reason="timeline already exists with different parameters")
    else:
        if server.branches is not None and wanted.ancestor_timeline_id == TIMELINE_ID:
            wanted.size = await server.branches.make(new_id)
        found = tenant.timelines[new_id] = wanted
        await server.save()
    return reply(timeline_info(tenant, found), 201)


async def _wanted_timeline(server: Pageserver, tenant: Tenant, new_id: str, body: dict[str, Any]) -> Timeline:
    ancestor_id = body.get("ancestor_timeline_id")
    if ancestor_id is None:
        return Timeline(new_id, int(body.get("pg_version", PG_VERSION)))
    ancestor = tenant.timelines.get(hex_id(ancestor_id, "ancestor_timeline_id"))
    if ancestor is None or ancestor.deleted_at is not None:
        raise web.HTTPInternalServerError(reason="Cannot branch off timeline: not found in pageserver")
    if body.get("ancestor_start_lsn") is None:
        start = ancestor.position()
    else:
        start = parse_lsn(str(body["ancestor_start_lsn"]))
        await _wait_for_lsn(ancestor, start)
    return Timeline(new_id, ancestor.pg_version, ancestor_id, start, lsn=start)


async def _wait_for_lsn(timeline: Timeline, lsn: int) -> None:
    if lsn < INITDB_LSN:
        raise web.HTTPNotAcceptable(reason="invalid branch start lsn: less than min readable lsn")
    missing = (lsn - timeline.position()) / BYTES_PER_SECOND
    if missing > (WAIT_LSN_SECONDS if timeline.lsn is None else 0):
        raise web.HTTPNotAcceptable(reason="invalid branch start lsn: timed out while waiting for it")
    await asyncio.sleep(max(0.0, missing))


async def _delete_timeline(request: web.Request) -> web.Response:
    server = request.app[SERVER]
    if request.match_info["tenant"] not in server.tenants:
        raise web.HTTPPreconditionFailed(reason="Requested tenant is missing")
    tenant, timeline = server.timeline(request.match_info["tenant"], request.match_info["timeline"])
    if any(other.ancestor_timeline_id == timeline.timeline_id for other in server.live(tenant)):
        raise web.HTTPPreconditionFailed(reason="Cannot delete timeline which has child timelines")
    if timeline.deleted_at is not None:
        raise web.HTTPConflict(reason="Timeline deletion is already in progress")
    if server.branches is not None and timeline.ancestor_timeline_id == TIMELINE_ID:
        await server.branches.drop(timeline.timeline_id)
    timeline.deleted_at = time.time()
    await server.save()
    return _json(None, 202)


async def _lsn_by_timestamp(request: web.Request) -> web.Response:
    _, timeline = request.app[SERVER].timeline(request.match_info["tenant"], request.match_info["timeline"])
    at = datetime.fromisoformat(request.query.get("timestamp", "")).timestamp()
    lsn = min(wal_position(at), timeline.position())
    kind = "past" if at < BIRTH else "future" if at > time.time() else "present"
    return reply({"lsn": lsn_text(lsn), "kind": kind})


async def _body(request: web.Request) -> dict[str, Any]:
    content = read_json(await request.text() or "null")
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(reason="the body is not a JSON object")
    return content


def _json(content: object, status: int = 200) -> web.Response:
    return web.json_response(content, status=status)
