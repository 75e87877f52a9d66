"""A compute starts whatever its last run left in /tmp, and whatever ports its own connections are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.world import WORKSPACE, DockerWorld

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(600)]

COMPUTE = "workspace-db-compute"
LOCK = "/tmp/.s.PGSQL.55432.lock"  # noqa: S108


def test_a_socket_lock_of_a_living_process_does_not_hold_up_the_next_start(stack: DockerWorld) -> None:
    engine = stack.engine
    lock = engine.docker("exec", COMPUTE, "cat", LOCK).stdout.splitlines()
    assert lock[0].isdigit()
    # the pid is another program's by the next start: process 1 lives always
    left = "\n".join(["1", *lock[1:]])
    write = 'printf "%s\\n" "$1" > "$2"'
    engine.docker("exec", "-u", "postgres", COMPUTE, "sh", "-c", write, "sh", left, LOCK)
    engine.docker("kill", "-s", "KILL", COMPUTE)
    engine.docker("start", COMPUTE)
    stack.wait_healthy(COMPUTE)


def test_no_outgoing_connection_takes_the_port_of_the_server_that_is_yet_to_start(
    world: DockerWorld, tmp_path: Path
) -> None:
    # so few ports that the checks of a server that is not there yet are given each of them
    few = tmp_path / "few.yml"
    few.write_text(
        "services:\n  workspace-db-compute:\n"
        "    sysctls: {net.ipv4.ip_local_port_range: '55424 55439'}\n    restart: 'no'\n"
    )
    world.compose((*WORKSPACE, few), "up", "-d", COMPUTE)
    world.wait_healthy(COMPUTE)
    given = world.engine.docker("exec", COMPUTE, "cat", "/proc/sys/net/ipv4/ip_local_port_range").stdout
    assert given.split() == ["55424", "55439"]
