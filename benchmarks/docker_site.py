"""What the benchmark of watching works on: a private Docker engine, containers that log, processes' cost."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml

from tests.docker import engine, image
from wsdash.config import read_yaml, shipped

PROJECT = "wsdash-bench"
UP_SECONDS = 300
STEADY = (
    "import sys, time\n"
    "rate, n, due = float(sys.argv[1]), 0, time.monotonic()\n"
    "while True:\n"
    "    n += 1\n"
    "    print(f'GET /api/items/{n} 200 in 12 ms, 4 rows, request 7f3a{n:08d}', flush=True)\n"
    "    due += 1 / rate\n"
    "    time.sleep(max(0.0, due - time.monotonic()))\n"
)
"""Writes lines for ever; argument: lines a second."""

BURST = (
    "import sys, time\n"
    "rate, total, n, due = float(sys.argv[1]), int(sys.argv[2]), 0, time.monotonic()\n"
    "while n < total:\n"
    "    upto = min(total, n + max(1, int(rate / 20)))\n"
    "    sys.stdout.write(''.join(f'line {k} of a log that is counted\\n' for k in range(n, upto)))\n"
    "    sys.stdout.flush()\n"
    "    due += (upto - n) / rate\n"
    "    n = upto\n"
    "    time.sleep(max(0.0, due - time.monotonic()))\n"
    "time.sleep(3600)\n"
)
"""Writes that many numbered lines, twenty times a second some; arguments: lines a second, and how many."""


class Site:
    """The containers `bench-01`, ... of one compose project, and wsdash's configuration that names them."""

    def __init__(self, running: engine.Engine, directory: Path) -> None:
        self.engine = running
        self.directory = directory
        self.names: tuple[str, ...] = ()
        self._file = directory / "docker-compose.yml"
        self._home = directory

    def up(self, count: int, script: str, *arguments: object) -> None:
        """Make and start `count` containers that run the script."""
        self.names = tuple(f"bench-{number:02d}" for number in range(1, count + 1))
        command = ["python3", "-c", script.replace("$", "$$"), *map(str, arguments)]
        service = {"image": image.IMAGE, "command": command, "init": True, "mem_limit": "256m"}
        services = {name: service | {"container_name": name} for name in self.names}
        self._file.write_text(yaml.safe_dump({"services": services}))
        self._compose("up", "-d")
        self._home = Path(tempfile.mkdtemp(dir=self.directory))  # no monitor finds an earlier recording
        self._configure()

    def down(self) -> None:
        """Remove them."""
        self._compose("down", "-t", "0")

    def compose_argv(self, *words: str) -> list[str]:
        """A docker-compose command on the project."""
        return ["docker-compose", "-p", PROJECT, "-f", str(self._file), *words]

    def wsdash_argv(self, *words: str) -> list[str]:
        """A wsdash command on these containers, in the engine's own network: nothing else answers there."""
        program = [sys.executable, "-m", "wsdash", *words, "--config", str(self.directory / "config")]
        return [*self.engine.inside(), *program]

    def environment(self) -> dict[str, str]:
        """Of all commands."""
        home = {"XDG_STATE_HOME": str(self._home), "COMPOSE_HTTP_TIMEOUT": str(UP_SECONDS)}
        return os.environ | self.engine.environment | home

    def engine_processes(self) -> list[psutil.Process]:
        """dockerd, its containerd, and the containers' shims; not the containers."""
        found = []
        for process in psutil.process_iter(["name", "cmdline"]):
            words = " ".join(process.info["cmdline"] or [])
            known = str(process.info["name"]).startswith(("dockerd", "containerd"))
            if known and str(self.engine.directory) in words:
                found.append(process)
        return found

    def _compose(self, *words: str) -> None:
        done = subprocess.run(
            self.compose_argv(*words),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"docker-compose {' '.join(words)} failed: {done.stderr[-2000:]}")

    def _configure(self) -> None:
        config = self.directory / "config"
        config.mkdir(exist_ok=True)
        content = read_yaml(shipped("config", "wsdash.yaml"))
        old, new = self.names[: len(self.names) // 3], self.names[len(self.names) // 3 :]
        content["stack"]["apps"] |= {"old_service": old[0], "containers": list(old)}
        content["stack"]["workspace"] |= {"containers": list(new)}
        content["paths"]["backups"] = str(self.directory / "backups")
        (config / "wsdash.yaml").write_text(yaml.safe_dump(content))
        for name in ("plan.yaml", "alerts.yaml", "timeline.yaml"):
            if (source := shipped("config", name)).exists():
                (config / name).write_bytes(source.read_bytes())


@contextmanager
def private_site() -> Iterator[Site]:
    """An engine of our own in a network namespace of its own, with the tests' image; removed afterwards."""
    if why := engine.missing():
        raise SystemExit(why)
    archive = image.archive()
    with tempfile.TemporaryDirectory(prefix="wsdash-bench-", ignore_cleanup_errors=True) as directory:
        running = engine.Engine(Path(directory) / "e")
        running.directory.mkdir()
        try:
            running.start()
            running.docker("import", str(archive), image.IMAGE, timeout=180)
            yield Site(running, Path(directory))
        finally:
            running.remove()


class Drained:
    """A program on a pty whose output is thrown away unread: the emulator's own cost would disturb."""

    def __init__(self, argv: list[str], environment: dict[str, str], columns: int, rows: int) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            environment = {k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES")}
            os.execvpe(argv[0], argv, environment | {"TERM": "xterm-256color"})
        self.bytes_read = 0
        threading.Thread(target=self._drain, daemon=True).start()

    def end(self) -> None:
        """End it and what it started."""
        process = psutil.Process(self.pid)
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                one.kill()
        os.waitpid(self.pid, 0)

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                if select.select([self._fd], [], [], 0.1)[0]:
                    self.bytes_read += len(os.read(self._fd, 65536))


def with_children(pids: Iterable[int]) -> list[psutil.Process]:
    """The processes and all that they started."""
    parents = [psutil.Process(pid) for pid in pids]
    return [*parents, *(child for parent in parents for child in parent.children(recursive=True))]


def cost(groups: dict[str, list[psutil.Process]], seconds: float) -> dict[str, dict[str, float]]:
    """Of each group of processes over `seconds`: CPU (per cent of one core), peak resident bytes (summed)."""
    began = time.monotonic()
    before = {name: _cpu(processes) for name, processes in groups.items()}
    peaks = dict.fromkeys(groups, 0)
    while time.monotonic() - began < seconds:
        for name, processes in groups.items():
            peaks[name] = max(peaks[name], sum(one.memory_info().rss for one in processes))
        time.sleep(0.5)
    elapsed = time.monotonic() - began
    return {
        name: {
            "cpu_percent": 100 * (_cpu(processes) - before[name]) / elapsed,
            "peak_rss_bytes": float(peaks[name]),
        }
        for name, processes in groups.items()
    }


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def died_at(site: Site, name: str, since: float) -> float:
    """When the engine says that the container died last, in seconds since the epoch."""
    words = ("events", "--since", f"{since:.3f}", "--until", f"{time.time():.3f}", "--format", "{{json .}}")
    told = site.engine.docker(*words, "--filter", "event=die", "--filter", f"container={name}").stdout
    return float(json.loads(told.splitlines()[-1])["timeNano"]) / 1e9
