"""What the supervisor and its clients say to each other: JSON shapes over its unix socket."""

from __future__ import annotations

from pathlib import Path

import msgspec

from wsdash.model import ContainerReading
from wsdash.runtime import socket_path
from wsdash.stack.local.log_files import StoredLine


class ContainerView(msgspec.Struct, frozen=True):
    """A service as GET /containers lists it. Never holds its environment."""

    reading: ContainerReading
    desired: str
    """running or stopped: what the supervisor brings back after a crash of its own."""
    pid: int | None
    depends_on: tuple[str, ...]
    health_output: str
    start_period: float
    grace_seconds: float
    log: str
    """Path of its log file."""


class ContainerDetail(msgspec.Struct, frozen=True):
    """GET /containers/{name}: the same with its last lines."""

    view: ContainerView
    lines: tuple[StoredLine, ...]


class SupervisorView(msgspec.Struct, frozen=True):
    """GET /supervisor: who serves, and for how long without a sign of its users."""

    pid: int
    services: str
    """Digest of the services file it runs."""
    lease_seconds: float | None
    lease_left: float | None


class Failure(msgspec.Struct, frozen=True):
    """The body of every answer that is no success."""

    what: str
    where: str = ""
    remedy: str = ""


def supervisor_socket(directory: Path) -> Path:
    """Where the supervisor of `directory` answers."""
    return socket_path(directory, "supervisor")
