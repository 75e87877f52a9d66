"""Containers of a Docker engine as a stack, created by the compose command where they do not exist."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, suppress
from typing import Any

import msgspec

from wsdash.config import StackSettings
from wsdash.errors import InputError, WsdashError
from wsdash.model import ContainerReading, LogLine
from wsdash.model.ports import PortPlan, in_the_way
from wsdash.stack.base import OutputSink, in_order, ports_still_taken, tell_stopped, together, with_needs
from wsdash.stack.compose import (
    built_image,
    compose_build,
    compose_pull,
    compose_up,
    refuse_foreign,
    run_command,
)
from wsdash.stack.docker.client import DockerClient, refusal
from wsdash.stack.docker.follow import follow_logs
from wsdash.stack.docker.inspect import ComposeNames, Inspected, Inspections
from wsdash.stack.docker.parse import (
    ContainerFacts,
    EngineFacts,
    facts_of,
    healthy_within,
    host_ports,
    parse_container,
)
from wsdash.stack.docker.place import listening_ports
from wsdash.stack.docker.watch import EventFollower, StatsFollower
from wsdash.stack.limits import BUILD_SECONDS, DOCKER_POLL_SECONDS, DOCKER_STOP_MARGIN_SECONDS, PORTS_SECONDS
from wsdash.subprocesses import limited_environment
from wsdash.tasks import task_group


class DockerStack:
    """base.Stack on a Docker engine. With read_only only GET requests are ever sent."""

    def __init__(
        self, settings: StackSettings, *, read_only: bool = False, secrets: frozenset[str] = frozenset()
    ) -> None:
        self._read_only = read_only
        self._client = DockerClient(read_only=read_only)
        self._settings = settings
        self._files = (settings.apps.file, settings.workspace.file)
        self._groups = dict.fromkeys(settings.apps.containers, "apps") | dict.fromkeys(
            settings.workspace.services, "workspace"
        )
        self._names = ComposeNames(self._client, settings, secrets)
        self._inspections = Inspections(self._names.inspect, self._groups)
        self._events = EventFollower(self._client, self._inspections, self._names.called)
        self._stats = StatsFollower(self._client)

    async def readings(self) -> list[ContainerReading]:
        """All containers that the settings name; one that does not exist is missing.

        Raises UnreachableError.
        """
        found = await self._inspections.current()
        absent = [
            name
            for name, one in found.items()
            if one.inspected is None and not one.silent and not one.trouble
        ]
        if absent and await self._names.learn() and any(map(self._names.labelled, absent)):
            for name in absent:
                self._inspections.touch(name)
            found = await self._inspections.current()
        self._stats.want(
            {
                name: str(one.inspected["Id"])
                for name, one in found.items()
                if one.inspected is not None and (one.inspected.get("State") or {}).get("Running")
            }
        )
        return [self._reading(name, one) for name, one in found.items()]

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        """Start containers and what they need, creating those that do not exist, in dependency order.

        Raises WsdashError with the last health output and the command that shows more when one ends or is
        not healthy in time; UnreachableError; RefusedError when read-only.
        """
        if self._read_only:
            raise refusal()
        described = await self._names.described()
        needs = {name: service.needs for name, service in described.items()}

        async def start_one(name: str) -> None:
            inspected = await self._names.inspect(name)
            state = (inspected or {}).get("State") or {}
            if inspected is not None and self._groups.get(name) == "workspace" and name in described:
                refuse_foreign(inspected, described[name])
            if inspected is None:
                if name not in described:
                    raise self._unknown(name)
                await compose_up(described[name], output)
            elif state.get("Paused"):
                await self._client.post(f"containers/{inspected['Id']}/unpause")
            elif not state.get("Running"):
                output(f"starting {name}")
                await self._client.post(f"containers/{inspected['Id']}/start", DOCKER_STOP_MARGIN_SECONDS)
            if name not in unready:
                await self._until_healthy(name)

        await in_order(with_needs(names, needs), needs, start_one)

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        """Stop containers, dependents first, each within its own grace period; returns when ports are free.

        Raises WsdashError when somebody else has taken a port; UnreachableError; RefusedError when read-only.
        """
        if self._read_only:
            raise refusal()
        try:
            described = await self._names.described()
        except WsdashError as error:
            # a stop must not fail because a file that is not needed any more cannot be read
            output(f"{error.what} ({error.where}): stopping in the reverse order of wsdash.yaml instead")
            dependents = {name: tuple(names[at + 1 :]) for at, name in enumerate(names)}
        else:
            dependents = {
                name: tuple(o for o in names if o in described and name in described[o].needs)
                for name in names
            }

        async def stop_one(name: str) -> None:
            inspected = await self._names.inspect(name)
            if inspected is None or not (inspected.get("State") or {}).get("Running"):
                return
            seconds = _grace(inspected) + DOCKER_STOP_MARGIN_SECONDS
            await self._client.post(f"containers/{inspected['Id']}/stop", seconds)
            taken = [] if handed_on else await self._ports_still_taken(inspected)
            tell_stopped(name, taken, output)

        await in_order(names, dependents, stop_one)

    async def restart(self, name: str, output: OutputSink) -> None:
        """As Stack promises; never creates one. Raises RefusedError when read-only, and for a container of
        the new stack's names that compose did not make.
        """
        if self._read_only:
            raise refusal()
        described = (await self._names.described()).get(name)
        inspected = await self._names.inspect(name)
        if inspected is None:
            raise WsdashError(
                f"there is no container {name}",
                where="Docker",
                remedy="item start-stack creates what is missing",
            )
        if described is not None and self._groups.get(name) == "workspace":
            refuse_foreign(inspected, described)
        if (inspected.get("State") or {}).get("Paused"):
            await self._client.post(f"containers/{inspected['Id']}/unpause")
        output(f"restarting {name}")
        seconds = _grace(inspected) + DOCKER_STOP_MARGIN_SECONDS
        await self._client.post(f"containers/{inspected['Id']}/restart", seconds)
        await self._until_healthy(name)

    async def publishers(self) -> dict[int, str]:
        """Port of the engine's machine -> running container that publishes it, also those of others.

        One that publishes it on an address where it is in nobody's way is left out. Raises UnreachableError.
        """
        addresses = await self._addresses()
        return {
            int(port["PublicPort"]): str(container["Names"][0]).lstrip("/")
            for container in await self._client.get("containers/json") or []
            for port in container.get("Ports") or []
            if port.get("PublicPort") and port.get("Type") == "tcp" and container.get("Names")
            if in_the_way(str(port.get("IP") or ""), addresses.get(int(port["PublicPort"]), ()))
        }

    async def port_plan(self) -> PortPlan:
        """Where the new stack's ports will be, as its compose file says. Raises UnreachableError."""
        place, here = await self._client.place(), await self._client.here()
        with suppress(WsdashError):  # what cannot be read may publish anywhere
            await self._names.described()
        there = None if here or not place.url.startswith("ssh://") else await listening_ports(place.url)
        return PortPlan(here, str(place), await self._addresses(), there)

    async def facts(self) -> tuple[list[ContainerFacts], EngineFacts]:
        """How the containers that exist were made, and on what machine. Raises UnreachableError."""
        found = await together(self._names.inspect(name) for name in self._groups)
        info = await self._client.get("info") or {}
        engine = EngineFacts(str(info.get("KernelVersion") or ""), str(info.get("ServerVersion") or ""))
        return [facts_of(name, one) for name, one in zip(self._groups, found, strict=True) if one], engine

    async def holds(self, name: str, path: str) -> bool:
        """Whether there is such a file in the container. Raises UnreachableError, WsdashError."""
        found = await self._names.inspect(name)
        return found is not None and await self._client.holds(str(found["Id"]), path)

    async def _addresses(self) -> dict[int, tuple[str, ...]]:
        """Port -> addresses the workspace's compose file publishes it on; {} when it cannot be read."""
        found: dict[int, set[str]] = {}
        for service in (await self._names.remembered()).values():
            if self._settings.workspace.file in service.files:
                for address, port in service.ports:
                    found.setdefault(port, set()).add(address)
        return {port: tuple(sorted(addresses)) for port, addresses in found.items()}

    async def images(self) -> dict[str, bool]:
        """Image of each container of the workspace group -> whether the engine has it.

        Raises InputError when a container exists neither in the engine nor in the compose file.
        """
        described = await self._names.described()
        wanted = []
        for name, group in self._groups.items():
            if group != "workspace":
                continue
            inspected = await self._names.inspect(name)
            if name in described and described[name].image:
                wanted.append(described[name].image)
            elif inspected is not None:
                wanted.append(str(inspected["Config"]["Image"]))
            elif name in described:
                wanted.append(built_image(described[name]))
            else:
                raise self._unknown(name)
        found = await together(self._client.get(f"images/{image}/json") for image in wanted)
        return {image: answer is not None for image, answer in zip(wanted, found, strict=True)}

    async def execute(self, name: str, argv: list[str], timeout: float) -> str:
        """As Stack promises; RefusedError when read-only."""
        if self._read_only:
            raise refusal()
        inspected = await self._names.inspect(name)
        code, said = await self._client.execute(str(inspected["Id"]) if inspected else name, argv, timeout)
        if code != 0:
            last = said.strip().splitlines()[-1] if said.strip() else "it said nothing"
            raise WsdashError(
                f"{argv[0]} failed in {name} (exit code {code}): {last}",
                where=name,
                remedy=f"read docker logs --tail 50 {name}, then retry",
            )
        return said

    async def fetch_images(self, output: OutputSink) -> None:
        """Run the configured build command, or pull what is missing.

        Raises WsdashError with the command's last words; RefusedError when read-only.
        """
        if self._read_only:
            raise refusal()
        command = self._settings.workspace.build_command
        if command:
            env = limited_environment(self._settings.workspace.build_environment)
            await run_command(command, output, BUILD_SECONDS, where="stack.workspace.build_command", env=env)
            return
        missing = {image for image, present in (await self.images()).items() if not present}
        described = (await self._names.described()).values()
        lacking = {image: s for s in described if (image := s.image or built_image(s)) in missing}
        await compose_build([service for service in lacking.values() if service.builds], output)
        await compose_pull([service for service in lacking.values() if not service.builds], output)

    async def follow_logs(self, since: float) -> AsyncGenerator[LogLine, None]:
        """Lines after `since`, for ever, each once, also across restarts and re-creation of containers.

        Raises UnreachableError when no engine answers for two seconds.
        """
        lines = follow_logs(self._client, self._names, self._inspections, self._groups, since)
        async with aclosing(lines):
            async for line in lines:
                yield line

    async def watch(self, changed: Callable[[], object]) -> None:
        """Follow the engine's events and stats until cancelled; calls changed when readings are out of date.

        Meanwhile readings cost a few questions instead of one for every container, and have CPU, memory and
        network.
        """
        async with task_group() as tasks:
            tasks.create_task(self._events.run(changed))
            tasks.create_task(self._stats.run())

    async def close(self) -> None:
        """Let go of connections; the containers go on."""
        await self._names.close()
        await self._client.close()

    def _reading(self, name: str, found: Inspected) -> ContainerReading:
        group, inspected = self._groups[name], found.inspected
        if inspected is None:
            state = "unknown" if found.silent or found.trouble else "missing"
            return ContainerReading(
                name=name, state=state, health="unknown", group=group, detail=found.trouble
            )
        stats = self._stats.newest(str(inspected.get("Id") or ""))
        reading = parse_container(name, group, inspected, stats)
        reading = msgspec.structs.replace(reading, ended_with=found.ended_with)
        if found.trouble:
            return msgspec.structs.replace(reading, health="unknown", detail=found.trouble)
        if found.silent:
            detail = f"the engine has not answered about it for {found.age:.0f} s"
            return msgspec.structs.replace(reading, health="unknown", detail=detail)
        return reading

    def _unknown(self, name: str) -> InputError:
        return InputError(
            f"the container {name} does not exist, and no compose file describes it",
            where=", ".join(self._files),
            remedy="correct stack.apps.file and stack.workspace.file in wsdash.yaml",
        )

    async def _until_healthy(self, name: str) -> None:
        began, restarts, ill_before = time.monotonic(), None, None
        while True:
            inspected = await self._names.inspect(name) or {}
            now = parse_container(name, self._groups.get(name, ""), inspected, {})
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
            await asyncio.sleep(DOCKER_POLL_SECONDS)

    def _failed(self, name: str, what: str, detail: str) -> WsdashError:
        said = f"; its health check says: {detail}" if detail else ""
        return WsdashError(what + said, where=name, remedy=f"read docker logs --tail 50 {name}, then retry")

    async def _ports_still_taken(self, inspected: dict[str, Any]) -> list[int]:
        if not await self._client.here():
            return []  # its ports are another machine's
        return await ports_still_taken(host_ports(inspected), PORTS_SECONDS)


def _grace(inspected: dict[str, Any]) -> float:
    """How long the container has to end before it is killed, in seconds."""
    return float((inspected.get("Config") or {}).get("StopTimeout") or 10)
