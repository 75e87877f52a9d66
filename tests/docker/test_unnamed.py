"""Services whose compose file fixes no container_name: found by labels, started, followed, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.docker.engine import Engine
from tests.docker.image import IMAGE
from wsdash.config import AppsSettings, StackSettings, WorkspaceSettings
from wsdash.model import ContainerReading
from wsdash.stack.docker.stack import DockerStack

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(300)]

LOOP = "trap 'exit 0' TERM; while :; do echo ready; sleep 0.2; done"
FILE = f"""
services:
  api: {{image: {IMAGE}, init: true, command: [sh, -c, "{LOOP}"], depends_on: [db]}}
  db: {{image: {IMAGE}, init: true, command: [sh, -c, "{LOOP}"]}}
"""


@pytest.fixture
def settings(
    docker_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StackSettings]:
    for name in ("shop", "else"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.yml").write_text(FILE)
    monkeypatch.setenv("DOCKER_HOST", docker_engine.environment["DOCKER_HOST"])
    apps = AppsSettings(str(tmp_path / "none.yml"), "old", ())
    yield StackSettings("docker", apps, WorkspaceSettings(str(tmp_path / "shop/c.yml"), ("api", "db")))
    if names := docker_engine.docker(
        "ps", "-aq", "--filter", "label=com.docker.compose.service"
    ).stdout.split():
        docker_engine.docker("rm", "-f", *names)


def states(readings: list[ContainerReading]) -> dict[str, str]:
    return {reading.name: reading.state for reading in readings}


async def test_they_are_read_started_followed_and_stopped(
    settings: StackSettings, docker_engine: Engine
) -> None:
    said: list[str] = []
    stack = DockerStack(settings)
    try:
        assert states(await stack.readings()) == {"api": "missing", "db": "missing"}
        await stack.start(["api"], said.append)
        assert states(await stack.readings()) == {"api": "running", "db": "running"}
        async with asyncio.timeout(90), aclosing(stack.follow_logs(0.0)) as lines:
            async for line in lines:
                assert line.text == "ready"
                if line.container == "api":
                    break
        assert (await stack.execute("db", ["echo", "inside"], 20.0)).strip() == "inside"
        await stack.restart("db", said.append)
        await stack.stop(["db", "api"], said.append)
        assert said[-2:] == ["stopped api", "stopped db"]
        assert states(await stack.readings()) == {"api": "exited", "db": "exited"}
    finally:
        await stack.close()


async def test_those_of_another_project_are_not_ours(settings: StackSettings) -> None:
    other = Path(settings.workspace.file).parents[1] / "else/c.yml"
    of_another = WorkspaceSettings(str(other), settings.workspace.containers)
    theirs = DockerStack(StackSettings("docker", settings.apps, of_another))
    ours = DockerStack(settings)
    try:
        await theirs.start(["db"], lambda line: None)
        assert states(await ours.readings()) == {"api": "missing", "db": "missing"}
        await ours.stop(["db"], lambda line: None)
        assert states(await theirs.readings())["db"] == "running"
    finally:
        await theirs.close()
        await ours.close()
