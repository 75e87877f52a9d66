"""Containers started, stopped, restarted and made: in which order, and what is said when it fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.stack.conftest import standin_compose
from tests.stack.engine import Engine, inspected
from tests.stack.world import quiet
from wsdash.errors import RefusedError, WsdashError
from wsdash.stack.docker.stack import DockerStack


async def test_a_start_goes_in_dependency_order(engine: Engine, stack: DockerStack) -> None:
    for name in ("data-timescale", "apps-workspace"):
        engine.containers[name] = inspected("exited")
    await stack.start(["apps-workspace"], quiet)
    sent = [path for method, path in engine.asked if method == "POST"]
    assert sent == [f"/v1.50/containers/{name}/start" for name in ("data-timescale", "apps-workspace")]


async def test_a_stop_goes_the_other_way(engine: Engine, stack: DockerStack) -> None:
    for body in engine.containers.values():  # somebody on this machine may hold the port
        body["HostConfig"]["PortBindings"] = {}
        body["NetworkSettings"]["Ports"] = {}
    await stack.stop(["workspace-db-pageserver", "workspace-db-compute"], quiet)
    sent = [path for method, path in engine.asked if method == "POST"]
    names = ("workspace-db-compute", "workspace-db-pageserver")
    assert sent == [f"/v1.50/containers/{name}/stop" for name in names]
    engine.asked.clear()
    await stack.stop(list(names), quiet)
    assert {method for method, _ in engine.asked} == {"GET"}


async def test_a_paused_container_goes_on(engine: Engine, stack: DockerStack) -> None:
    engine.containers["data-timescale"] = inspected("paused")
    await stack.start(["data-timescale"], quiet)
    assert ("POST", "/v1.50/containers/data-timescale/unpause") in engine.asked


async def test_a_restart_is_of_one_container_alone(engine: Engine, stack: DockerStack) -> None:
    await stack.restart("data-timescale", quiet)
    sent = [path for method, path in engine.asked if method == "POST"]
    assert sent == ["/v1.50/containers/data-timescale/restart"]


async def test_a_paused_container_is_let_go_before_it_is_restarted(
    engine: Engine, stack: DockerStack
) -> None:
    engine.containers["data-timescale"] = inspected("paused")
    await stack.restart("data-timescale", quiet)
    sent = [path.rpartition("/")[2] for method, path in engine.asked if method == "POST"]
    assert sent == ["unpause", "restart"]


async def test_a_container_that_is_not_there_is_not_made_by_a_restart(
    engine: Engine, stack: DockerStack
) -> None:
    del engine.containers["workspace-db-compute"]
    with pytest.raises(WsdashError, match="no container workspace-db-compute"):
        await stack.restart("workspace-db-compute", quiet)
    assert {method for method, _ in engine.asked} == {"GET"}


async def test_a_foreign_container_of_our_name_is_not_restarted(engine: Engine, stack: DockerStack) -> None:
    engine.containers["workspace-db-compute"]["Config"]["Labels"] = {}
    with pytest.raises(RefusedError, match="not made from the compose file"):
        await stack.restart("workspace-db-compute", quiet)
    assert {method for method, _ in engine.asked} == {"GET"}


async def test_one_that_is_not_healthy_after_its_restart_is_told(engine: Engine, stack: DockerStack) -> None:
    engine.containers["data-timescale"] = inspected("running", "starting")
    with pytest.raises(WsdashError, match="data-timescale is not healthy"):
        await asyncio.wait_for(stack.restart("data-timescale", quiet), 90)


async def test_an_unhealthy_container_is_told_with_its_check(engine: Engine, stack: DockerStack) -> None:
    engine.containers["data-timescale"] = inspected("running", "unhealthy")
    with pytest.raises(WsdashError) as caught:
        await stack.start(["apps-workspace"], quiet)
    assert "localhost:5432 - accepting connections" in caught.value.what
    assert "docker logs --tail 50 data-timescale" in caught.value.remedy
    assert not [path for method, path in engine.asked if method == "POST"]


async def test_one_that_never_gets_healthy_is_given_up(engine: Engine, stack: DockerStack) -> None:
    engine.containers["data-timescale"] = inspected("running", "starting")
    with pytest.raises(WsdashError, match="data-timescale is not healthy"):
        await asyncio.wait_for(stack.start(["data-timescale"], quiet), 90)


async def test_one_that_ends_is_told_with_its_exit_code(engine: Engine, stack: DockerStack) -> None:
    engine.containers["data-timescale"] = inspected("restarting", "starting")
    with pytest.raises(WsdashError, match="ended while it was starting"):
        await stack.start(["data-timescale"], quiet)


async def test_a_missing_container_is_created_by_compose(
    engine: Engine, stack: DockerStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del engine.containers["apps-workspace"]
    standin_compose(tmp_path, monkeypatch, f'echo $all > {tmp_path}/argv; echo "Container Started"')

    def say(line: str) -> None:
        if line == "Container Started":
            engine.containers["apps-workspace"] = inspected()

    await stack.start(["apps-workspace"], say)
    argv = (tmp_path / "argv").read_text().split()
    assert argv == ["-f", str(tmp_path / "apps.yml"), "up", "-d", "--no-deps", "workspace"]


async def test_compose_own_words_are_shown_when_it_fails(
    engine: Engine, stack: DockerStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del engine.containers["data-timescale"]
    standin_compose(tmp_path, monkeypatch, 'echo "pull access denied for timescale" >&2; exit 18')
    with pytest.raises(WsdashError, match="exit code 18: pull access denied"):
        await stack.start(["data-timescale"], quiet)


async def test_without_a_compose_command_it_says_so(
    engine: Engine, stack: DockerStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del engine.containers["data-timescale"]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WsdashError, match="no docker compose command"):
        await stack.start(["data-timescale"], quiet)
