"""Who holds a port, on real sockets and real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.processes import is_gone, until
from tests.support.servers import free_port
from tests.watch.support import FakeClock, Recorder, running, settings_of
from wsdash.model import PortReading
from wsdash.model.ports import PortPlan, in_the_way
from wsdash.watch.board import Board
from wsdash.watch.pollers.ports import UNKNOWN, PortWatch, behind_proxy, port_holders, visible_command

INTERPRETER = Path(sys.executable).resolve()
LISTEN = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def listener(
    port: int, *more: str, program: str = sys.executable, program_text: str = LISTEN
) -> Iterator[int]:
    """A child process that listens on a port; its pid."""
    argv = [program, "-c", program_text, str(port), *more]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        yield child.pid
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


def one_of(connection: Any, pid: int | None) -> Any:
    """A socket as the list of all of them shows it, held by pid."""
    listed = namedtuple("listed", "status laddr pid")
    return listed(connection.status, connection.laddr, pid)


def ended_process() -> int:
    """The number of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


async def no_plan() -> PortPlan:
    return PortPlan()


@pytest.mark.parametrize(
    ("held", "wanted", "stands"),
    [
        ("127.0.0.2", ("127.0.0.1",), False),
        ("127.0.0.1", ("127.0.0.1",), True),
        ("0.0.0.0", ("127.0.0.1",), True),  # noqa: S104
        ("::", ("127.0.0.1",), True),
        ("127.0.0.2", ("0.0.0.0",), True),  # noqa: S104
        ("127.0.0.2", ("",), True),
        ("127.0.0.2", (), True),
        ("::ffff:127.0.0.1", ("127.0.0.1",), True),
        ("10.0.0.7", ("127.0.0.1", "10.0.0.7"), True),
    ],
)
def test_what_is_in_the_way_is_what_the_kernel_refuses(
    held: str, wanted: tuple[str, ...], stands: bool
) -> None:
    assert in_the_way(held, wanted) is stands


@pytest.mark.parametrize("hidden", [False, True])
async def test_who_listens_on_another_address_holds_nothing(
    hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hidden:

        def refuse(kind: str) -> list[Any]:
            raise psutil.AccessDenied

        monkeypatch.setattr(psutil, "net_connections", refuse)
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        (free,) = await port_holders([port], plan=PortPlan(addresses={port: ("127.0.0.1",)}))
        (taken,) = await port_holders([port], plan=PortPlan(addresses={port: ("127.0.0.2",)}))
        (anywhere,) = await port_holders([port])
    assert free.holder == ""
    assert taken.holder
    assert anywhere.holder


async def test_of_another_machine_only_what_it_tells_is_known() -> None:
    here = free_port()
    with listener(here):
        told = PortPlan(here=False, engine="ssh://far", listening=frozenset({5433}))
        readings = await port_holders([here, 5433, 6400], {6400: "other"}, told)
        silent = PortPlan(here=False, engine="tcp://far:2376")
        assert [one.port for one in await port_holders([here, 6400], {6400: "other"}, silent)] == [6400]
    assert [(one.port, one.holder) for one in readings] == [
        (here, ""),
        (5433, "a program of the machine at ssh://far"),
        (6400, "container other (at ssh://far)"),
    ]


async def test_a_port_nobody_listens_on_has_no_holder() -> None:
    port = free_port()
    assert await port_holders([port]) == [PortReading(port, "", ours=False)]


async def test_the_holder_is_named_with_pid_and_command() -> None:
    port = free_port()
    with listener(port) as pid:
        (reading,) = await port_holders([port])
        name = psutil.Process(pid).name()
    assert reading.holder.startswith(f"{name} (pid {pid}: {sys.executable} -c ")
    assert not reading.ours


INHERITING = """
import socket, subprocess, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
server.set_inheritable(True)
worker = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=[server.fileno()])
print("ready", flush=True)
worker.wait()
"""


async def test_a_worker_listens_for_its_parent_even_when_its_number_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    with listener(port, program_text=INHERITING) as parent:
        (worker,) = psutil.Process(parent).children()
        (seen,) = (c for c in worker.net_connections(kind="tcp") if c.laddr.port == port)
        monkeypatch.setattr(psutil, "net_connections", lambda kind: [one_of(seen, worker.pid)])
        (reading,) = await port_holders([port])
    assert f"(pid {parent}: " in reading.holder


async def test_a_child_seen_between_its_fork_and_its_end_is_not_taken_for_the_holder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, port = psutil.net_connections, free_port()
    gone = ended_process()
    listings: list[int] = []

    def with_a_gone_child_first(kind: str) -> list[Any]:
        listings.append(len(listings))
        found = [one_of(c, c.pid) for c in real(kind) if c.laddr and c.laddr.port == port]
        return [one_of(c, gone) for c in found] if len(listings) == 1 else found

    with socket.create_server(("127.0.0.1", port)):
        monkeypatch.setattr(psutil, "net_connections", with_a_gone_child_first)
        (reading,) = await port_holders([port])
    assert f"(pid {os.getpid()}: " in reading.holder
    assert len(listings) == 2


async def test_readings_come_in_the_order_asked() -> None:
    free, held = free_port(), free_port()
    with socket.create_server(("127.0.0.1", held)):
        readings = await port_holders([held, free])
    assert [(reading.port, bool(reading.holder)) for reading in readings] == [(held, True), (free, False)]
    assert f"pid {os.getpid()}" in readings[0].holder


async def test_a_listener_on_ipv6_only_holds_its_port_too() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        server = socket.create_server(("127.0.0.2", 0))
    with server:
        (reading,) = await port_holders([server.getsockname()[1]])
    assert f"pid {os.getpid()}" in reading.holder


async def test_behind_docker_proxy_stands_the_container(tmp_path: Path) -> None:
    proxy = tmp_path / "docker-proxy"
    proxy.symlink_to(INTERPRETER)
    port = free_port()
    flags = ("-host-port", str(port), "-container-ip", "172.18.0.3", "-container-port", "55432")
    with listener(port, *flags, program=str(proxy)) as pid:
        (known,) = await port_holders([port], {port: "workspace-db-compute"})
        (unknown,) = await port_holders([port])
    assert known.holder == f"container workspace-db-compute (docker-proxy, pid {pid})"
    assert known.ours
    assert unknown.holder == f"container at 172.18.0.3:55432 (docker-proxy, pid {pid})"
    assert not unknown.ours


async def test_a_process_one_may_not_see_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = namedtuple("connection", "status laddr pid")
    address = namedtuple("address", "ip port")
    hidden = [connection(psutil.CONN_LISTEN, address("0.0.0.0", 5433), None)]  # noqa: S104
    monkeypatch.setattr(psutil, "net_connections", lambda kind: hidden)
    assert await port_holders([5433]) == [PortReading(5433, UNKNOWN, ours=False)]


async def test_without_permission_to_list_sockets_a_listener_is_still_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = server.getsockname()[1]
        readings = await port_holders([held, free])
    assert [reading.holder for reading in readings] == [UNKNOWN, ""]


async def test_a_port_of_a_running_container_of_ours_is_ours(tmp_path: Path) -> None:
    seen, port = Recorder(), free_port()
    settings = settings_of(tmp_path, ports=(port,))
    board = Board(settings, FakeClock())
    board.put(running("workspace-api", ports=(port,)))
    with socket.create_server(("127.0.0.1", port)):
        await PortWatch(settings, board, seen.emit, no_plan)()
    (reading,) = seen.of(PortReading)
    assert reading.ours


@dataclass
class Watched:
    """A PortWatch of one port, and how often it asked who holds what."""

    port: int
    look: PortWatch
    seen: Recorder
    asked: list[str] = field(default_factory=list)

    async def holder(self) -> str:
        await self.look()
        return self.seen.of(PortReading)[-1].holder


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    seen, port = Recorder(), free_port()
    settings = settings_of(tmp_path, ports=(port,))
    found = Watched(port, PortWatch(settings, Board(settings, FakeClock()), seen.emit, no_plan), seen)
    real = psutil.net_connections

    def listed(kind: str) -> list[Any]:
        found.asked.append(kind)
        return real(kind)

    monkeypatch.setattr(psutil, "net_connections", listed)
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's list of sockets")
async def test_who_holds_a_port_is_asked_again_only_where_a_socket_changed(watched: Watched) -> None:
    with listener(watched.port) as pid:
        assert f"(pid {pid}: " in await watched.holder()
        assert f"(pid {pid}: " in await watched.holder()
    assert len(watched.asked) == 1
    assert await watched.holder() == ""
    with listener(watched.port) as pid:
        assert f"(pid {pid}: " in await watched.holder()


async def test_a_socket_that_outlives_its_holder_is_the_workers(watched: Watched) -> None:
    with listener(watched.port, program_text=INHERITING) as parent:
        (worker,) = psutil.Process(parent).children()
        assert f"(pid {parent}: " in await watched.holder()
        psutil.Process(parent).kill()
        await until(lambda: is_gone(parent))
        found = await watched.holder()
        worker.kill()
    assert f"(pid {worker.pid}: " in found


def test_a_command_is_shown_without_secrets_and_shortened() -> None:
    argv = ["server", "--password=hunter2", "--token", "abc", "postgresql://me:hunter2@db/x", "y" * 200]
    text = visible_command(argv)
    assert text.startswith("server --password=*** --token *** postgresql://me:***@db/x yyy")
    assert len(text) == 100
    assert text.endswith("…")


def test_docker_proxy_without_a_port_is_named_by_its_address() -> None:
    assert behind_proxy(["docker-proxy", "-container-ip", "172.18.0.3"]) == "at 172.18.0.3"
