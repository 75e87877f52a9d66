"""Faults in the middle of a copy: each is told, the next run ends the migration, and the data is whole."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docker.test_faults_before import line_of
from tests.docker.world import CONTENT, ITEMS, STACK, WORKSPACE, DockerWorld, InEngine
from tests.support.terminal import Terminal

# one engine, one worker; the first test waits for the engine, its image and the old world
pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(900)]

COMPUTE = "workspace-db-compute"


def migrate(world: DockerWorld) -> tuple[str, ...]:
    return ("migrate", "--yes", "--config", str(world.config))


def copying(world: DockerWorld, wsdash: InEngine) -> subprocess.Popen[str]:
    """A migration that stands in the middle of its copy: before the items, all else being carried."""
    done = wsdash.run(*migrate(world), "--until", "init-neon")
    assert done.returncode == 0, done.stdout + done.stderr
    world.hold_items()
    process = wsdash.start(*migrate(world))
    world.wait_until_copy_waits()
    return process


def assert_told(wsdash: InEngine, process: subprocess.Popen[str]) -> str:
    """The run ended with 1 and one line about the copy, without a traceback; that line."""
    assert process.wait(120) == 1, wsdash.output()
    assert "Traceback" not in wsdash.output()
    told = line_of(wsdash.output(), "migrate-data")
    assert told.startswith("✗")
    return told


def assert_ends_whole(world: DockerWorld, wsdash: InEngine, *more: str) -> None:
    """The same command again ends the migration, and both sides hold the same rows, each once."""
    done = wsdash.run(*migrate(world), *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_whole(world)


def assert_whole(world: DockerWorld) -> None:
    assert world.source(CONTENT) == world.target(CONTENT)
    assert world.target("select count(*) from workspace.workspace_items") == ITEMS
    assert {name: world.state(name) for name in STACK} == dict.fromkeys(STACK, ("running", "healthy"))
    assert world.get("http://localhost:3200/api/items")[1]["count"] == ITEMS


def test_the_compute_is_killed_in_mid_copy(stack: DockerWorld, wsdash: InEngine) -> None:
    process = copying(stack, wsdash)
    stack.engine.docker("kill", COMPUTE)
    assert COMPUTE in assert_told(wsdash, process)
    assert stack.state(COMPUTE)[0] == "exited"
    assert_ends_whole(stack, wsdash, "--from", "start-stack")


def test_the_compute_is_restarted_in_mid_copy(stack: DockerWorld, wsdash: InEngine) -> None:
    process = copying(stack, wsdash)
    stack.engine.docker("restart", "-t", "1", COMPUTE)
    assert COMPUTE in assert_told(wsdash, process)
    stack.wait_healthy(COMPUTE)
    assert_ends_whole(stack, wsdash)


def test_the_computes_network_is_cut_in_mid_copy(stack: DockerWorld, wsdash: InEngine) -> None:
    process = copying(stack, wsdash)
    stack.engine.docker("network", "disconnect", "workspace_network", COMPUTE)
    assert COMPUTE in assert_told(wsdash, process)
    stack.engine.docker("network", "connect", "workspace_network", COMPUTE)
    stack.let_go()
    assert_ends_whole(stack, wsdash)


def test_a_paused_compute_holds_the_copy_and_goes_on_when_it_does(
    stack: DockerWorld, wsdash: InEngine, screen: Callable[..., Terminal]
) -> None:
    process = copying(stack, wsdash)
    monitor = screen("monitor", "--config", str(stack.config))
    monitor.wait_for(COMPUTE)
    stack.engine.docker("pause", COMPUTE)
    try:
        monitor.wait_for("‖ paused")
        assert process.poll() is None
    finally:
        stack.engine.docker("unpause", COMPUTE)
    stack.let_go()
    assert process.wait(120) == 0, wsdash.output()
    assert_whole(stack)


def test_the_computes_disk_is_full_in_mid_copy(stack: DockerWorld, wsdash: InEngine, tmp_path: Path) -> None:
    stack.reset()
    small = tmp_path / "small.yml"
    small.write_text(
        "volumes:\n  workspace-db-standin:\n"
        "    driver_opts: {type: tmpfs, device: tmpfs, o: 'size=96m,mode=1777'}\n"
    )
    wsdash.environment["WSDASH__STACK__WORKSPACE__OVERRIDES"] = f"[{WORKSPACE[1]}, {small}]"
    done = wsdash.run(*migrate(stack), "--until", "init-neon")
    assert done.returncode == 0, done.stdout + done.stderr
    fill = "dd if=/dev/zero of=/standin/fill bs=64k; true"
    stack.engine.docker("exec", COMPUTE, "sh", "-c", fill)
    failed = wsdash.run(*migrate(stack))
    assert failed.returncode == 1, failed.stdout
    assert "No space left on device" in line_of(failed.stdout, "migrate-data")
    assert "Traceback" not in failed.stdout + failed.stderr
    stack.engine.docker("exec", COMPUTE, "rm", "/standin/fill")
    stack.wait_healthy(COMPUTE)
    assert_ends_whole(stack, wsdash)
    stack.reset()


def test_an_api_that_never_is_healthy_is_told_with_its_checks_words_and_the_old_one_comes_back(
    world: DockerWorld, wsdash: InEngine, tmp_path: Path
) -> None:
    ill = tmp_path / "ill.yml"
    ill.write_text(
        "services:\n  workspace-api:\n    healthcheck:\n"
        "      test: [CMD-SHELL, 'echo the pool is exhausted; exit 1']\n"
    )
    wsdash.environment["WSDASH__STACK__WORKSPACE__OVERRIDES"] = f"[{WORKSPACE[1]}, {ill}]"
    try:
        done = wsdash.run(*migrate(world))
        assert done.returncode == 1
        # its health may need the tables: the item after them is the one that requires it
        told = line_of(done.stdout, "test-api")
        assert told.startswith("✗")
        assert "workspace-api is not healthy" in told
        assert "the pool is exhausted" in told
        back = wsdash.run("rollback", "--yes", "--config", str(world.config))
        assert back.returncode == 0, back.stdout + back.stderr
        assert world.get("http://localhost:3201/api/items")[1]["count"] == ITEMS
    finally:
        world.reset()  # no later test may find this API


def test_the_engine_is_restarted_in_mid_copy(stack: DockerWorld, wsdash: InEngine) -> None:
    process = copying(stack, wsdash)
    stack.engine.stop()
    try:
        assert_told(wsdash, process)
    finally:
        stack.engine.start()
    for name in ("data-timescale", *STACK):
        stack.wait_healthy(name)
    assert_ends_whole(stack, wsdash)
