"""The engine of the session and the world on it. Without an engine the tests skip, in CI they fail."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker import engine, image
from tests.docker.world import DockerWorld, InEngine
from tests.support.terminal import Terminal


@pytest.fixture(scope="session")
def docker_engine(request: pytest.FixtureRequest) -> Iterator[engine.Engine]:
    """A real engine of our own with the tests' image in it. One worker of a parallel run has it."""
    grouped = any(item.nodeid.endswith("@docker") for item in request.session.items)
    assert grouped or "PYTEST_XDIST_WORKER" not in os.environ, "this pytest ignores xdist_group"
    why_not = engine.missing() or image.python_fits()
    if why_not:
        engine.unavailable(why_not)
    archive = image.archive()
    # a unix socket's path may have 107 characters: not below pytest's own deep directory
    with tempfile.TemporaryDirectory(prefix="wsdash-docker-", ignore_cleanup_errors=True) as directory:
        made = engine.Engine(Path(directory))
        try:
            made.start()
            made.docker("import", str(archive), image.IMAGE, timeout=180)
            yield made
        finally:
            made.remove()


@pytest.fixture(scope="session")
def docker_world(docker_engine: engine.Engine, tmp_path_factory: pytest.TempPathFactory) -> DockerWorld:
    """The old world's containers, with rows, up."""
    world = DockerWorld(docker_engine, tmp_path_factory.mktemp("docker"))
    world.write_config()
    world.start_old_world()
    return world


@pytest.fixture
def world(docker_world: DockerWorld) -> DockerWorld:
    """The world before a migration: the old service serves, nothing of the new stack is there."""
    docker_world.reset()
    return docker_world


@pytest.fixture
def stack(docker_world: DockerWorld) -> DockerWorld:
    """The world with the new stack up and its database empty: where a copy begins."""
    docker_world.empty_stack()
    return docker_world


@pytest.fixture
def wsdash(docker_world: DockerWorld, tmp_path: Path) -> Iterator[InEngine]:
    """`wsdash` on the world."""
    program = docker_world.program(tmp_path)
    yield program
    program.sweep()


@pytest.fixture
def screen(wsdash: InEngine) -> Iterator[Callable[..., Terminal]]:
    """Opens `wsdash WORDS` on a terminal of its own."""
    opened: list[Terminal] = []

    def open_screen(*words: str, columns: int = 120, rows: int = 36) -> Terminal:
        opened.append(Terminal(wsdash.argv(*words), wsdash.env(), columns, rows))
        return opened[-1]

    yield open_screen
    for terminal in opened:
        terminal.end()
