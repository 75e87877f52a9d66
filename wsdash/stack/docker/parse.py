"""The Docker engine's JSON in our words: states, stats, and how containers were made. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wsdash.model import ContainerReading
from wsdash.stack.text import clean

_STATES = {"dead": "exited", "removing": "exited"}
LONGEST = 500
"""Characters of any text of a container that are kept."""
_LOOKED_AT = 16_384
"""Characters at the end of a health check's output that are looked at for its last line (Docker: 4096)."""


def nanoseconds(text: str) -> int | None:
    """An RFC 3339 time as nanoseconds since the epoch; None for Docker's zero time and for anything else."""
    head, dot, tail = text.partition(".")
    digits = ""
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        head += tail[len(digits) :]
    try:
        whole = datetime.fromisoformat(head)
    except ValueError:
        return None
    if whole.year < 1970 or whole.tzinfo is None:
        return None
    return int(whole.timestamp()) * 10**9 + int(digits[:9].ljust(9, "0") or "0")


def seconds(text: str) -> float | None:
    """The same as seconds since the epoch."""
    found = nanoseconds(text)
    return None if found is None else found / 1e9


@dataclass(frozen=True)
class CpuSample:
    """Counters of one moment: the container's, the machine's (both nanoseconds), and its CPUs."""

    used: int
    system: int
    cpus: int

    @staticmethod
    def of(stats: dict[str, Any]) -> CpuSample | None:
        """Out of cpu_stats or precpu_stats; None when the engine left them empty."""
        used = (stats.get("cpu_usage") or {}).get("total_usage", 0)
        system = stats.get("system_cpu_usage", 0)
        cpus = stats.get("online_cpus") or len((stats.get("cpu_usage") or {}).get("percpu_usage") or ()) or 1
        return CpuSample(used, system, cpus) if system else None


def cpu_percent(before: CpuSample | None, now: CpuSample | None) -> float | None:
    """CPU between two samples, 100 being one core; None when there is no earlier one."""
    if before is None or now is None or now.system <= before.system:
        return None
    return max(0.0, (now.used - before.used) / (now.system - before.system) * now.cpus * 100)


def memory_used(stats: dict[str, Any]) -> int | None:
    """Memory without the page cache that can be dropped, as `docker stats` counts it (cgroup v1 and v2)."""
    memory = stats.get("memory_stats") or {}
    usage = memory.get("usage")
    if usage is None:
        return None
    parts = memory.get("stats") or {}
    cache = parts.get("total_inactive_file", parts.get("inactive_file", 0))
    return int(usage - cache) if cache < usage else int(usage)


def network_bytes(stats: dict[str, Any]) -> tuple[int | None, int | None]:
    """(received, sent) of all its networks, as `docker stats` sums them; None without any."""
    networks = stats.get("networks")
    if not networks:
        return None, None
    return (
        sum(int(one.get("rx_bytes") or 0) for one in networks.values()),
        sum(int(one.get("tx_bytes") or 0) for one in networks.values()),
    )


def host_ports(inspected: dict[str, Any]) -> tuple[int, ...]:
    """TCP ports of this machine that the container publishes, or would publish when it ran."""
    running = (inspected.get("NetworkSettings") or {}).get("Ports") or {}
    configured = (inspected.get("HostConfig") or {}).get("PortBindings") or {}
    found = {
        int(binding["HostPort"])
        for ports in (running, configured)
        for name, bindings in ports.items()
        if not name.endswith(("/udp", "/sctp"))
        for binding in bindings or ()
        if str(binding.get("HostPort", "")).isdecimal()
    }
    return tuple(sorted(found - {0}))


def health_output(state: dict[str, Any]) -> str:
    """The last health check's last line."""
    log = (state.get("Health") or {}).get("Log") or []
    output = str(log[-1].get("Output") or "")[-_LOOKED_AT:] if log else ""
    return next((line for raw in reversed(output.splitlines()) if (line := _line(raw).strip())), "")


def _line(text: object) -> str:
    """A text of the engine's JSON as one harmless line of bounded length; '' for none."""
    return clean(str(text or "")[: 4 * LONGEST].encode(errors="replace"))[:LONGEST]


def parse_container(
    name: str, group: str, inspected: dict[str, Any], stats: dict[str, Any]
) -> ContainerReading:
    """A reading out of an inspected container and its stats ({} when it does not run, or none are known)."""
    state = inspected.get("State") or {}
    status = _line(state.get("Status")) or "unknown"
    running = bool(state.get("Running")) and status == "running"
    health = _line((state.get("Health") or {}).get("Status")) or "none"
    limit = (inspected.get("HostConfig") or {}).get("Memory") or None
    ended = status in ("exited", "dead", "restarting")
    problem = _line(state.get("Error"))
    received, sent = network_bytes(stats) if running else (None, None)
    return ContainerReading(
        name=name,
        state=_STATES.get(status, status),
        health=health if running or health == "none" else "unknown",
        group=group,
        image=_line((inspected.get("Config") or {}).get("Image")),
        ports=host_ports(inspected),
        cpu_percent=cpu_percent(
            CpuSample.of(stats.get("precpu_stats") or {}), CpuSample.of(stats.get("cpu_stats") or {})
        ),
        memory_bytes=memory_used(stats),
        memory_limit_bytes=limit,
        restarts=int(inspected.get("RestartCount") or 0),
        exit_code=int(state.get("ExitCode") or 0) if ended else None,
        oom_killed=bool(state.get("OOMKilled")),
        started_at=seconds(str(state.get("StartedAt") or "")),
        detail=problem or health_output(state),
        instance=str(inspected.get("Id") or "")[:12],
        received_bytes=received,
        sent_bytes=sent,
    )


def healthy_within(inspected: dict[str, Any]) -> float:
    """Seconds after which a container that is still not healthy will not be: its checks' own settings."""
    check = (inspected.get("Config") or {}).get("Healthcheck") or {}

    def of(key: str, default: float) -> float:
        return (check.get(key) or 0) / 1e9 or default

    retries = check.get("Retries") or 3
    return of("StartPeriod", 0.0) + (retries + 1) * (of("Interval", 30.0) + of("Timeout", 30.0))


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
