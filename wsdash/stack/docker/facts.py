"""How containers were made, as far as it decides whether they are safe: out of the engine's own JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_UNBOUNDED_LOGS = ("json-file",)


@dataclass(frozen=True)
class ContainerFacts:
    """One container.

    postgres_first: PostgreSQL is (or becomes) process 1, nothing reaps for it. exec_check: its health is
    checked by a program run inside it. published: (address, port) of this machine, address '' for every one.
    inner_ports: what its programs listen on inside. command: what process 1 was started as. memory: its limit
    in bytes, 0 without one. core_limit: the hard limit, None where the engine's own applies, -1 for no limit.
    logs_bounded: the engine throws old log lines away. engine_socket: it has the engine's socket inside.
    """

    name: str
    running: bool
    postgres_first: bool
    exec_check: bool
    published: tuple[tuple[str, int], ...]
    inner_ports: tuple[int, ...]
    command: str
    memory: int
    core_limit: int | None
    logs_bounded: bool
    engine_socket: bool


@dataclass(frozen=True)
class EngineFacts:
    """The machine that runs the containers: its kernel's version, as uname tells it, and its engine's."""

    kernel: str
    engine: str

    @property
    def kernel_version(self) -> tuple[int, int]:
        """(5, 9) of '5.9.0-1-amd64'; (0, 0) where it cannot be read."""
        major, _, rest = self.kernel.partition(".")
        minor = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        return (int(major), int(minor)) if major.isdecimal() and minor else (0, 0)


def facts_of(name: str, inspected: dict[str, Any]) -> ContainerFacts:
    """What GET /containers/NAME/json says."""
    host, config = inspected.get("HostConfig") or {}, inspected.get("Config") or {}
    command = [str(inspected.get("Path") or ""), *map(str, inspected.get("Args") or ())]
    logs = host.get("LogConfig") or {}
    check = [str(word) for word in (config.get("Healthcheck") or {}).get("Test") or ()]
    core = [int(limit.get("Hard") or 0) for limit in host.get("Ulimits") or () if limit.get("Name") == "core"]
    sources = [str(mount.get("Source") or "") for mount in inspected.get("Mounts") or ()]
    return ContainerFacts(
        name=name,
        running=bool((inspected.get("State") or {}).get("Running")),
        postgres_first=not host.get("Init") and _runs_postgres(command),
        exec_check=bool(check) and check[0] in ("CMD", "CMD-SHELL"),
        published=tuple(_published(host)),
        inner_ports=tuple(sorted(_inner_ports(host))),
        command=" ".join(command),
        memory=int(host.get("Memory") or 0),
        core_limit=core[0] if core else None,
        logs_bounded=logs.get("Type") not in _UNBOUNDED_LOGS or "max-size" in (logs.get("Config") or {}),
        engine_socket=any(source.endswith("/docker.sock") for source in sources),
    )


def _runs_postgres(command: list[str]) -> bool:
    first = command[0].rpartition("/")[2]
    if first == "docker-entrypoint.sh":  # the official images' own ends in exec: what follows is process 1
        return any(word.rpartition("/")[2] == "postgres" for word in command[1:])
    return first in ("postgres", "postmaster")


def _published(host: dict[str, Any]) -> list[tuple[str, int]]:
    return [
        (str(binding.get("HostIp") or ""), int(binding["HostPort"]))
        for bindings in (host.get("PortBindings") or {}).values()
        for binding in bindings or ()
        if str(binding.get("HostPort") or "").isdecimal()
    ]


def _inner_ports(host: dict[str, Any]) -> set[int]:
    inner = {str(port).partition("/")[0] for port in host.get("PortBindings") or {}}
    return {int(port) for port in inner if port.isdecimal()}
