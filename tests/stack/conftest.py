"""A Docker engine that answers as it is told, and the stack that reads it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stack.engine import Engine, inspected, serving
from wsdash.config import AppsSettings, StackSettings, WorkspaceSettings
from wsdash.stack.docker.stack import DockerStack

COMPOSE = """
services:
  data-timescale: {image: timescale, container_name: data-timescale}
  workspace:
    image: ${WORKSPACE_IMAGE:-workspace-api:latest}
    container_name: apps-workspace
    environment: {PASSWORD: "${WSDASH_TEST_UNSET:?set it}"}
    depends_on: {data-timescale: {condition: service_healthy}}
"""
STACK = """
services:
  compute: {image: neon, container_name: workspace-db-compute, depends_on: [pageserver]}
  pageserver: {image: neon, container_name: workspace-db-pageserver}
"""


STANDIN = """#!/bin/sh
# A stand-in for docker-compose: `-f FILE config` prints the file itself, with the defaults of its variables.
# Compared with docker-compose 1.29.2: what it prints of these files differs in the order of keys only.
all=$*
while [ "$1" = -f ]; do file=$2; shift 2; done
case $1 in
  config) sed 's/\\${[A-Z_]*:-\\([^}]*\\)}/\\1/' "$file" ;;
  *) exit 64 ;;
esac
"""


def standin_compose(directory: Path, monkeypatch: pytest.MonkeyPatch, otherwise: str = "exit 64") -> None:
    """Put the stand-in on the PATH, without docker. otherwise: a shell's words for all but `config`."""
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    program = programs / "docker-compose"
    program.write_text(STANDIN.replace("exit 64", otherwise))
    program.chmod(0o700)
    (programs / "sed").unlink(missing_ok=True)
    (programs / "sed").symlink_to(shutil.which("sed") or "/bin/sed")
    monkeypatch.setenv("PATH", str(programs))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackSettings:
    standin_compose(tmp_path, monkeypatch)
    (tmp_path / "apps.yml").write_text(COMPOSE)
    (tmp_path / "stack.yml").write_text(STACK)
    apps = AppsSettings(str(tmp_path / "apps.yml"), "apps-workspace", ("data-timescale", "apps-workspace"))
    stack = WorkspaceSettings(
        str(tmp_path / "stack.yml"), ("workspace-db-compute", "workspace-db-pageserver")
    )
    return StackSettings("docker", apps, stack)


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    names = ("data-timescale", "apps-workspace", "workspace-db-compute", "workspace-db-pageserver")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        async with serving(Engine({name: inspected() for name in names}), path) as engine:
            yield engine


@pytest.fixture
async def stack(settings: StackSettings) -> AsyncIterator[DockerStack]:
    stack = DockerStack(settings)
    yield stack
    await stack.close()
