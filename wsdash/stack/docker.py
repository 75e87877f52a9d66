"""Containers of a Docker engine as a stack, created by the compose command where they do not exist."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from wsdash.config import StackSettings
from wsdash.errors import InputError, UnreachableError, WsdashError
from wsdash.model import ContainerReading, LogLine
from wsdash.stack.base import OutputSink
from wsdash.stack.compose import (
    ComposeService,
    compose_pull,
    compose_up,
    read_compose,
    refuse_foreign,
    run_command,
)
from wsdash.stack.docker_client import DockerClient, refusal
from wsdash.stack.docker_logs import Cursor, as_log_line
from wsdash.stack.docker_parse import CpuSample, healthy_within, host_ports, parse_container
from wsdash.stack.order import in_order, together, with_needs
from wsdash.stack.ports import ports_still_taken

RECONNECT_SECONDS = 10.0
"""How long follow_logs goes on trying before it says that the engine is gone."""

_POLL_SECONDS = 0.1
_MISSING_POLL_SECONDS = 1.0
_STOP_MARGIN_SECONDS = 30.0
_PORTS_SECONDS = 5.0
_BUILD_SECONDS = 4 * 3600.0
_WAITING_LINES = 2_000


class DockerStack:
    """base.Stack on a Docker engine. With read_only only GET requests are ever sent."""

    def __init__(self, settings: StackSettings, *, read_only: bool = False) -> None:
        self._read_only = read_only
        self._client = DockerClient(read_only=read_only)
        self._settings = settings
        self._files = (settings.apps.file, settings.workspace.file)
        self._groups = dict.fromkeys(settings.apps.containers, "apps") | dict.fromkeys(
            settings.workspace.containers, "workspace"
        )
        self._cpu: dict[str, CpuSample] = {}

    async def readings(self) -> list[ContainerReading]:
        """All containers that the settings name; one that does not exist is missing.

        Raises UnreachableError.
        """
        return await together(self._reading(name) for name in self._groups)

    async def start(self, names: list[str], output: OutputSink) -> None:
        """Start containers and what they need, creating those that do not exist, in dependency order.

        Raises WsdashError with the last health output and the command that shows more when one ends or is
        not healthy in time; UnreachableError; RefusedError when read-only.
        """
        if self._read_only:
            raise refusal()
        described = await self._described()
        needs = {name: service.needs for name, service in described.items()}

        async def start_one(name: str) -> None:
            inspected = await self._client.get(f"containers/{name}/json")
            state = (inspected or {}).get("State") or {}
            if inspected is not None and self._groups.get(name) == "workspace" and name in described:
                refuse_foreign(inspected, described[name])
            if inspected is None:
                await self._create(name, described.get(name), output)
            elif state.get("Paused"):
                await self._client.post(f"containers/{name}/unpause")
            elif not state.get("Running"):
                output(f"starting {name}")
                await self._client.post(f"containers/{name}/start", _STOP_MARGIN_SECONDS)
            await self._until_healthy(name)

        await in_order(with_needs(names, needs), needs, start_one)

    async def stop(self, names: list[str], output: OutputSink) -> None:
        """Stop containers, dependents first, each within its own grace period; returns when ports are free.

        Raises WsdashError when somebody else has taken a port; UnreachableError; RefusedError when read-only.
        """
        if self._read_only:
            raise refusal()
        described = await self._described()
        dependents = {
            name: tuple(o for o in names if o in described and name in described[o].needs) for name in names
        }

        async def stop_one(name: str) -> None:
            inspected = await self._client.get(f"containers/{name}/json")
            if not ((inspected or {}).get("State") or {}).get("Running"):
                return
            grace = float((inspected.get("Config") or {}).get("StopTimeout") or 10)
            await self._client.post(f"containers/{name}/stop", grace + _STOP_MARGIN_SECONDS)
            taken = await self._ports_still_taken(inspected)
            if taken:
                raise WsdashError(
                    f"{name} is stopped, but port {taken[0]} is still taken by another process",
                    where=f"port {taken[0]}",
                    remedy="find that process (wsdash doctor names it), stop it, then retry",
                )
            output(f"stopped {name}")

        await in_order(names, dependents, stop_one)

    async def publishers(self) -> dict[int, str]:
        """Port of the engine's machine -> running container that publishes it, also those of others.

        Raises UnreachableError.
        """
        return {
            int(port["PublicPort"]): str(container["Names"][0]).lstrip("/")
            for container in await self._client.get("containers/json") or []
            for port in container.get("Ports") or []
            if port.get("PublicPort") and port.get("Type") == "tcp" and container.get("Names")
        }

    async def images(self) -> dict[str, bool]:
        """Image of each container of the workspace group -> whether the engine has it.

        Raises InputError when a container exists neither in the engine nor in the compose file.
        """
        described = await self._described()
        wanted = []
        for name, group in self._groups.items():
            if group != "workspace":
                continue
            inspected = await self._client.get(f"containers/{name}/json")
            if name in described:
                wanted.append(described[name].image)
            elif inspected is not None:
                wanted.append(str(inspected["Config"]["Image"]))
            else:
                raise self._unknown(name)
        found = await together(self._client.get(f"images/{image}/json") for image in wanted)
        return {image: answer is not None for image, answer in zip(wanted, found, strict=True)}

    async def fetch_images(self, output: OutputSink) -> None:
        """Run the configured build command, or pull what is missing.

        Raises WsdashError with the command's last words; RefusedError when read-only.
        """
        if self._read_only:
            raise refusal()
        command = self._settings.workspace.build_command
        if command:
            await run_command(command, output, _BUILD_SECONDS, where="stack.workspace.build_command")
            return
        missing = {image for image, present in (await self.images()).items() if not present}
        described = (await self._described()).values()
        await compose_pull({s.image: s for s in described if s.image in missing}.values(), output)

    async def follow_logs(self, since: float) -> AsyncGenerator[LogLine, None]:
        """Lines after `since`, for ever, each once, also across restarts and re-creation of containers.

        Raises UnreachableError when no engine answers for 10 s.
        """
        queue: asyncio.Queue[LogLine | Exception] = asyncio.Queue(_WAITING_LINES)
        tasks = [asyncio.create_task(self._follow(name, since, queue)) for name in self._groups]
        try:
            while True:
                line = await queue.get()
                if isinstance(line, Exception):
                    raise line
                yield line
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Let go of connections; the containers go on."""
        await self._client.close()

    async def _reading(self, name: str) -> ContainerReading:
        group = self._groups[name]
        inspected = await self._client.get(f"containers/{name}/json")
        if inspected is None:
            self._cpu.pop(name, None)
            return ContainerReading(name=name, state="missing", health="unknown", group=group)
        stats: dict[str, Any] = {}
        if (inspected.get("State") or {}).get("Running"):
            path = f"containers/{name}/stats"
            stats = await self._client.get(path, **{"stream": "0", "one-shot": "1"}) or {}
        before = self._cpu.pop(name, None)
        now = CpuSample.of(stats.get("cpu_stats") or {})
        if now is not None:
            self._cpu[name] = now
        return parse_container(name, group, inspected, stats, before)

    async def _described(self) -> dict[str, ComposeService]:
        """What the compose files say; a file that is not there says nothing."""
        found: dict[str, ComposeService] = {}
        for group in (self._settings.apps, self._settings.workspace):
            if await asyncio.to_thread(Path(group.file).exists):
                found |= await asyncio.to_thread(read_compose, group.file, dict(os.environ), group.overrides)
        return found

    async def _create(self, name: str, service: ComposeService | None, output: OutputSink) -> None:
        if service is None:
            raise self._unknown(name)
        await compose_up(service, output)

    def _unknown(self, name: str) -> InputError:
        return InputError(
            f"the container {name} does not exist, and no compose file describes it",
            where=", ".join(self._files),
            remedy="correct stack.apps.file and stack.workspace.file in wsdash.yaml",
        )

    async def _until_healthy(self, name: str) -> None:
        began, restarts, ill_before = time.monotonic(), None, None
        while True:
            inspected = await self._client.get(f"containers/{name}/json") or {}
            now = parse_container(name, self._groups.get(name, ""), inspected, {}, None)
            restarts = now.restarts if restarts is None else restarts
            # what it needs has just come back: one that was unhealthy without it may get well now
            ill_before = now.health == "unhealthy" if ill_before is None else ill_before
            if now.state == "running" and now.health in ("healthy", "none"):
                return
            if now.state not in ("running", "created") or now.restarts > restarts:
                ended = f" (exit code {now.exit_code})" if now.exit_code is not None else ""
                raise self._failed(name, f"{name} ended while it was starting{ended}", now.detail)
            ill = now.health == "unhealthy" and not ill_before
            if ill or time.monotonic() - began > healthy_within(inspected):
                raise self._failed(name, f"{name} is not healthy", now.detail)
            await asyncio.sleep(_POLL_SECONDS)

    def _failed(self, name: str, what: str, detail: str) -> WsdashError:
        said = f"; its health check says: {detail}" if detail else ""
        return WsdashError(what + said, where=name, remedy=f"read docker logs --tail 50 {name}, then retry")

    async def _ports_still_taken(self, inspected: dict[str, Any]) -> list[int]:
        if not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://"):
            return []  # its ports are another machine's
        return await ports_still_taken(host_ports(inspected), _PORTS_SECONDS)

    async def _follow(self, name: str, since: float, queue: asyncio.Queue[LogLine | Exception]) -> None:
        cursor, lost_at = Cursor(since), None
        while True:
            try:
                inspected = await self._client.get(f"containers/{name}/json")
                lost_at = None
                if inspected is not None:
                    terminal = bool((inspected.get("Config") or {}).get("Tty"))
                    cursor.begin()
                    async for line in self._client.log(name, cursor.since, terminal):
                        if cursor.is_new(line):
                            await queue.put(as_log_line(name, line))
            except UnreachableError as error:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > RECONNECT_SECONDS:
                    await queue.put(error)
                    return
            except WsdashError as error:  # a logging driver that cannot be read, say
                await queue.put(LogLine(name, time.time(), "wsdash", error.what))
                return
            except Exception as error:  # else nobody would hear of it
                await queue.put(error)
                return
            await asyncio.sleep(_MISSING_POLL_SECONDS if lost_at is None else _POLL_SECONDS)
