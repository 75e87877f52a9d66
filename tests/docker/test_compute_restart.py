"""A compute that is restarted finds in /tmp what its last run left there, and comes back all the same."""

from __future__ import annotations

import pytest

from tests.docker.world import DockerWorld

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
