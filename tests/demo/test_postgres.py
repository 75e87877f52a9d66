"""PostgreSQL's programs as root starts them: as another account, wherever they lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wsdash.demo.world.postgres import unprivileged

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts them as another account")

# what the kernel says to access(2), by which PostgreSQL looks at its own programs before it runs them
MAY_RUN = ("python3", "-c", "import os, sys; print(os.getuid(), os.access(sys.argv[1], os.R_OK | os.X_OK))")
# root's capabilities in a container of Docker's, without more ones asked for
CONTAINERS = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "setfcap"),
    *("net_bind_service", "net_raw", "sys_chroot", "mknod", "audit_write"),
)
READ_SEARCH = 2


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program in a directory that only root may enter."""
    directory = tmp_path / "roots"
    directory.mkdir(mode=0o700)
    made = directory / "postgres"
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    return made


def told(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def held(prefix: list[str]) -> set[int]:
    """The numbers of the capabilities that a program started so could use."""
    lines = told(*prefix, "grep", "^CapEff", "/proc/self/status")
    return {bit for bit in range(64) if int(lines[1], 16) >> bit & 1}


def test_a_program_below_a_directory_of_roots_may_be_run_by_the_other_account(program: Path) -> None:
    account, may = told(*unprivileged(program), *MAY_RUN, str(program))
    assert account != "0"
    assert may == "True"


def test_it_can_write_no_file_of_others(program: Path) -> None:
    if not held([]) & {READ_SEARCH}:
        pytest.skip("root lacks CAP_DAC_READ_SEARCH here, as in a container")
    assert held(unprivileged(program)) == {READ_SEARCH}
    secret = program.parent / "mine"
    secret.write_text("kept")
    secret.chmod(0o600)
    write = ("sh", "-c", 'echo changed > "$1" || echo refused', "sh", str(secret))
    assert told(*unprivileged(program), *write) == ["refused"]
    assert secret.read_text() == "kept"


def test_it_gets_no_capability_that_it_does_not_need() -> None:
    assert held(unprivileged(Path("/usr/bin/env"))) == set()


def test_root_of_a_container_has_all_that_it_takes(program: Path) -> None:
    bounded = ("setpriv", "--bounding-set=" + ",".join(["-all", *(f"+{one}" for one in CONTAINERS)]), "--")
    ask = "import sys; from pathlib import Path; from wsdash.demo.world.postgres import unprivileged;"
    ask += " print(*unprivileged(Path(sys.argv[1])))"
    prefix = told(*bounded, sys.executable, "-c", ask, str(program))
    assert told(*bounded, *prefix, *MAY_RUN, str(program))[1] == "True"
