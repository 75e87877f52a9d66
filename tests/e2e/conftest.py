"""Programs with a state directory of their own, swept afterwards whatever happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import Program
from tests.support.world import World
from wsdash.demo.world.build import WorldOptions, build_world, remove_world

UNHURRIED = {"WSDASH__THRESHOLDS__GET_SECONDS": "10", "WSDASH__THRESHOLDS__POST_SECONDS": "10"}
"""These tests are of what is done, not of how fast a machine is; the newcomer's keep the guide's limits."""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """`wsdash` on its own state directory and ports; the world is built by `wsdash demo`."""
    tmp_path.chmod(0o755)
    made = Program(tmp_path / "state", environment=dict(UNHURRIED))
    yield made
    made.sweep()


@pytest.fixture
def world_options(program: Program) -> WorldOptions:
    """What the world of `world` is; a file whose tests need another one has a fixture of its own."""
    return WorldOptions(items=300, port_offset=program.offset)


@pytest.fixture
def world(program: Program, world_options: WorldOptions) -> Iterator[World]:
    """The embedded world, built but with no item run yet: `wsdash migrate` works on it."""
    program.state.mkdir()
    directory = program.state / "world"
    asyncio.run(build_world(directory, world_options, lambda _: None))
    yield World(program)
    asyncio.run(remove_world(directory))
