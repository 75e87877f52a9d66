"""The local stack: order, health, ports, words of failure, and what a monitor may send."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stack.world import FOREVER, quiet, service, world_of
from tests.support.processes import until
from tests.support.servers import free_port
from wsdash.demo.supervisor.main import shut_down
from wsdash.errors import RefusedError, UnreachableError, WsdashError
from wsdash.stack.local.client import supervisor_socket
from wsdash.stack.local.stack import LocalStack

LISTENS = """
import socket, sys, time
time.sleep({delay})
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', {port})); s.listen()
print('listening', flush=True)
while True: s.accept()
"""


def listener(name: str, port: int, delay: float = 0.0, **more: Any) -> dict[str, Any]:
    """A service whose health is its port."""
    health = {"kind": "tcp", "port": port}
    return service(name, LISTENS.format(port=port, delay=delay), health=health, ports=[port], **more)


async def test_a_dependent_starts_after_the_health_of_what_it_needs(tmp_path: Path) -> None:
    port = free_port()
    needs = f"import socket; socket.create_connection(('127.0.0.1', {port})); print('connected')\n" + FOREVER
    top = service("top", needs, depends_on=["base"], restart=False)
    async with world_of(tmp_path, listener("base", port, 0.4), top) as world:
        said: list[str] = []
        await world.stack.start(["top", "base"], said.append)
        await until(lambda: _has_line(world, "top", "connected"))
        assert said[:2] == ["starting base", said[1]]
        assert said.index("starting top") > said.index("starting base")
        assert (await world.reading("base")).health == "healthy"


async def test_what_is_needed_is_started_unasked(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("base"), service("top", depends_on=["base"])) as world:
        await world.stack.start(["top"], quiet)
        assert (await world.reading("base")).state == "running"


async def test_independent_services_start_side_by_side(tmp_path: Path) -> None:
    together = (
        "import pathlib, time\n"
        "here = pathlib.Path({place!r})\n"
        "(here / {name!r}).touch()\n"
        "while not all((here / other).exists() for other in 'abc'): time.sleep(0.01)\n"
    )
    services = []
    for name in ("a", "b", "c"):
        port = free_port()
        script = together.format(place=str(tmp_path), name=name) + LISTENS.format(port=port, delay=0)
        services.append(service(name, script, health={"kind": "tcp", "port": port}, ports=[port]))
    async with world_of(tmp_path, *services) as world:
        # none is healthy before all three run
        await world.stack.start(["a", "b", "c"], quiet)
        for name in ("a", "b", "c"):
            assert (await world.reading(name)).health == "healthy"


async def test_dependents_are_stopped_first(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("base"), service("top", depends_on=["base"])) as world:
        await world.stack.start(["top"], quiet)
        said: list[str] = []
        await world.stack.stop(["base", "top"], said.append)
        assert said == ["stopped top", "stopped base"]


async def test_starting_what_runs_and_stopping_what_is_stopped_is_no_error(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.stop(["a"], quiet)
        await world.stack.start(["a"], quiet)
        pid = await world.pid("a")
        await world.stack.start(["a"], quiet)
        assert await world.pid("a") == pid
        await world.stack.stop(["a"], quiet)
        await world.stack.stop(["a"], quiet)


async def test_a_restart_is_another_process_and_leaves_its_dependents_alone(tmp_path: Path) -> None:
    port = free_port()
    async with world_of(tmp_path, listener("base", port), service("top", depends_on=["base"])) as world:
        await world.stack.start(["top"], quiet)
        before = {name: await world.pid(name) for name in ("base", "top")}
        await world.stack.restart("base", quiet)
        assert (await world.reading("base")).health == "healthy"
        assert await world.pid("base") != before["base"]
        assert await world.pid("top") == before["top"]


async def test_a_restart_of_what_is_stopped_starts_it(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.restart("a", quiet)
        assert (await world.reading("a")).state == "running"
        with pytest.raises(WsdashError, match="there is no service ghost"):
            await world.stack.restart("ghost", quiet)


async def test_a_service_that_ends_while_starting_is_told_with_its_last_words(tmp_path: Path) -> None:
    fails = "import sys\nprint('cannot open /etc/nothing', file=sys.stderr)\nsys.exit(3)"
    broken = service("a", fails, health={"kind": "tcp", "port": free_port()})
    async with world_of(tmp_path, broken) as world:
        said: list[str] = []
        with pytest.raises(WsdashError) as caught:
            await world.stack.start(["a"], said.append)
        assert "a ended while it was starting" in caught.value.what
        assert "exit code 3" in caught.value.what
        assert "cannot open /etc/nothing" in caught.value.what
        assert str(tmp_path / "logs" / "a.jsonl") in caught.value.remedy
        assert "a: cannot open /etc/nothing" in said


async def test_a_service_that_does_not_become_healthy_is_told_with_its_check(tmp_path: Path) -> None:
    check = [sys.executable, "-c", "print('the pool is empty'); raise SystemExit(1)"]
    sick = service("a", health={"kind": "command", "argv": check}, start_period=0.5)
    async with world_of(tmp_path, sick, service("b", depends_on=["a"])) as world:
        with pytest.raises(WsdashError, match=r"not healthy 0\.5 s after its start; the pool is empty"):
            await world.stack.start(["b"], quiet)
        assert (await world.reading("b")).state == "created"


async def test_a_healthy_service_that_stops_answering_becomes_unhealthy(tmp_path: Path) -> None:
    flag = tmp_path / "fine"
    flag.touch()
    check = [sys.executable, "-c", f"import os; raise SystemExit(not os.path.exists({str(flag)!r}))"]
    async with world_of(tmp_path, service("a", health={"kind": "command", "argv": check})) as world:
        await world.stack.start(["a"], quiet)
        flag.unlink()
        await until(lambda: _health_is(world, "unhealthy"))
        flag.touch()
        await until(lambda: _health_is(world, "healthy"))


async def test_a_health_check_that_hangs_fails_in_time(tmp_path: Path) -> None:
    check = [sys.executable, "-c", "import time; time.sleep(60)"]
    slow = service("a", health={"kind": "command", "argv": check}, health_timeout=0.3, start_period=1.0)
    async with world_of(tmp_path, slow) as world:
        with pytest.raises(WsdashError, match=r"no answer within 0\.3 s"):
            await world.stack.start(["a"], quiet)


async def test_an_http_check_wants_a_good_status(tmp_path: Path) -> None:
    port = free_port()
    handler = "http.server.SimpleHTTPRequestHandler"
    serves = f"import http.server; http.server.HTTPServer(('127.0.0.1', {port}), {handler}).serve_forever()"
    checks = {
        name: {"kind": "http", "url": f"http://127.0.0.1:{port}{path}"}
        for name, path in (("good", "/"), ("bad", "/no"))
    }
    services = [
        service("server", serves, health=checks["good"]),
        service("other", health=checks["bad"], start_period=0.4, depends_on=["server"]),
    ]
    async with world_of(tmp_path, *services) as world:
        with pytest.raises(WsdashError, match=f"GET http://127.0.0.1:{port}/no: 404"):
            await world.stack.start(["other"], quiet)


async def test_a_stop_returns_when_the_port_is_free(tmp_path: Path) -> None:
    port = free_port()
    async with world_of(tmp_path, listener("a", port)) as world:
        for _ in range(3):
            await world.stack.start(["a"], quiet)
            await world.stack.stop(["a"], quiet)
            server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", port)
            server.close()
            await server.wait_closed()


async def test_a_port_that_somebody_else_took_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.stack.local.stack.PORTS_SECONDS", 0.1)
    other = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with other, world_of(tmp_path, service("a", ports=[port])) as world:
        await world.stack.start(["a"], quiet)
        with pytest.raises(WsdashError, match=f"port {port} is still taken"):
            await world.stack.stop(["a"], quiet)


async def test_a_port_that_was_handed_on_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.stack.local.stack.PORTS_SECONDS", 3600.0)  # longer than any test may take
    heir = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = heir.sockets[0].getsockname()[1]
    async with heir, world_of(tmp_path, service("a", ports=[port])) as world:
        await world.stack.start(["a"], quiet)
        await world.stack.stop(["a"], quiet, handed_on=True)
        assert (await world.reading("a")).state == "exited"


async def test_readings_leave_out_what_is_extra(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a"), service("traffic", group="extra")) as world:
        assert [reading.name for reading in await world.stack.readings()] == ["a"]


async def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        with pytest.raises(WsdashError, match="there is no service ghost"):
            await world.stack.start(["ghost"], quiet)


async def test_images_are_programs_that_answer(tmp_path: Path) -> None:
    services = [
        service("there", group="workspace"),
        service("module", group="workspace", argv=[sys.executable, "-m", "json.tool"]),
        service("gone", group="workspace", argv=["/nowhere/program"]),
        service("lost", group="workspace", argv=[sys.executable, "-m", "no_such_module"]),
        service("old", group="apps"),
    ]
    async with world_of(tmp_path, *services) as world:
        assert await world.stack.images() == {
            "image-there": True,
            "image-module": True,
            "image-gone": False,
            "image-lost": False,
        }


async def test_without_a_supervisor_it_is_unreachable(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path)
    try:
        with pytest.raises(UnreachableError) as caught:
            await stack.readings()
        assert caught.value.where == str(tmp_path)
    finally:
        await stack.close()


async def test_following_the_logs_of_a_dead_supervisor_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.stack.local.stack.LOCAL_RECONNECT_SECONDS", 0.3)
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        lines = world.stack.follow_logs(0.0)
        assert (await anext(lines)).text == "ready"
        await shut_down(tmp_path)
        with pytest.raises(UnreachableError):
            await asyncio.wait_for(anext(lines), 90)


async def test_a_read_only_stack_sends_get_only(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a", group="workspace"), lease=60) as world:
        await world.stack.start(["a"], quiet)
        async with recording(supervisor_socket(tmp_path)) as sent:
            stack = LocalStack(tmp_path, read_only=True)
            assert len(await stack.readings()) == 1
            assert await stack.images()
            lines = stack.follow_logs(0.0)
            assert (await asyncio.wait_for(anext(lines), 90)).text == "ready"
            await lines.aclose()
            seen = len(sent)
            for change in (stack.start, stack.stop):
                with pytest.raises(RefusedError):
                    await change(["a"], quiet)
            with pytest.raises(RefusedError):
                await stack.restart("a", quiet)
            assert len(sent) == seen
            assert {line.split()[0] for line in sent} == {"GET"}
            await stack.close()
        assert (await world.reading("a")).state == "running"


async def test_a_stack_that_may_write_renews_the_lease(tmp_path: Path) -> None:
    """What the recording proxy would have seen of a stack that is not read-only."""
    async with world_of(tmp_path, service("a"), lease=60), recording(supervisor_socket(tmp_path)) as sent:
        stack = LocalStack(tmp_path)
        await stack.readings()
        await stack.close()
        assert "PUT" in {line.split()[0] for line in sent}


@asynccontextmanager
async def recording(socket: Path) -> AsyncIterator[list[str]]:
    """Put a proxy in front of a unix socket; the request lines that go through."""
    real = socket.with_suffix(".real")
    os.rename(socket, real)
    sent: list[str] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(str(real))

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, note: bool) -> None:
            while piece := await source.read(65_536):
                if note:
                    sent.extend(line for line in piece.decode().split("\r\n") if line.endswith("HTTP/1.1"))
                sink.write(piece)
            sink.close()

        await asyncio.gather(copy(reader, up_writer, True), copy(up_reader, writer, False))

    server = await asyncio.start_unix_server(pass_on, str(socket))
    try:
        yield sent
    finally:
        server.close()
        os.rename(real, socket)


async def _has_line(world: Any, name: str, text: str) -> bool:
    return any(line.text == text for line in (await world.detail(name)).lines)


async def _health_is(world: Any, health: str) -> bool:
    return bool((await world.reading("a")).health == health)
