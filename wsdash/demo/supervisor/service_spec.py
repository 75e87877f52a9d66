"""What the supervisor runs: the services file, typed and checked, and the order its services start in."""

from __future__ import annotations

import graphlib
import re
import signal
from pathlib import Path

import msgspec

from wsdash.demo.limits import STARTING_POLL_SECONDS
from wsdash.errors import InputError
from wsdash.outside import DocumentError, read_file, read_json

SERVICES_FILE = "services.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class HttpHealth(msgspec.Struct, frozen=True, tag_field="kind", tag="http"):
    """Healthy when a GET of `url` is answered with a status below 400. source: the address of this machine
    that is asked from; '' leaves it to the system."""

    url: str
    source: str = ""


class CommandHealth(msgspec.Struct, frozen=True, tag_field="kind", tag="command"):
    """Healthy when the command ends with exit code 0; its output is what people see."""

    argv: tuple[str, ...]


class TcpHealth(msgspec.Struct, frozen=True, tag_field="kind", tag="tcp"):
    """Healthy when the port accepts a connection."""

    port: int
    host: str = "127.0.0.1"


Health = HttpHealth | CommandHealth | TcpHealth


class ServiceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service: what a compose file says of a container. Times are seconds, sizes bytes.

    health_start_interval: between probes while it starts, where health_interval is not shorter.
    """

    name: str
    group: str
    image: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    cwd: str = ""
    ports: tuple[int, ...] = ()
    depends_on: tuple[str, ...] = ()
    health: Health | None = None
    health_interval: float = 0.5
    health_start_interval: float = STARTING_POLL_SECONDS
    health_timeout: float = 2.0
    start_period: float = 30.0
    stop_signal: str = "SIGTERM"
    grace_seconds: float = 10.0
    restart: bool = True
    memory_limit_bytes: int | None = None

    def __repr__(self) -> str:
        return f"ServiceSpec({self.name})"  # env may hold secrets

    @property
    def stop_number(self) -> int:
        """The stop signal's number."""
        return int(signal.Signals[self.stop_signal])


class Services(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole services file. lease_seconds: how long the supervisor lives without a sign of its users."""

    services: tuple[ServiceSpec, ...]
    lease_seconds: float | None = None


def read_services(directory: Path) -> Services:
    """Read DIR/services.json. Raises InputError naming file, key and remedy, never a value."""
    path = directory / SERVICES_FILE
    try:
        services = read_json(read_file(path), Services)
    except OSError as error:
        raise InputError(
            f"the services file cannot be read: {error.strerror}",
            where=str(path),
            remedy="name the directory that holds services.json",
        ) from error
    except DocumentError as error:
        raise InputError(str(error), where=str(path), remedy="correct the services file") from error
    _check(services, path)
    return services


def start_order(specs: tuple[ServiceSpec, ...]) -> list[str]:
    """Names with every service after the ones it depends on. Raises graphlib.CycleError."""
    graph = {spec.name: spec.depends_on for spec in specs}
    return list(graphlib.TopologicalSorter(graph).static_order())


def _check(services: Services, path: Path) -> None:
    def refuse(what: str) -> InputError:
        return InputError(what, where=str(path), remedy="correct the services file")

    names = [spec.name for spec in services.services]
    for spec in services.services:
        if not _NAME.fullmatch(spec.name):
            raise refuse(f"{spec.name!r} is no service name: use letters, digits, '_', '.' and '-'")
        if names.count(spec.name) > 1:
            raise refuse(f"the service {spec.name} is described twice")
        if not spec.argv:
            raise refuse(f"the service {spec.name} has an empty argv")
        if spec.stop_signal not in signal.Signals.__members__:
            raise refuse(f"the service {spec.name} has the unknown stop_signal {spec.stop_signal!r}")
        for needed in spec.depends_on:
            if needed not in names:
                raise refuse(f"the service {spec.name} depends on {needed}, which is not described")
    try:
        start_order(services.services)
    except graphlib.CycleError as error:
        raise refuse("services depend on each other in a circle: " + " -> ".join(error.args[1])) from error
