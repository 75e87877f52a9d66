"""Who listens on a port: process, pid, command, or the container behind docker-proxy."""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import PurePath

import psutil

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.errors import WsdashError
from wsdash.model import PortReading
from wsdash.model.ports import PortPlan, in_the_way
from wsdash.watch.board import Board
from wsdash.watch.limits import PLAN_SECONDS
from wsdash.watch.pollers.poller import Blocking, Pace
from wsdash.watch.pollers.sockets import listening_sockets
from wsdash.watch.sources import Emit

PACE = Pace(interval=5.0, timeout=10.0, longest_pause=30.0)
UNKNOWN = "unknown process (needs root to see)"
LONGEST_COMMAND = 100
READS = 3  # a holder that has ended since the sockets were listed is looked for again

_SECRET = re.compile(
    r"(?i)(://[^\s:/@]*:)[^\s@]+(?=@)|((?:pass(?:word|wd|phrase)?|secret|token|key)\s*[=: ]\s*)\S+"
)


Addresses = Mapping[int, tuple[str, ...]]
"""Port -> the addresses of this machine that are meant; a port that is missing: any."""


async def port_holders(
    ports: Iterable[int], containers: Mapping[int, str] | None = None, plan: PortPlan | None = None
) -> list[PortReading]:
    """One reading a port, in the order given; holder is '' when nobody listens there.

    containers: port -> container of ours that publishes it (for `ours`, and for docker-proxy's name).
    plan: where the ports will be. Who listens on another address is in nobody's way, and no holder. Of an
    engine's machine elsewhere the readings are what its containers and that machine tell; a port of which
    nothing is known is left out. Without permission to see the process the holder is 'unknown process
    (needs root to see)'.
    """
    wanted, known, plan = list(ports), containers or {}, plan or PortPlan()
    if not plan.here:
        return [found for port in wanted if (found := _elsewhere(port, known, plan)) is not None]
    return await Blocking("ports", lambda: read_holders(wanted, known, plan.addresses))()


def _elsewhere(port: int, containers: Mapping[int, str], plan: PortPlan) -> PortReading | None:
    if port in containers:
        return PortReading(port, f"container {containers[port]} (at {plan.engine})", ours=True)
    if plan.listening is None:
        return None
    holder = f"a program of the machine at {plan.engine}" if port in plan.listening else ""
    return PortReading(port, holder, ours=False)


def read_holders(
    ports: Sequence[int], containers: Mapping[int, str], addresses: Addresses | None = None
) -> list[PortReading]:
    """As port_holders on this machine. Blocking: walks /proc."""
    return _described(ports, _listeners(set(ports), addresses or {}), containers)


def _described(
    ports: Sequence[int], holders: Mapping[int, int | None], containers: Mapping[int, str]
) -> list[PortReading]:
    readings = []
    for port in ports:
        holder = ""
        if port in holders:
            holder = _describe(holders[port], containers.get(port, ""))
        readings.append(PortReading(port, holder, ours=bool(holder) and port in containers))
    return readings


def _listeners(ports: set[int], addresses: Addresses) -> dict[int, int | None]:
    """Port -> pid of who listens there (None when not to be seen)."""
    found: dict[int, int | None] = {}
    for _ in range(READS):
        try:
            connections = psutil.net_connections(kind="tcp")
        except psutil.Error:
            return {port: None for port in ports if not _can_be_opened(port, addresses.get(port, ()))}
        found = {}
        for connection in connections:
            if connection.status == psutil.CONN_LISTEN and connection.laddr:
                port = connection.laddr.port
                meant = port in ports and in_the_way(connection.laddr.ip, addresses.get(port, ()))
                if meant and found.get(port) is None:
                    found[port] = connection.pid
        if all(pid is None or psutil.pid_exists(pid) for pid in found.values()):
            break
    return {port: None if pid is None else _owner(pid, port) for port, pid in found.items()}


def _owner(pid: int, port: int) -> int:
    """Who opened the socket that `pid` listens on: a worker has it from its parent.

    A server's child may be seen for the moment between its fork and its letting go of the socket, so its
    number says nothing, neither that it lives on nor (numbers wrap) which of the two is older.
    """
    try:
        parent = psutil.Process(pid).parent()
        while parent is not None and _listens(parent, port):
            pid, parent = parent.pid, parent.parent()
    except psutil.Error:
        pass  # gone, or not ours to see: the last one that was seen
    return pid


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _listens(process: psutil.Process, port: int) -> bool:
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        for connection in process.net_connections(kind="tcp")
    )


def _can_be_opened(port: int, addresses: Iterable[str]) -> bool:
    """By trying, on any address when none is named: whoever listens notices nothing, and logs nothing."""
    for address in addresses or ("",):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                probe.listen(1)
            except OSError:
                return False
    return True


def _describe(pid: int | None, container: str) -> str:
    if pid is None:
        return f"container {container}" if container else UNKNOWN
    try:
        process = psutil.Process(pid)
        name = process.name()
    except psutil.Error:
        return f"pid {pid}"
    try:
        argv = process.cmdline()
    except psutil.Error:
        argv = []
    if name == "dockerd" and container:  # userland-proxy=false: the engine itself holds what is published
        return f"container {container} (dockerd, pid {pid})"
    if name == "docker-proxy" or (argv and PurePath(argv[0]).name == "docker-proxy"):
        return f"container {container or behind_proxy(argv)} (docker-proxy, pid {pid})"
    command = visible_command(argv)
    return f"{name} (pid {pid}: {command})" if command else f"{name} (pid {pid})"


def behind_proxy(argv: Sequence[str]) -> str:
    """The container's address that docker-proxy's arguments name: 'at 172.18.0.3:5432'."""
    flags = {flag.lstrip("-"): value for flag, value in pairwise(argv)}
    address = flags.get("container-ip", "unknown address")
    return f"at {address}:{flags['container-port']}" if "container-port" in flags else f"at {address}"


def visible_command(argv: Sequence[str]) -> str:
    """A command line for people: one line, without secrets, at most 100 characters."""
    text = " ".join(" ".join(argv).split())
    text = _SECRET.sub(lambda match: f"{match[1] or match[2]}***", text)
    return text if len(text) <= LONGEST_COMMAND else text[: LONGEST_COMMAND - 1] + "…"


class PortWatch:
    """The probe of the source `ports`: one PortReading for every port the new stack needs."""

    def __init__(
        self,
        settings: Settings,
        board: Board,
        emit: Emit,
        plan: Callable[[], Awaitable[PortPlan]],
        clock: Clock | None = None,
    ) -> None:
        """plan: asks the stack where its ports will be; asked again after PLAN_SECONDS."""
        self._settings = settings
        self._board = board
        self._emit = emit
        self._ask = plan
        self._clock = clock or SystemClock()
        self._plan = PortPlan()
        self._asked = float("-inf")
        self._basis: object = None
        self._readings: list[PortReading] = []
        self._holders: list[psutil.Process] = []
        self._read = Blocking("ports", self._read_here)

    async def __call__(self) -> None:
        """Read all ports once."""
        if self._clock.monotonic() - self._asked > PLAN_SECONDS:
            self._asked = self._clock.monotonic()
            with suppress(WsdashError):  # the source `containers` says that the engine is gone
                self._plan = await self._ask()
        if self._plan.here:
            readings = await self._read()
        else:
            readings = await port_holders(self._settings.ports, self._board.ports(), self._plan)
        for reading in readings:
            self._emit(reading)

    def _read_here(self) -> list[PortReading]:
        """As read_holders; who holds a socket is looked up anew only where something of it changed."""
        ports, containers, addresses = self._settings.ports, self._board.ports(), self._plan.addresses
        sockets = listening_sockets(ports)
        basis = (sockets, containers, addresses)
        if sockets is None or basis != self._basis or not all(map(_lives, self._holders)):
            holders = _listeners(set(ports), addresses)
            self._readings = _described(ports, holders, containers)
            self._basis = None  # until it is known that all of them live
            with suppress(psutil.Error):
                self._holders = [psutil.Process(pid) for pid in holders.values() if pid is not None]
                self._basis = basis
        return self._readings
