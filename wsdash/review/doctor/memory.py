"""Whether containers have the memory for what they will do: Neon's compaction, the copy's index builds."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp

from wsdash.config import Settings
from wsdash.data.copy.indexes import builders_on, memory_bytes, within_limit
from wsdash.outside import read_json
from wsdash.review.doctor.finding import Finding
from wsdash.stack.docker.facts import ContainerFacts
from wsdash.steps.base import endpoint
from wsdash.watch.pollers.http import timed_get

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
