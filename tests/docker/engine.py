"""A Docker engine of the tests' own: a real dockerd in a network namespace of its own.

So the guide's container names, ports and networks are free whatever runs on the machine, nothing of the
machine's is ever touched, and the engine may be killed and started again. Programs that work with it run in
the same namespace; its socket is an ordinary file.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")

PROGRAMS = ("dockerd", "docker", "mmdebstrap", "nsenter", "unshare", "setpriv", "ip", "iptables")
READY_SECONDS = 60.0
_NEW_NET = 0x40000000


def missing() -> str:
    """Why no engine can be started here; '' when it can."""
    if os.geteuid() != 0:
        return "these tests start a Docker engine of their own, which needs root"
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if shutil.which("docker-compose") is None and not _has_plugin():
        lacking.append("docker-compose")
    return "these tests need " + ", ".join(lacking) if lacking else ""


def unavailable(why: str) -> NoReturn:
    """Skip with one line on a newcomer's machine; fail where WSDASH_REQUIRE_DOCKER=1 promises an engine."""
    if os.environ.get("WSDASH_REQUIRE_DOCKER") == "1":
        pytest.fail(why)
    pytest.skip(why)


def _has_plugin() -> bool:
    return (
        shutil.which("docker") is not None
        and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    )


@dataclass
class Engine:
    """dockerd and its namespace. Everything of it lives in `directory`."""

    directory: Path
    _holder: subprocess.Popen[bytes] | None = None
    _daemon: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    """What programs that use it need beside their own environment."""

    def start(self) -> None:
        """Make the namespace unless it is there, start dockerd, wait until it answers."""
        if self._holder is None:
            self._holder = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert self._holder.stdout is not None
            assert self._holder.stdout.readline() == b"up\n"
        self.environment["DOCKER_HOST"] = f"unix://{self.directory}/docker.sock"
        (self.directory / "docker.pid").unlink(missing_ok=True)
        log = (self.directory / "dockerd.log").open("ab")
        argv = ["setpriv", "--pdeathsig", "TERM", *self.inside(), "dockerd"]
        argv += ["--data-root", f"{self.directory}/data", "--exec-root", f"{self.directory}/exec"]
        argv += ["--pidfile", f"{self.directory}/docker.pid", "-H", self.environment["DOCKER_HOST"]]
        self._daemon = subprocess.Popen(argv, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while self.docker("version", check=False).returncode != 0:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dockerd did not come up:\n{self.log()[-3000:]}")
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End dockerd: SIGTERM stops its containers, SIGKILL leaves them running without it."""
        if self._daemon is not None:
            self._daemon.send_signal(how)
            self._daemon.wait(60)
            self._daemon = None

    def remove(self) -> None:
        """Remove every container, end dockerd and the namespace, and delete what it kept."""
        if self._daemon is not None:
            if names := self.docker("ps", "-aq", check=False).stdout.split():
                self.docker("rm", "-f", "-v", *names, check=False)
            self.stop()
        if self._holder is not None:
            self._holder.communicate()
            self._holder = None
        # dockerd mounts its data directory on itself and leaves it so when it was killed
        subprocess.run(["umount", "-l", f"{self.directory}/data"], capture_output=True, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def inside(self) -> list[str]:
        """The argv prefix under which a program runs in the engine's namespace."""
        assert self._holder is not None
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--"]

    def docker(
        self, *words: str, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run the docker command on this engine."""
        done = subprocess.run(
            ["docker", *words],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | self.environment,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"docker {' '.join(words)}: {done.stderr}")
        return done

    def log(self) -> str:
        """What dockerd said."""
        return (self.directory / "dockerd.log").read_text(errors="replace")

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on a thread that lives in the engine's namespace; what it returns or raises."""
        assert self._holder is not None
        path = f"/proc/{self._holder.pid}/ns/net"
        result: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                with open(path, "rb") as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _NEW_NET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                result.append(function())
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return result[0]
