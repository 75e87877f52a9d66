"""The ports of the embedded world: the guide's own, or all moved by one offset when some are taken."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from dataclasses import dataclass, fields
from pathlib import Path

from wsdash.errors import InputError
from wsdash.runtime import socket_path
from wsdash.watch.pollers.ports import read_holders

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
USUAL_EPHEMERAL = (32_768, 60_999)
OFFSETS = (0, *range(10_000, 22_001, 100), *range(22_100, 55_001, 100))
"""Tried in this order."""


def ephemeral_range() -> tuple[int, int]:
    """The ports that this machine hands out by itself, first and last; Linux's usual ones where unknown."""
    try:
        first, last = EPHEMERAL.read_text(encoding="ascii").split()
        return int(first), int(last)
    except (OSError, ValueError):
        return USUAL_EPHEMERAL


def offsets() -> list[int]:
    """OFFSETS that put no port where any connection may take it; all of them where each does."""
    first, last = ephemeral_range()
    safe = [
        offset
        for offset in OFFSETS
        if all(
            port < 65_536 and not first <= port <= last for port in Ports().moved(offset).by_name().values()
        )
    ]
    return safe or list(OFFSETS)


_claims: dict[int, tuple[Path, int]] = {}


@dataclass(frozen=True)
class Ports:
    """Every port that the embedded world listens on; the defaults are the guide's."""

    api_new: int = 3200
    api_old: int = 3201
    source: int = 5432
    target: int = 5433
    pageserver_pg: int = 6400
    pageserver_http: int = 9898
    safekeeper_pg: int = 5454
    safekeeper_http: int = 7676
    dashboard: int = 3103

    def moved(self, offset: int) -> Ports:
        """All of them, `offset` higher."""
        return Ports(**{name: port + offset for name, port in self.by_name().items()})

    def by_name(self) -> dict[str, int]:
        """Port by the name of its field."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def offset(self) -> int:
        """How far these ports are from the guide's."""
        return self.dashboard - 3103


def is_free(port: int) -> bool:
    """Nobody listens on that TCP port, on no address of this machine."""
    return _can_bind(socket.AF_INET, "0.0.0.0", port) and _can_bind(socket.AF_INET6, "::", port)  # noqa: S104


def holder(port: int) -> str:
    """Who listens on a port: 'postgres (pid 12: ...)', or what we may know of it; '' when free."""
    (reading,) = read_holders([port], {})
    return reading.holder or ("" if is_free(port) else "another process")


def choose_ports(directory: Path, offset: int | None = None) -> Ports:
    """Ports for the world in `directory`: all free, and claimed by this process until it ends.

    offset None: the guide's ports, else the first offset at which all are free, outside the range that the
    machine hands out by itself. A given offset is binding.
    The claim keeps two worlds that are built at the same time apart, though most ports are bound only later.
    Raises InputError naming port and holder when the given offset (or every one) has a taken port.
    """
    if offset is not None and not 0 <= 3103 + offset <= 9898 + offset < 65536:
        raise InputError(
            f"port offset {offset} leads outside the port range",
            where="--port-offset",
            remedy="use an offset from 0 to 55000",
        )
    tried = offsets() if offset is None else [offset]
    for candidate in tried:
        ports = Ports().moved(candidate)
        if not claim(candidate, directory):
            continue
        if all(is_free(port) for port in ports.by_name().values()):
            return ports
        release(candidate)
    raise _refusal(tried[0], directory)


def claim(offset: int, directory: Path) -> bool:
    """Reserve an offset for the world in `directory` until this process ends; False when another has it."""
    held = _claims.get(offset)
    if held is not None:
        return held[0] == directory.resolve()
    path = socket_path(directory, "x").parent / f"ports-{offset}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(directory.resolve()).encode())
    _claims[offset] = (directory.resolve(), descriptor)
    return True


def taken(ports: Ports) -> list[str]:
    """'PORT by HOLDER' of each of these ports that somebody listens on."""
    return [f"{port} by {holder(port)}" for port in sorted(ports.by_name().values()) if not is_free(port)]


def release(offset: int) -> None:
    """Give a claimed offset back; no error when it is not claimed here."""
    _, descriptor = _claims.pop(offset, (None, -1))
    if descriptor >= 0:
        os.close(descriptor)


def _can_bind(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
            probe.listen(1)
    except PermissionError:
        return False
    except OSError as error:
        # a machine without IPv6 has nobody listening there
        return family == socket.AF_INET6 and error.errno not in _TAKEN
    return True


_TAKEN = (errno.EADDRINUSE, errno.EACCES)
"""The errors of a bind that mean: not for you."""


def _refusal(offset: int, directory: Path) -> InputError:
    held = taken(Ports().moved(offset))
    if not held:
        path = socket_path(directory, "x").parent / f"ports-{offset}.lock"
        world = path.read_text(encoding="utf-8") if path.exists() else "another world"
        held = [f"the ports at offset {offset}, by the embedded world in {world}"]
    return InputError(
        "ports that the embedded world needs are taken: " + "; ".join(held),
        where="this machine",
        remedy="choose another --port-offset, leave it out to have one chosen, or stop the holder",
    )
