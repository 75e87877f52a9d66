"""Containers of a Docker engine: what is read and sent, how logs are followed, and an engine that fails."""

from __future__ import annotations

import asyncio
import socket as sockets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.stack.engine import Engine, frame, inspected, stats
from tests.stack.world import quiet
from wsdash.config import StackSettings
from wsdash.errors import InputError, RefusedError, UnreachableError
from wsdash.model import ContainerReading, LogLine
from wsdash.stack.docker.client import DockerClient
from wsdash.stack.docker.stack import DockerStack


async def test_readings_name_every_container_with_its_group(engine: Engine, stack: DockerStack) -> None:
    del engine.containers["workspace-db-pageserver"]
    found = {reading.name: reading for reading in await stack.readings()}
    assert {name: reading.group for name, reading in found.items()} == {
        "data-timescale": "apps",
        "apps-workspace": "apps",
        "workspace-db-compute": "workspace",
        "workspace-db-pageserver": "workspace",
    }
    assert found["workspace-db-pageserver"].state == "missing"
    compute = found["workspace-db-compute"]
    assert (compute.state, compute.health, compute.ports) == ("running", "healthy", (5433,))


async def test_cpu_memory_and_network_come_with_watching(engine: Engine, stack: DockerStack) -> None:
    engine.stats = stats(used=3_500_000_000, system=64_000_000_000)
    assert (await stack.readings())[0].cpu_percent is None
    async with watching(stack):
        found = await eventually(stack, lambda reading: reading.cpu_percent is not None)
    assert found.cpu_percent == pytest.approx(50.0)
    assert found.memory_bytes == 100_000_000
    assert (found.received_bytes, found.sent_bytes) == (1_500, 42)


async def test_stats_that_do_not_come_hold_up_nothing(engine: Engine, stack: DockerStack) -> None:
    engine.stats = {}
    async with watching(stack):
        await stack.readings()
        found = await asyncio.wait_for(stack.readings(), 90)
    assert {(reading.state, reading.cpu_percent) for reading in found} == {("running", None)}


async def test_an_event_says_that_readings_are_out_of_date(engine: Engine, stack: DockerStack) -> None:
    changed = asyncio.Event()
    async with watching(stack, changed):
        await asyncio.wait_for(changed.wait(), 90)  # once subscribed: what was before it may be missed
        await stack.readings()
        changed.clear()
        engine.containers["apps-workspace"] = inspected("exited", ExitCode=137)
        await engine.happened.put("someone-else")
        await engine.happened.put("apps-workspace")
        await asyncio.wait_for(changed.wait(), 90)
        found = {reading.name: reading for reading in await stack.readings()}
    assert (found["apps-workspace"].state, found["apps-workspace"].exit_code) == ("exited", 137)


async def test_how_a_run_ended_is_told_though_the_container_runs_again_when_it_is_asked_about(
    engine: Engine, stack: DockerStack
) -> None:
    changed = asyncio.Event()
    async with watching(stack, changed):
        await asyncio.wait_for(changed.wait(), 90)
        await stack.readings()
        changed.clear()
        await engine.happened.put("apps-workspace")
        await asyncio.wait_for(changed.wait(), 90)
        found = {reading.name: reading for reading in await stack.readings()}
    assert (found["apps-workspace"].state, found["apps-workspace"].ended_with) == ("running", 137)
    assert found["data-timescale"].ended_with is None


async def test_while_events_come_quiet_containers_are_asked_about_in_turn(
    engine: Engine, stack: DockerStack
) -> None:
    changed = asyncio.Event()
    async with watching(stack, changed):
        await asyncio.wait_for(changed.wait(), 90)
        await stack.readings()
        engine.asked.clear()
        for _ in range(4):
            await stack.readings()
    asked = [path for _, path in engine.asked if path.endswith("/json")]
    assert sorted(asked) == sorted(f"/v1.50/containers/{name}/json" for name in engine.containers)


async def test_images_come_from_the_compose_file(engine: Engine, stack: DockerStack) -> None:
    engine.containers.clear()
    assert await stack.images() == {"neon": False}
    engine.images.add("neon")
    assert await stack.images() == {"neon": True}


async def test_a_name_nobody_knows_is_a_matter_of_configuration(engine: Engine, stack: DockerStack) -> None:
    with pytest.raises(InputError, match="ghost does not exist"):
        await stack.start(["ghost"], quiet)


async def test_a_read_only_stack_sends_get_only(engine: Engine, settings: StackSettings) -> None:
    engine.logs["data-timescale"] = [frame(1, "2025-11-03T10:15:30.1Z hello\n")]
    stack = DockerStack(settings, read_only=True)
    await stack.readings()
    await stack.images()
    lines = stack.follow_logs(0.0)
    assert (await asyncio.wait_for(anext(lines), 90)).text == "hello"
    await lines.aclose()
    before = len(engine.asked)
    for change in (stack.start, stack.stop):
        with pytest.raises(RefusedError):
            await change(["data-timescale"], quiet)
    with pytest.raises(RefusedError):
        await stack.restart("data-timescale", quiet)
    assert len(engine.asked) == before
    assert {method for method, _ in engine.asked} == {"GET"}
    await stack.close()


async def test_the_read_only_client_itself_refuses_to_post(engine: Engine) -> None:
    client = DockerClient(read_only=True)
    with pytest.raises(RefusedError):
        await client.post("containers/data-timescale/stop")
    assert {method for method, _ in engine.asked} <= {"GET"}
    await client.close()


async def test_logs_are_followed_without_loss_over_broken_connections(
    engine: Engine, stack: DockerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.stack.docker.follow.LOOK_AGAIN_SECONDS", 0.01)
    times = [n // 3 for n in range(60)]  # three lines at each very time
    engine.logs["data-timescale"] = [
        frame(1 + n % 2, f"2025-11-03T10:15:{t:02d}.000000001Z line {n}\n") for n, t in enumerate(times)
    ]
    engine.broken_after = 7
    found: list[LogLine] = []
    lines = stack.follow_logs(0.0)
    async for line in lines:
        found.append(line)
        if len(found) == 60:
            break
    await lines.aclose()
    assert [line.text for line in found] == [f"line {n}" for n in range(60)]


async def test_a_restarted_container_is_followed_on(
    engine: Engine, stack: DockerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.stack.docker.follow.LOOK_AGAIN_SECONDS", 0.01)
    engine.logs["data-timescale"] = [frame(1, "2025-11-03T10:15:30.1Z one\n")]
    engine.containers["data-timescale"] = inspected("exited")
    lines = stack.follow_logs(0.0)
    assert (await anext(lines)).text == "one"
    engine.containers["data-timescale"] = inspected()
    engine.logs["data-timescale"].append(frame(2, "2025-11-03T10:15:31.1Z two\n"))
    line = await asyncio.wait_for(anext(lines), 90)
    assert (line.container, line.stream, line.text) == ("data-timescale", "stderr", "two")
    await lines.aclose()


async def test_following_a_dead_engine_ends_in_time(
    engine: Engine, settings: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.stack.docker.follow.DOCKER_RECONNECT_SECONDS", 0.2)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    stack = DockerStack(settings)
    with pytest.raises(UnreachableError):
        await asyncio.wait_for(anext(stack.follow_logs(0.0)), 90)
    await stack.close()


async def test_without_an_engine_it_says_where_it_looked(
    settings: StackSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    stack = DockerStack(settings)
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        await stack.readings()
    assert caught.value.where == f"unix://{tmp_path}/none.sock (DOCKER_HOST)"
    await stack.close()


async def test_with_no_socket_at_all_it_says_how_to_name_one(
    settings: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", "/nowhere")
    monkeypatch.setattr("wsdash.stack.docker.place.SOCKETS", (Path("/nowhere/docker.sock"),))
    with pytest.raises(UnreachableError, match="no Docker engine") as caught:
        await DockerStack(settings).readings()
    assert "DOCKER_HOST" in caught.value.remedy


async def test_a_socket_we_may_not_use_is_said_so(
    settings: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_unix_connection", forbidden)
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    stack = DockerStack(settings)
    with pytest.raises(UnreachableError, match="may not use the Docker engine") as caught:
        await stack.readings()
    assert "docker group" in caught.value.remedy
    await stack.close()


async def test_an_engine_that_does_not_answer_is_given_up(
    settings: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdash.stack.docker.client.DOCKER_REQUEST_SECONDS", 0.2)
    with tempfile.TemporaryDirectory() as directory, sockets.socket(sockets.AF_UNIX) as mute:
        mute.bind(f"{directory}/s")
        mute.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/s")
        stack = DockerStack(settings)
        with pytest.raises(UnreachableError):
            await asyncio.wait_for(stack.readings(), 90)
        await stack.close()


@asynccontextmanager
async def watching(stack: DockerStack, changed: asyncio.Event | None = None) -> AsyncIterator[None]:
    """The stack's watch, at work for the length of a block."""
    task = asyncio.create_task(stack.watch(changed.set if changed is not None else lambda: None))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def eventually(
    stack: DockerStack, holds: Callable[[ContainerReading], bool], name: str = "data-timescale"
) -> ContainerReading:
    """The first reading of a container of which something holds."""
    async with asyncio.timeout(90):
        while True:
            found = next(reading for reading in await stack.readings() if reading.name == name)
            if holds(found):
                return found
            await asyncio.sleep(0.02)
