"""What in the making of the containers will hurt later: process 1, open ports, limits, logs, kernel, disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from urllib.parse import urlsplit

from wsdash.config import Settings
from wsdash.errors import WsdashError
from wsdash.model.ports import in_the_way
from wsdash.outside import read_json
from wsdash.outside.http import client_session
from wsdash.review.doctor.finding import Finding
from wsdash.review.doctor.memory import build_memory, compaction_memory
from wsdash.stack.base import Stack
from wsdash.stack.docker.facts import ContainerFacts, EngineFacts
from wsdash.stack.docker.stack import DockerStack
from wsdash.watch.pollers.http import timed_get
from wsdash.watch.pollers.metrics import AbsentError, wal_kept
from wsdash.watch.pollers.prometheus import parse_metrics

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
