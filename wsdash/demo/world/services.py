"""The embedded world's processes, as the supervisor's services file describes them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsdash.demo.limits import HEALTH_SECONDS, STARTING_POLL_SECONDS
from wsdash.demo.standins.shared import TENANT_ID, TIMELINE_ID
from wsdash.demo.traffic import traffic_for
from wsdash.demo.world import postgres
from wsdash.demo.world.ports import Ports
from wsdash.demo.world.postgres import SOURCE_DATABASE, SOURCE_USER, TARGET_DATABASE, TARGET_USER

OLD_WORLD = ("data-timescale", "apps-workspace")
NEW_STACK = (
    "workspace-db-pageserver",
    "workspace-db-safekeeper",
    "workspace-db-compute",
    "workspace-api",
)
RELAY = "workspace-api-relay"
"""Of the new stack, where it moves online: takes the old API's port once that is stopped."""
DASHBOARD, TRAFFIC = "dashboard", "traffic"
LEASE_SECONDS, KEPT_LEASE_SECONDS = 600, 86_400
HOST = "127.0.0.1"


UNLIMITED = "1000000"
"""Requests a minute that the simple API takes."""
OWN_ADDRESSES = sys.platform == "linux"
"""All of 127.0.0.0/8 is this machine: whoever is an address of its own in the field can be one here."""
PROBES_FROM = "127.0.0.2" if OWN_ADDRESSES else ""
"""In the field the health check comes from inside the container, and its own limit is all that it meets."""
API_HEALTH_SECONDS = 0.6 if OWN_ADDRESSES else 5.0
"""Health checks count against the API's limit, 120 a minute."""


@dataclass(frozen=True)
class DemoWorld:
    """Where the embedded world lives and what it listens on."""

    directory: Path
    ports: Ports
    seed: int
    writes_per_second: float
    keep: bool = False
    """It goes on for a day without users, not for ten minutes."""
    api: str = "real-shape"
    """real-shape: with the real API's rules and limit of requests; whole-list: also with its list, which is
    all items in one answer; simple: without any of them."""
    online: bool = False
    """It is to move while it serves: clients know both APIs, and a relay is ready for the old port."""

    @property
    def traffic(self) -> Path:
        """Where the traffic leaves its tally and its ledger."""
        return self.directory / "traffic"

    @property
    def source_password(self) -> Path:
        """File with the password of the source's user."""
        return self.directory / "secrets" / "source"

    @property
    def target_password(self) -> Path:
        """File with the password of the target's user."""
        return self.directory / "secrets" / "target"

    @property
    def admin_password(self) -> Path:
        """File with the password of the target's superuser."""
        return self.directory / "secrets" / "target-admin"


def services_file(world: DemoWorld) -> dict[str, Any]:
    """The content of services.json: the old world, the new stack, and what people look at."""
    services = [
        _server(world, "data-timescale", 16, "apps", "source", world.ports.source),
        _api(world, "old"),
        _storage(world, "pageserver", world.ports.pageserver_pg, world.ports.pageserver_http, []),
        _storage(world, "safekeeper", world.ports.safekeeper_pg, world.ports.safekeeper_http, [NEW_STACK[0]]),
        _server(
            world, "workspace-db-compute", 18, "workspace", "target", world.ports.target, list(NEW_STACK[:2])
        ),
        _api(world, "new"),
        _dashboard(world),
    ]
    if world.online:
        services.append(_relay(world))
    if world.writes_per_second > 0:
        services.append(_traffic(world))
    return {"services": services, "lease_seconds": KEPT_LEASE_SECONDS if world.keep else LEASE_SECONDS}


def _service(name: str, group: str, image: str, argv: list[str], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "group": group,
        "image": image,
        "argv": argv,
        "env": {},
        "cwd": "/",
        "ports": [],
        "depends_on": [],
        "health": None,
        "health_interval": HEALTH_SECONDS,
        "health_timeout": 2.0,
        "start_period": 30.0,
        "stop_signal": "SIGTERM",
        "grace_seconds": 10.0,
        "restart": True,
        "memory_limit_bytes": None,
    } | more


def _server(
    world: DemoWorld,
    name: str,
    version: int,
    group: str,
    data: str,
    port: int,
    depends_on: list[str] | None = None,
) -> dict[str, Any]:
    ready = [str(postgres.programs(version) / "pg_isready"), "-h", HOST, "-p", str(port)]
    neon = [f"-cneon.tenant_id={TENANT_ID}", f"-cneon.timeline_id={TIMELINE_ID}"] if data == "target" else []
    return _service(
        name,
        group,
        f"postgres:{version}",
        [*postgres.server_argv(version, world.directory / data), "-p", str(port), *neon],
        env=_environment(),
        ports=[port],
        depends_on=depends_on or [],
        health={"kind": "command", "argv": ready},
        # fast shutdown: a smart one waits for every client
        stop_signal="SIGINT",
    )


def _api(world: DemoWorld, generation: str) -> dict[str, Any]:
    old = generation == "old"
    prefix = "TIMESCALEDB" if old else "NEON"
    port = world.ports.api_old if old else world.ports.api_new
    address = {
        "LIBRARY_DB_STRATEGY": prefix.lower(),
        f"{prefix}_HOST": HOST,
        f"{prefix}_PORT": str(world.ports.source if old else world.ports.target),
        f"{prefix}_DATABASE": SOURCE_DATABASE if old else TARGET_DATABASE,
        f"{prefix}_USER": SOURCE_USER if old else TARGET_USER,
        f"{prefix}_PASSWORD_FILE": str(world.source_password if old else world.target_password),
    }
    simple = world.api == "simple"
    limit = {"RATE_LIMIT_MAX": UNLIMITED} if simple else {}
    shape = {"simple": ["--shape", "simple"], "whole-list": ["--whole-list"]}.get(world.api, [])
    return _service(
        "apps-workspace" if old else "workspace-api",
        "apps" if old else "workspace",
        f"workspace-api:{generation}",
        _python("api.server", "--generation", generation, "--port", str(port), *shape),
        env=_environment() | address | limit,
        ports=[port],
        depends_on=["data-timescale" if old else "workspace-db-compute"],
        health=_http(port, "/health") | ({} if simple else {"source": PROBES_FROM}),
        health_interval=HEALTH_SECONDS if simple else API_HEALTH_SECONDS,
        health_start_interval=STARTING_POLL_SECONDS if simple else API_HEALTH_SECONDS,
    )


def _storage(
    world: DemoWorld, node: str, pg_port: int, http_port: int, depends_on: list[str]
) -> dict[str, Any]:
    data = world.directory / node
    argv = _python("standins.storage", node, "--pg-port", str(pg_port), "--http-port", str(http_port))
    if node == "pageserver":
        argv += [
            "--compute-port",
            str(world.ports.target),
            "--admin-password-file",
            str(world.admin_password),
        ]
    return _service(
        f"workspace-db-{node}",
        "workspace",
        f"{node}:stand-in",
        [*argv, "--data", str(data)],
        env=_environment(),
        ports=[pg_port, http_port],
        depends_on=depends_on,
        health=_http(http_port, "/v1/status"),
    )


def _dashboard(world: DemoWorld) -> dict[str, Any]:
    port = world.ports.dashboard
    api = f"http://{HOST}:{world.ports.api_new}"
    return _service(
        DASHBOARD,
        "extra",
        "dashboard:page",
        _python("dashboard", "--port", str(port), "--api", api),
        env=_environment(),
        ports=[port],
        health=_http(port, "/health"),
    )


def _relay(world: DemoWorld) -> dict[str, Any]:
    port = world.ports.api_old
    to = f"http://{HOST}:{world.ports.api_new}"
    return _service(
        RELAY,
        "workspace",
        "relay",
        [sys.executable, "-m", "wsdash.api.relay", "--listen", f"{HOST}:{port}", "--to", to],
        env=_environment(),
        ports=[port],
        # while the old API holds the port, that one is asked, and does not know the page
        health=_http(port, "/relay/health"),
    )


def _traffic(world: DemoWorld) -> dict[str, Any]:
    ports = (world.ports.api_old, world.ports.api_new) if world.online else (world.ports.api_old,)
    return _service(
        TRAFFIC,
        "extra",
        "traffic",
        traffic_for(
            [f"http://{HOST}:{port}" for port in ports],
            world.writes_per_second,
            world.seed,
            world.traffic,
            own_addresses=world.api != "simple" and OWN_ADDRESSES,
        ),
        env=_environment(),
        depends_on=["apps-workspace"],
        # it ends by itself when no API answers for good
        restart=False,
    )


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"wsdash.demo.{module}", *arguments]


def _http(port: int, path: str) -> dict[str, str]:
    return {"kind": "http", "url": f"http://{HOST}:{port}{path}"}


def _environment() -> dict[str, str]:
    """What a service needs of ours: never our secrets."""
    kept = ("PATH", "HOME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
