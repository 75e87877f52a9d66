"""Diagnostics: each thing wsdash depends on, whether it is well, and what to do when it is not."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from wsdash.api.client import ApiClient
from wsdash.config import ApiSettings, Settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.pg.errors import ServerErrors
from wsdash.data.timescaledb.jobs import describe_jobs, read_jobs
from wsdash.engine.counting.rows import count_rows
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.journal.store import FILE
from wsdash.engine.operator.launch import LOG_FILE, engine_alive
from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import ContainerReading
from wsdash.model.facts import PAUSED
from wsdash.review.doctor import compose_files, stack_safety, troubleshooting
from wsdash.review.doctor.connection_test import connection_test, psql_words
from wsdash.review.doctor.finding import Finding
from wsdash.review.limits import SQL_SECONDS
from wsdash.stack.base import Stack
from wsdash.stack.factory import open_stack
from wsdash.steps.base import endpoint
from wsdash.steps.database.backup import WHETHER
from wsdash.steps.online.refused import RELAY_REMEDY, missing_relay, online_refusals
from wsdash.steps.services.readiness import lacking_rights, stack_ports


class DiskUsage(NamedTuple):
    """Bytes of a file system."""

    total: int
    used: int
    free: int


async def diagnose(settings: Settings, state: Path | None) -> list[Finding]:
    """Look at the world, all at once. Never raises for an unwell world.

    Nothing is changed but what the connection test writes on the target and removes again.
    """
    findings = await asyncio.gather(
        _stack(settings, state),
        compose_files.compose_files(settings),
        database_findings("source", endpoint(settings.source), settings.source.schema),
        database_findings("target", endpoint(settings.target), settings.target.schema),
        _rights(settings),
        _online(settings),
        _jobs(settings, state),
        _counts(settings),
        api_findings("old API", settings.api.old, settings.api),
        api_findings("new API", settings.api.new, settings.api),
        _disk(settings),
        _engine(state),
        _way_out(settings, state),
    )
    return [finding for group in findings for finding in group]


async def _stack(settings: Settings, state: Path | None) -> list[Finding]:
    """The containers, the ten checks of the new stack, and what the guide's troubleshooting asks of it."""
    stack = None
    try:
        stack = await asyncio.to_thread(open_stack, settings, read_only=True)
        readings = await stack.readings()
        tests = await connection_test(settings, readings)
        logs = await troubleshooting.logs(settings, stack, readings, state)
        made = await stack_safety.safety(settings, stack)
        images = await compose_files.images(settings, stack)
        ports = await _ports(settings, stack)
        return [
            *_containers(settings, readings),
            ports,
            *images,
            *made,
            *tests,
            logs,
            troubleshooting.diagnostics(tests),
        ]
    except WsdashError as error:
        more = "docker version" if settings.stack.engine == "docker" else "wsdash demo"
        return [Finding("containers", False, f"{error.what} ({error.where})", error.remedy, more)]
    finally:
        if stack is not None:
            await stack.close()


async def _way_out(settings: Settings, state: Path | None) -> list[Finding]:
    return [await troubleshooting.way_back(settings, state), troubleshooting.team(settings)]


def _containers(settings: Settings, readings: list[ContainerReading]) -> list[Finding]:
    found = []
    docker = settings.stack.engine == "docker"
    for reading in readings:
        well = reading.state == "running" and reading.health in ("healthy", "none")
        absent = reading.state in ("created", "exited", "missing")
        seen = f"{reading.state}, {reading.health}, {reading.restarts} restarts"
        remedy = "" if well or absent else f"see the logs of {reading.name}: {reading.detail}"
        more = f"docker logs --tail 50 {reading.name}" if docker and not (well or absent) else ""
        found.append(Finding(f"container {reading.name}", None if absent else well, seen, remedy, more))
    return found


async def _ports(settings: Settings, stack: Stack) -> Finding:
    """As item ports-free sees them: on the machine whose engine publishes them."""
    name, found = "ports of the new stack", await stack_ports(settings, stack)
    if found.taken:
        remedy = "stop the holders named here, or change the ports in wsdash.yaml and the compose file"
        return Finding(name, False, "taken: " + "; ".join(found.taken), remedy, "ss -ltnp")
    if found.unseen:
        return Finding(name, None, found.unseen)
    return Finding(name, True, "; ".join(found.ours) or "all free")


async def database_findings(name: str, side: Endpoint, schema: str) -> list[Finding]:
    """Whether one side's database answers, as whom it is asked. Never raises for one that does not."""
    try:
        with ServerErrors(side, "asking the server"):
            async with connection(side, read_only=True) as session:
                version = await session.fetchval("show server_version", timeout=SQL_SECONDS)
                tables = await session.fetchval(
                    "select count(*) from pg_tables where schemaname = $1", schema, timeout=SQL_SECONDS
                )
                used = await session.fetchval("select count(*) from pg_stat_activity", timeout=SQL_SECONDS)
                limit = await session.fetchval("show max_connections", timeout=SQL_SECONDS)
    except UnreachableError as error:
        more = f"pg_isready -h {side.host} -p {side.port}"
        return [Finding(name, None if name == "target" else False, error.what, error.remedy, more)]
    except WsdashError as error:
        more = f"{psql_words(side)} -c 'select version()'"
        return [Finding(name, False, f"{side.address}: {error.what}", error.remedy, more)]
    seen = f"{side.address}: PostgreSQL {version}, {tables} tables in {schema}, {used} of {limit} connections"
    return [Finding(name, True, seen)]


async def _jobs(settings: Settings, state: Path | None) -> list[Finding]:
    """TimescaleDB's background jobs that may start during a run; no line without the extension."""
    side = endpoint(settings.source)
    try:
        with ServerErrors(side, "reading the background jobs"):
            async with connection(side, read_only=True) as session:
                jobs = await read_jobs(session, settings.source.schema)
    except WsdashError:
        return []  # what is wrong with the source has a line of its own
    described = describe_jobs(jobs)
    ours = await asyncio.to_thread(_paused_by_us, state)
    if ours and any(not job.scheduled for job in jobs if job.id in ours):
        seen = f"paused by this run: {', '.join(map(str, ours))}"
        if state is not None and await asyncio.to_thread(engine_alive, state) is None:
            return [
                Finding("background jobs", False, seen, "`wsdash run` puts them back before anything else")
            ]
        return [Finding("background jobs", True, f"{seen}; its engine puts them back")]
    if not described:
        return [Finding("background jobs", True, f"{len(jobs)} of the source, all paused")] if jobs else []
    wanted = settings.source.pause_jobs
    remedy = "" if wanted else "source.pause_jobs: ask or yes pauses them while rows are read"
    good = True if wanted else None
    return [Finding("background jobs", good, f"{described}; {WHETHER[wanted]}", remedy)]


def _paused_by_us(state: Path | None) -> list[int]:
    """The jobs that a run has noted as paused."""
    if state is None or not (state / FILE).exists():
        return []
    reader = JournalReader(state)
    try:
        return list(PAUSED.of(reader.facts()) or [])
    finally:
        reader.close()


async def _rights(settings: Settings) -> list[Finding]:
    """What a migration's users may not do yet; a side that is not there says nothing."""
    try:
        found = await lacking_rights(settings)
    except WsdashError as error:
        return [Finding("rights", False, error.what, error.remedy)]
    return [
        Finding(f"rights on the {side}", not lacking, "; ".join(lacking) or "as a migration wants them")
        for side, lacking in found.items()
    ]


async def _online(settings: Settings) -> list[Finding]:
    """Whether the schema could be moved with --mode online; where that is the mode to come, also who answers
    at the old address afterwards."""
    lacking = missing_relay(settings) if settings.mode == "online" else ""
    relay = [Finding("relay", None, lacking, RELAY_REMEDY)] if lacking else []
    try:
        found = await online_refusals(settings)
    except WsdashError:
        return relay  # what is wrong with the source has a line of its own
    if not found:
        return [Finding("mode online", True, "nothing of the source speaks against it"), *relay]
    seen = "; ".join(f"{one.subject}: {one.reason}" for one in found)
    remedy = "; ".join(dict.fromkeys(one.remedy for one in found))
    return [Finding("mode online", None, seen, remedy), *relay]


async def _counts(settings: Settings) -> list[Finding]:
    try:
        readings = await count_rows(settings)
    except WsdashError as error:
        return [Finding("row counts", False, error.what, error.remedy, "wsdash schema")]
    both = [r for r in readings if r.source is not None and r.target is not None and not r.note]
    if not both:
        return [Finding("row counts", None, "only one side can be counted yet")]
    differing = [f"{r.table} {r.source:,} / {r.target:,}" for r in both if r.source != r.target]
    seen = "differ: " + ", ".join(differing) if differing else f"{len(both)} tables equal in number"
    more = "wsdash run, key d: the differing rows" if differing else ""
    return [Finding("row counts", None if differing else True, seen, more=more)]


async def api_findings(name: str, base: str, shape: ApiSettings) -> list[Finding]:
    """Whether an API answers at that address. Never raises for one that does not."""
    more = f"curl -si {base}{shape.health_path}"
    try:
        async with ApiClient(base, shape) as api:
            began = time.monotonic()
            pong = await api.ping()
            seconds, limit = time.monotonic() - began, api.allowance.text
    except WsdashError as error:
        return [Finding(name, False, error.what, error.remedy, more)]
    if not pong.status:
        return [Finding(name, None, f"{base} does not answer: {pong.said}", more=more)]
    seen = f"{base}: {pong.said}" + (f"; wsdash sends {limit}" if limit else "")
    if not pong.ready:
        return [Finding(name, False, seen, "see the logs of this API's container", more)]
    return [Finding(name, True, f"{seen}, in {seconds * 1000:.0f} ms")]


async def _disk(settings: Settings) -> list[Finding]:
    directory, usage = await asyncio.to_thread(_disk_usage, Path(settings.paths.backups))
    percent = 100 * usage.used / usage.total
    limit = settings.thresholds.alert_disk_percent
    seen = f"{directory}: {percent:.0f} % used, {usage.free / 2**30:.1f} GiB free (limit {limit:.0f} %)"
    if percent <= limit:
        return [Finding("disk for backups", True, seen)]
    return [Finding("disk for backups", False, seen, "make room", f"df -h {directory}; du -xh {directory}")]


def _disk_usage(path: Path) -> tuple[Path, DiskUsage]:
    directory = path.absolute()
    while not directory.exists():
        directory = directory.parent
    usage = shutil.disk_usage(directory)
    return directory, DiskUsage(usage.total, usage.used, usage.free)


async def _engine(state: Path | None) -> list[Finding]:
    if state is None:
        return [Finding("engine", None, "no run")]
    alive = await asyncio.to_thread(engine_alive, state)
    if alive is None:
        more = f"tail {state / LOG_FILE}"
        return [
            Finding("engine", None, f"none alive for {state}", "`wsdash run` takes the run up again", more)
        ]
    return [Finding("engine", True, f"pid {alive.pid} on {alive.host}")]
