"""A supervisor with services of a test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.processes import is_gone, until
from wsdash.demo.supervisor.main import ask, shut_down, spawn
from wsdash.model import ContainerReading
from wsdash.stack.local.client import ContainerDetail, ContainerView, SupervisorClient
from wsdash.stack.local.stack import LocalStack

FOREVER = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(60)"


def service(name: str, code: str = FOREVER, **more: Any) -> dict[str, Any]:
    """A service that runs a piece of Python."""
    described: dict[str, Any] = {
        "name": name,
        "group": "apps",
        "image": f"image-{name}",
        "argv": [sys.executable, "-u", "-c", code],
        "stop_signal": "SIGTERM",
        "grace_seconds": 5.0,
        "health_interval": 0.1,
    }
    return described | more


def quiet(line: str) -> None:
    """An output sink for who does not look."""


class World:
    """One directory, its supervisor, and a stack on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stack = LocalStack(directory)
        self.client = SupervisorClient(directory, read_only=True)

    def describe(self, *services: dict[str, Any], lease: float | None = None) -> None:
        """Write the services file."""
        path = self.directory / "services.json"
        path.write_text(json.dumps({"services": services, "lease_seconds": lease}))

    async def detail(self, name: str) -> ContainerDetail:
        """A service with its last lines."""
        return await self.client.get(f"/containers/{name}", ContainerDetail)

    async def reading(self, name: str) -> ContainerReading:
        """A service as it is now."""
        return (await self.detail(name)).view.reading

    async def act(self, name: str, action: str) -> ContainerView:
        """start, stop, restart or kill, as the supervisor itself does it."""
        client = SupervisorClient(self.directory, read_only=False)
        try:
            return await client.post(f"/containers/{name}/{action}", ContainerView, 30)
        finally:
            await client.close()

    async def pid(self, name: str) -> int:
        """The service's first process."""
        pid = (await self.detail(name)).view.pid
        assert pid is not None
        return pid

    async def supervisor_pid(self) -> int:
        """The supervisor's process."""
        found = await ask(self.directory)
        assert found is not None
        return found.pid

    async def kill_supervisor(self) -> None:
        """kill -9, and wait until it is gone."""
        pid = await self.supervisor_pid()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: is_gone(pid))


def sleeper(environment: dict[str, str], prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """A process of ours in a session of its own; prefix may make it another user's."""
    argv = [*prefix, sys.executable, "-c", "import time; time.sleep(600)"]
    return subprocess.Popen(argv, env=os.environ | environment, start_new_session=True)


@asynccontextmanager
async def world_of(
    directory: Path, *services: dict[str, Any], lease: float | None = None
) -> AsyncIterator[World]:
    """A world whose supervisor answers; at the end nothing of it is left."""
    world = World(directory)
    world.describe(*services, lease=lease)
    await spawn(directory)
    try:
        yield world
    finally:
        await world.stack.close()
        await world.client.close()
        with suppress(OSError):
            await shut_down(directory)
