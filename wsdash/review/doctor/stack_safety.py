"""What in the making of the containers will hurt later: process 1, open ports, limits, logs, kernel, disk.

And whether they have the memory for what they will do: Neon's compaction, the copy's index builds.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import aiohttp

from wsdash.config import Settings
from wsdash.data.copy.indexes import builders_on, memory_bytes, within_limit
from wsdash.errors import WsdashError
from wsdash.model.ports import in_the_way
from wsdash.outside import read_json
from wsdash.outside.http import client_session
from wsdash.review.doctor.finding import Finding
from wsdash.stack.base import Stack
from wsdash.stack.docker.parse import ContainerFacts, EngineFacts
from wsdash.stack.docker.stack import DockerStack
from wsdash.steps.base import endpoint
from wsdash.watch.pollers.http import timed_get
from wsdash.watch.pollers.metrics import AbsentError, wal_kept
from wsdash.watch.pollers.prometheus import parse_metrics

TENANTS = 10
"""Of so many tenants the configuration is asked."""
_MIB = 2**20


async def compaction_memory(
    settings: Settings, containers: Iterable[ContainerFacts], session: aiohttp.ClientSession
) -> list[Finding]:
    """What the pageserver says a compaction takes, against its container's limit.

    It takes compaction_threshold layers of checkpoint_distance bytes each into memory: by default 10 of
    256 MiB. Source: the tenant's effective configuration (GET /v1/tenant/ID/config).
    """
    server = next((one for one in containers if "pageserver" in one.name and one.running), None)
    if server is None or not server.memory:
        return []
    name, base = f"memory of {server.name}", settings.endpoints.pageserver_http.rstrip("/")
    needs = []
    tenants = await _json(session, f"{base}/v1/tenant")
    for tenant in tenants[:TENANTS] if isinstance(tenants, list) else ():
        with suppress(LookupError, TypeError, ValueError):
            answer = await _json(session, f"{base}/v1/tenant/{quote(str(tenant['id']))}/config")
            effective = answer["effective_config"]
            needs.append((int(effective["checkpoint_distance"]), int(effective["compaction_threshold"])))
    if not needs:
        return [Finding(name, None, f"{base} does not tell how its tenants are configured")]
    layer, layers = max(needs, key=lambda one: one[0] * one[1])
    seen = f"a compaction takes up to {layer * layers // _MIB} MiB ({layers} layers of {layer // _MIB} MiB), "
    seen += f"the container's limit is {server.memory // _MIB} MiB"
    if layer * layers < server.memory:
        return [Finding(name, True, seen)]
    fits = max(1, server.memory // (2 * layers))
    remedy = (
        f"[tenant_config] checkpoint_distance={fits} in pageserver.toml, or a larger mem_limit: it is killed"
    )
    remedy += " for memory in the middle of a compaction, again and again"
    more = f"curl -s {base}/v1/tenant/TENANT/config"
    return [Finding(name, False, seen, remedy, more)]


def build_memory(settings: Settings, containers: Iterable[ContainerFacts]) -> list[Finding]:
    """What the copy's index builds take at once, against the limit of the target's container."""
    target = next((one for one in containers if one.name == _target(settings)), None)
    if target is None or not target.memory:
        return []
    builders = builders_on(endpoint(settings.target), settings.copy.workers)
    wanted = settings.copy.maintenance_work_mem
    each = within_limit(wanted, target.memory, builders)
    taken = memory_bytes(each)
    if taken is None:
        return []
    name = f"index builds in {target.name}"
    seen = f"{builders} at once with {each} each"
    seen += f" (copy.maintenance_work_mem is {wanted})" if each != wanted else ""
    seen += f", the container's limit is {target.memory // _MIB} MiB"
    if builders * taken <= target.memory // 2:
        return [Finding(name, True, seen)]
    remedy = (
        "a larger mem_limit, or fewer copy.workers: half of the limit is the server's, and a backend that is"
    )
    remedy += " killed for memory ends every session"
    return [Finding(name, False, seen, remedy, f"docker stats --no-stream {target.name}")]


def _target(settings: Settings) -> str:
    containers = settings.stack.workspace.containers
    if settings.target.label in containers:
        return settings.target.label
    return next((name for name in containers if "compute" in name), "")


async def _json(session: aiohttp.ClientSession, url: str) -> Any:
    """The answer's document; None for any other answer."""
    answer = await timed_get(session, url)
    return read_json(answer.body) if answer.status == 200 else None


NEON_KERNEL = (5, 9)
"""Neon's WAL redo calls close_range; without it the compute never starts (its issue 11307)."""

MOST_WAL = 2 * 2**30
EVICTION_PERCENT = 80.0
_BEYOND_LOOPBACK = ("192.0.2.1",)  # represents any other address of this machine


async def safety(settings: Settings, stack: Stack) -> list[Finding]:
    """Findings about the engine's machine and its containers; nothing for a stack that is not Docker's.

    Raises UnreachableError when the engine does not answer.
    """
    if not isinstance(stack, DockerStack):
        return []
    containers, engine = await stack.facts()
    found = [kernel(engine), *processes(containers), *open_ports(settings, containers)]
    found += limits(settings, containers)
    found += [*await stale_locks(stack, settings, containers), *build_memory(settings, containers)]
    return [*found, *await storage(settings, containers)]


def kernel(engine: EngineFacts) -> Finding:
    """Whether Neon's storage can replay WAL there."""
    name, version = "kernel of the engine's machine", engine.kernel_version
    wanted = ".".join(map(str, NEON_KERNEL))
    if version == (0, 0):
        return Finding(name, None, f"the engine does not tell its kernel ({engine.kernel!r})")
    seen = f"{engine.kernel}, Docker {engine.engine}"
    if version >= NEON_KERNEL:
        return Finding(name, True, seen)
    remedy = f"Neon's pageserver needs Linux {wanted}: it stays healthy and no compute ever starts"
    return Finding(name, False, seen, remedy, "uname -r")


def processes(containers: Iterable[ContainerFacts]) -> list[Finding]:
    """PostgreSQL as process 1 with health checks run inside: a late check restarts the whole server."""
    found = []
    for one in containers:
        if one.postgres_first and one.exec_check:
            seen = "PostgreSQL is process 1 and its health check runs inside the container: the death of a"
            seen += " check that came too late is taken for a backend's, and every session is ended"
            remedy = "give its service `init: true` (docker run --init) and create it anew in a quiet hour"
            more = f"docker inspect --format '{{{{.HostConfig.Init}}}}' {one.name}"
            found.append(Finding(f"process 1 of {one.name}", False, seen, remedy, more))
    return found


class HoldsFiles(Protocol):
    """A stack that can look for a file in a container."""

    async def holds(self, name: str, path: str) -> bool:
        """Raises WsdashError."""
        ...


async def stale_locks(
    stack: HoldsFiles, settings: Settings, containers: Iterable[ContainerFacts]
) -> list[Finding]:
    """A socket's lock that a compute left when it ended: its next start takes it for another server's.

    compute_ctl ends right after it signalled PostgreSQL (Neon's issue 1486). Our compose file's compute.sh
    removes it at its start.
    """
    found = []
    for one in containers:
        known = one.name in settings.stack.workspace.containers and "compute" in one.name
        if not known or one.running or "compute.sh" in one.command:
            continue
        for port in one.inner_ports:
            lock = f"/tmp/.s.PGSQL.{port}.lock"  # noqa: S108 - looked for inside the container
            try:
                left = await stack.holds(one.name, lock)
            except WsdashError:
                continue
            if left:
                seen = f"it ended and left {lock}: its next start can take it for a running server's"
                remedy = "remove the container and create it anew (a compute keeps nothing), or let its start"
                remedy += " remove the file, as compose/neon/compute.sh does"
                found.append(
                    Finding(f"socket lock in {one.name}", False, seen, remedy, f"docker rm {one.name}")
                )
    return found


def open_ports(settings: Settings, containers: Iterable[ContainerFacts]) -> list[Finding]:
    """Ports that others on the network reach: the storage asks nobody for a password."""
    known = {*settings.stack.workspace.containers, settings.source.label}
    apis = {_port(settings.api.old), _port(settings.api.new)}
    found = []
    for one in containers:
        wide = sorted(
            port
            for address, port in one.published
            if port not in apis and in_the_way(address, _BEYOND_LOOPBACK)
        )
        if one.name in known and wide:
            ports = ", ".join(map(str, wide))
            seen = f"published on every address of the machine: {ports}"
            remedy = (
                "publish them on 127.0.0.1 (127.0.0.1:PORT:PORT in the compose file): Neon's storage asks"
            )
            remedy += " for no password, and Docker's rules come before the firewall's"
            found.append(Finding(f"open ports of {one.name}", False, seen, remedy, "ss -ltn"))
    return found


def limits(settings: Settings, containers: Iterable[ContainerFacts]) -> list[Finding]:
    """Core limit, logs and the engine's socket."""
    found = []
    compute = next((n for n in settings.stack.workspace.containers if "compute" in n), "")
    for one in containers:
        if one.name == compute and one.core_limit not in (None, -1):
            seen = (
                f"hard core limit {one.core_limit}: compute_ctl sets it to unlimited and ends when it may not"
            )
            found.append(Finding(f"core limit of {one.name}", False, seen, "ulimits: {core: -1}"))
        if one.name in settings.stack.workspace.containers and not one.logs_bounded:
            seen = "its log grows without end (driver json-file without max-size)"
            remedy = (
                "logging: {driver: json-file, options: {max-size: 20m, max-file: '5'}} in the compose file"
            )
            more = f"docker inspect --format '{{{{.LogPath}}}}' {one.name}"
            found.append(Finding(f"log of {one.name}", False, seen, remedy, more))
        if one.engine_socket:
            seen = "it has the engine's socket inside: read-only or not, that is root on this machine"
            remedy = "give it compose/docker-compose.watch.yml's read-only proxy instead"
            found.append(Finding(f"engine socket in {one.name}", False, seen, remedy))
    return found


async def storage(settings: Settings, containers: Iterable[ContainerFacts] = ()) -> list[Finding]:
    """The pageserver's disk and memory, and the WAL that the safekeeper must keep for it."""
    nodes = settings.endpoints
    if not nodes.pageserver_http or not nodes.safekeeper_http:
        return []
    async with client_session() as session:
        disk = await timed_get(session, f"{nodes.pageserver_http.rstrip('/')}/v1/utilization")
        page = await timed_get(session, f"{nodes.safekeeper_http.rstrip('/')}/metrics")
        memory = await compaction_memory(settings, containers, session)
    found = [*_disk(disk.body if disk.status == 200 else b""), *memory]
    return [*found, *_wal(page.body if page.status == 200 else b"")]


def _disk(body: bytes) -> list[Finding]:
    try:
        answer = read_json(body)
        used, free = int(answer["disk_usage_bytes"]), int(answer["free_space_bytes"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return []
    percent = 100 * used / max(1, used + free)
    seen = f"{percent:.0f} % used, {free / 2**30:.1f} GiB free"
    if percent < EVICTION_PERCENT:
        return [Finding("disk of the pageserver", True, seen)]
    remedy = (
        "make room: from 80 % on (90 % in our compose file) the pageserver drops layers from its disk and"
    )
    remedy += " reads them back one by one, and every query waits for that"
    return [Finding("disk of the pageserver", False, seen, remedy, "docker system df -v")]


def _wal(body: bytes) -> list[Finding]:
    try:
        kept = wal_kept(parse_metrics(body.decode("utf-8", "replace")))
    except (WsdashError, AbsentError):
        return []
    seen = f"{kept / 2**20:.0f} MiB of WAL are kept by the safekeeper until the pageserver has stored them"
    if kept <= MOST_WAL:
        return [Finding("WAL of the safekeeper", True, seen)]
    remedy = "it is freed when the pageserver stores it: see the pageserver's log, and that its control plane"
    remedy += (
        " answers /validate (compose/neon/control-stub.pl); a backup of WAL (--remote-storage) is never freed"
    )
    return [Finding("WAL of the safekeeper", False, seen, remedy, "docker system df -v")]


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
