"""What doctor says of how containers were made, and of the storage's disk and WAL."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import free_port
from tests.watch.support import answer, http_server, settings_of
from wsdash.config import CopySettings, EndpointSettings, shipped
from wsdash.outside.http import client_session
from wsdash.review.doctor.finding import Finding
from wsdash.review.doctor.stack_safety import (
    build_memory,
    compaction_memory,
    kernel,
    limits,
    open_ports,
    processes,
    stale_locks,
    storage,
)
from wsdash.stack.docker.parse import ContainerFacts, EngineFacts, facts_of

COMPUTE = "workspace-db-compute"


def inspected(**changes: Any) -> dict[str, Any]:
    """The official PostgreSQL image's container, as engine 20.10 answers, cut to what matters."""
    host = {
        "Init": None,
        "PortBindings": {"5432/tcp": [{"HostIp": "", "HostPort": "5432"}]},
        "LogConfig": {"Type": "json-file", "Config": {}},
        "Ulimits": None,
        "Memory": 0,
    }
    return {
        "Path": "docker-entrypoint.sh",
        "Args": ["postgres", "-c", "log_min_messages=info"],
        "State": {"Running": True},
        "Config": {"Image": "postgres:16", "Healthcheck": {"Test": ["CMD-SHELL", "pg_isready"]}},
        "HostConfig": host | changes,
        "Mounts": [],
    }


def facts(name: str = COMPUTE, **changes: Any) -> ContainerFacts:
    return facts_of(name, inspected(**changes))


def test_postgresql_as_process_1_with_checks_inside_is_a_fault() -> None:
    (found,) = processes([facts("data-timescale"), facts("reaped", Init=True)])
    assert (found.name, found.well) == ("process 1 of data-timescale", False)
    assert "init: true" in found.remedy
    shell = facts_of("shell", inspected() | {"Path": "/bin/sh", "Args": ["-c", "postgres"]})
    unchecked = facts_of("unchecked", inspected() | {"Config": {"Healthcheck": {"Test": ["NONE"]}}})
    assert processes([shell, unchecked]) == []


@pytest.mark.parametrize(
    ("address", "open_"),
    [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False)],  # noqa: S104
)
def test_ports_that_the_network_reaches_are_told(tmp_path: Path, address: str, open_: bool) -> None:
    bindings = {"55432/tcp": [{"HostIp": address, "HostPort": "5433"}]}
    found = open_ports(settings_of(tmp_path), [facts(PortBindings=bindings)])
    assert [one.name for one in found] == ([f"open ports of {COMPUTE}"] if open_ else [])


def test_the_apis_ports_are_meant_to_be_reached(tmp_path: Path) -> None:
    bindings = {"3200/tcp": [{"HostIp": "", "HostPort": "3200"}]}
    settings = settings_of(tmp_path)
    assert open_ports(settings, [facts("workspace-api", PortBindings=bindings)]) == []


def test_logs_core_limit_and_the_engines_socket(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    wrong = replace(facts(Ulimits=[{"Name": "core", "Soft": 0, "Hard": 0}]), engine_socket=True)
    names = {one.name for one in limits(settings, [wrong])}
    assert names == {f"core limit of {COMPUTE}", f"log of {COMPUTE}", f"engine socket in {COMPUTE}"}
    bounded = {"Type": "json-file", "Config": {"max-size": "20m"}}
    right = facts(LogConfig=bounded, Ulimits=[{"Name": "core", "Soft": -1, "Hard": -1}])
    assert limits(settings, [right]) == []


@pytest.mark.parametrize(
    ("told", "well"),
    [("5.8.18-generic", False), ("4.19.0", False), ("5.9.0", True), ("6.18.44-x", True), ("", None)],
)
def test_neons_storage_needs_a_kernel(told: str, well: bool | None) -> None:
    assert kernel(EngineFacts(told, "20.10.24")).well is well


TENANT = "7d1c5f0a94e24b6c8a3f6e2b90d4c851"
SERVER = "workspace-db-pageserver"


async def memory_of(tmp_path: Path, limit: int, effective: dict[str, int] | None) -> list[Finding]:
    """What is said of a pageserver's memory, whose tenant is configured so (None: it does not tell)."""
    tenants = answer(200, json.dumps([{"id": TENANT, "state": {"slug": "Active"}}]))
    config = answer(404, '{"msg":"page not found"}')
    if effective is not None:
        config = answer(200, json.dumps({"tenant_specific_overrides": {}, "effective_config": effective}))
    async with (
        http_server(free_port(), {"/v1/tenant": tenants, f"/v1/tenant/{TENANT}/config": config}) as url,
        client_session() as session,
    ):
        nodes = EndpointSettings("h:1", url, "h:2", url)
        settings = settings_of(tmp_path, endpoints=nodes)
        return await compaction_memory(settings, [facts(SERVER, Memory=limit)], session)


@pytest.mark.parametrize(
    ("limit", "distance", "well"),
    [(736, 256, False), (736, 32, True), (320, 32, False), (2561, 256, True)],
)
async def test_a_compaction_must_fit_into_the_pageservers_container(
    tmp_path: Path, limit: int, distance: int, well: bool
) -> None:
    effective = {"checkpoint_distance": distance * 2**20, "compaction_threshold": 10}
    (found,) = await memory_of(tmp_path, limit * 2**20, effective)
    assert (found.name, found.well) == (f"memory of {SERVER}", well)
    assert f"up to {10 * distance} MiB" in found.seen
    assert well or f"checkpoint_distance={limit * 2**20 // 20}" in found.remedy


async def test_without_a_limit_or_an_answer_nothing_is_claimed_of_a_compaction(tmp_path: Path) -> None:
    assert await memory_of(tmp_path, 0, {}) == []
    for told in (None, {"checkpoint_distance": 1}):
        (found,) = await memory_of(tmp_path, 2**30, told)
        assert found.well is None


def test_our_own_pageserver_is_configured_for_its_containers_limit() -> None:
    script = shipped("compose", "neon/pageserver.sh").read_text()
    distance = int(re.findall(r"^checkpoint_distance=(\d+)$", script, re.MULTILINE)[0])
    compose = shipped("compose", "docker-compose.workspace-stack.yml").read_text()
    limit = re.findall(r"pageserver.sh.*?mem_limit: (\d+)m", compose, re.DOTALL)[0]
    assert 10 * distance < int(limit) * 2**20


@pytest.mark.parametrize(
    ("limit", "asked", "well", "told"),
    [
        (672, "64MB", True, "64MB each,"),
        (672, "256MB", True, "(copy.maintenance_work_mem is 256MB)"),
        (40, "64MB", False, "16MB each (copy"),
    ],
)
def test_the_copys_index_builds_must_fit_into_the_computes_container(
    tmp_path: Path, limit: int, asked: str, well: bool, told: str
) -> None:
    settings = settings_of(tmp_path, copy=CopySettings(maintenance_work_mem=asked, workers=2))
    (found,) = build_memory(settings, [facts(Memory=limit * 2**20)])
    assert (found.name, found.well) == (f"index builds in {COMPUTE}", well)
    assert told in found.seen
    assert build_memory(settings, [facts(Memory=0)]) == []


class Files:
    """An engine whose containers hold these files."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    async def holds(self, name: str, path: str) -> bool:
        return f"{name}:{path}" in self.paths


async def test_a_lock_that_an_ended_compute_left_is_told(tmp_path: Path) -> None:
    settings, lock = settings_of(tmp_path), f"{COMPUTE}:/tmp/.s.PGSQL.55432.lock"
    bindings = {"55432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5433"}]}
    ended = replace(facts(PortBindings=bindings), running=False)

    async def told(one: ContainerFacts, *paths: str) -> list[str]:
        return [found.name for found in await stale_locks(Files(*paths), settings, [one])]

    assert await told(ended, lock) == [f"socket lock in {COMPUTE}"]
    assert await told(ended) == []
    assert await told(replace(ended, running=True), lock) == [], "it is the running server's own"
    assert await told(replace(ended, command="/bin/bash /neon/compute.sh"), lock) == [], "it is removed there"


async def storage_of(tmp_path: Path, used: int, commit: int, stored: int) -> dict[str, bool | None]:
    page = (
        "# TYPE safekeeper_commit_lsn gauge\n"
        f'safekeeper_commit_lsn{{tenant_id="a",timeline_id="b"}} {commit}\n'
        "# TYPE safekeeper_remote_consistent_lsn gauge\n"
        f'safekeeper_remote_consistent_lsn{{tenant_id="a",timeline_id="b"}} {stored}\n'
    )
    told = json.dumps({"disk_usage_bytes": used, "free_space_bytes": 100 - used})
    routes = {"/v1/utilization": answer(200, told), "/metrics": answer(200, page)}
    async with http_server(free_port(), routes) as url:
        nodes = EndpointSettings("h:1", url, "h:2", url)
        found = await storage(settings_of(tmp_path, endpoints=nodes))
    return {one.name: one.well for one in found}


async def test_a_disk_where_layers_are_dropped_and_wal_that_is_not_freed(tmp_path: Path) -> None:
    disk, wal = "disk of the pageserver", "WAL of the safekeeper"
    assert await storage_of(tmp_path, 50, 3 * 2**30, 3 * 2**30 - 5) == {disk: True, wal: True}
    assert await storage_of(tmp_path, 81, 3 * 2**30, 2**20) == {disk: False, wal: False}
    assert await storage_of(tmp_path, 50, 3 * 2**30, 0) == {disk: True}


async def test_storage_that_does_not_answer_is_left_to_the_other_findings(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert await storage(settings_of(tmp_path, endpoints=EndpointSettings("h:1", url, "h:2", url))) == []
