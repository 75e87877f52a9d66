"""A world without Docker: services that configured commands, or a person, start and stop.

What runs is read from a service's own status command and from what answers at its health address. An address
that refuses connections shows that nobody listens there, not that the service is stopped: without a status
command such a service is `unknown`, and stop-old asks for more before it believes it.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from wsdash.config import ExternalService, StackSettings
from wsdash.errors import RefusedError, WsdashError
from wsdash.model import ContainerReading, LogLine
from wsdash.outside.http import client_session
from wsdash.stack.base import OutputSink
from wsdash.stack.compose.command import run_command
from wsdash.stack.limits import ASK_SECONDS, BUILD_SECONDS, EXTERNAL_POLL_SECONDS
from wsdash.stack.text import clean
from wsdash.subprocesses import CannotStartError, OverdueError, limited_environment, run_program

RUNS, STOPPED = 0, 3
"""Exit codes of a status command, as of an LSB init script and of `systemctl is-active`."""
NOWHERE = ExternalService()


@dataclass(frozen=True)
class _Answer:
    """What a health address said. listening: somebody accepts connections; None: that is not known."""

    listening: bool | None
    well: bool
    said: str


class ExternalStack:
    """base.Stack over commands and people. With read_only nothing is started or stopped."""

    def __init__(self, settings: StackSettings, *, read_only: bool = False) -> None:
        self._settings = settings
        self._read_only = read_only
        self._groups = dict.fromkeys(settings.apps.containers, "apps") | dict.fromkeys(
            settings.workspace.services, "workspace"
        )

    async def readings(self) -> list[ContainerReading]:
        """Every service that the settings name. Never raises."""
        return list(await asyncio.gather(*(self._reading(name) for name in self._groups)))

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        """In the order given. A service without a start command that does not run is a person's to start:
        raises WsdashError that says so. Also when a command fails, or a service is not healthy in time.
        """
        self._refuse_if_read_only()
        for name in names:
            if (await self._reading(name)).state != "running":
                await self._command(name, "start", output)
            await self._until_healthy(name, name in unready)

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        """In the reverse order. As start; returns when the service is stopped and its ports are free.

        handed_on: another service may hold its port by then, so that only its status command tells.
        """
        self._refuse_if_read_only()
        for name in reversed(names):
            if (await self._reading(name)).state == "exited":
                continue
            if (await self._reading(name)).state == "unknown" and not self._service(name).stop:
                continue  # nobody listens, and there is nothing that could be run
            await self._command(name, "stop", output)
            await self._until_gone(name)

    async def restart(self, name: str, output: OutputSink) -> None:
        """Stop, then start."""
        await self.stop([name], output)
        await self.start([name], output)

    async def publishers(self) -> dict[int, str]:
        """Port -> service, as configured, of those that run."""
        running = [reading.name for reading in await self.readings() if reading.state == "running"]
        return {port: name for name in running for port in self._service(name).ports}

    async def images(self) -> dict[str, bool]:
        """The start command of each service of the new stack -> whether its program is here."""
        found = {}
        for name in self._settings.workspace.containers:
            command = self._service(name).start
            here = not command or await asyncio.to_thread(shutil.which, command[0]) is not None
            found[f"{command[0]} (starts {name})" if command else f"{name} (started by a person)"] = here
        return found

    async def fetch_images(self, output: OutputSink) -> None:
        """Run the configured build command. Raises WsdashError where there is none, or it fails."""
        command = self._settings.workspace.build_command
        if not command:
            missing = [name for name, here in (await self.images()).items() if not here]
            raise WsdashError(
                "programs of the new stack are missing: " + ", ".join(missing),
                where="stack.external in wsdash.yaml",
                remedy="install them, or name stack.workspace.build_command, then retry",
            )
        env = limited_environment(self._settings.workspace.build_environment)
        await run_command(command, output, BUILD_SECONDS, where="stack.workspace.build_command", env=env)

    async def execute(self, name: str, argv: list[str], timeout: float) -> str:
        """An external service has no inside. Raises WsdashError."""
        raise WsdashError(
            f"nothing can be run inside {name}",
            where="stack.engine: external",
            remedy="set branching.open to database in wsdash.yaml, or skip this item with that reason",
        )

    async def watch(self, changed: Callable[[], object]) -> None:
        """Returns at once: nothing tells of a change before it is asked."""

    async def follow_logs(self, since: float) -> AsyncGenerator[LogLine, None]:
        """No lines: logs of external services are not read."""
        while True:
            await asyncio.sleep(3600)
            nothing: tuple[LogLine, ...] = ()
            for line in nothing:
                yield line

    async def close(self) -> None:
        """Nothing is held."""

    def _refuse_if_read_only(self) -> None:
        if self._read_only:
            raise RefusedError("this process only looks: it starts and stops nothing", where="stack")

    def _service(self, name: str) -> ExternalService:
        return self._settings.external.get(name, NOWHERE)

    async def _reading(self, name: str) -> ContainerReading:
        service = self._service(name)
        answer, status = await asyncio.gather(_ask(service.health), _status(service))
        if status == RUNS or (answer.listening and status != STOPPED):  # a relay may answer for a stopped one
            state = "running"
        elif status == STOPPED:
            state = "exited"
        else:
            state = "unknown"
        health = "none" if not service.health else "healthy" if answer.well else "unhealthy"
        detail = answer.said
        if status is not None and status not in (RUNS, STOPPED):
            detail = f"{detail}; its status command exited {status}".lstrip("; ")
        return ContainerReading(
            name=name,
            state=state,
            health=health if state == "running" else "unknown",
            group=self._groups.get(name, ""),
            ports=service.ports if state == "running" else (),
            detail=detail,
        )

    async def _command(self, name: str, what: str, output: OutputSink) -> None:
        service = self._service(name)
        argv = service.start if what == "start" else service.stop
        if not argv:
            raise WsdashError(
                f"{name} has no {what} command: a person {what}s it",
                where=f"wsdash.yaml, key stack.external.{name}",
                remedy=f"{what} {name} by hand, then run the same command again: wsdash sees it",
            )
        output(f"{what} {name}: {' '.join(argv)}")
        await _run(f"{what} {name}", argv, service, output)

    async def _until_healthy(self, name: str, unready: bool) -> None:
        service, began = self._service(name), time.monotonic()
        while True:
            reading = await self._reading(name)
            if reading.state == "running" and (unready or reading.health in ("healthy", "none")):
                return
            if not service.health and not service.status:
                raise WsdashError(
                    f"whether {name} runs cannot be seen: it has no health address and no status command",
                    where=f"wsdash.yaml, key stack.external.{name}",
                    remedy="name one of them",
                )
            if time.monotonic() - began > service.seconds:
                raise WsdashError(
                    f"{name} is {reading.state}, {reading.health} after {service.seconds:g} s: "
                    f"{reading.detail}",
                    where=name,
                    remedy="see its own log, then retry",
                )
            await asyncio.sleep(EXTERNAL_POLL_SECONDS)

    async def _until_gone(self, name: str) -> None:
        service, began = self._service(name), time.monotonic()
        while (reading := await self._reading(name)).state == "running":
            if time.monotonic() - began > service.seconds:
                raise WsdashError(
                    f"{name} still runs {service.seconds:g} s after it was stopped: {reading.detail}",
                    where=name,
                    remedy="find what keeps it (wsdash doctor names who holds its port), stop it, then retry",
                )
            await asyncio.sleep(EXTERNAL_POLL_SECONDS)


async def _run(what: str, argv: Sequence[str], service: ExternalService, output: OutputSink) -> None:
    try:
        env = limited_environment(service.environment)
        done = await run_program(argv, seconds=service.seconds, merged=True, env=env)
    except (CannotStartError, OverdueError) as error:
        raise WsdashError(f"{what}: {error}", where=argv[0], remedy="correct the command") from error
    lines = [line for raw in done.stdout.splitlines() if (line := clean(raw).strip())]
    for line in lines[-20:]:
        output(line)
    if done.code != 0:
        last = lines[-1] if lines else "it said nothing"
        raise WsdashError(
            f"{what} failed (exit code {done.code}): {last}", where=argv[0], remedy="correct it, then retry"
        )


async def _status(service: ExternalService) -> int | None:
    """The exit code of a status command; None where there is none, or it gave none."""
    if not service.status:
        return None
    try:
        env = limited_environment(service.environment)
        return (await run_program(service.status, seconds=ASK_SECONDS, env=env)).code
    except (CannotStartError, OverdueError):
        return None


async def _ask(address: str) -> _Answer:
    """Ask http(s)://... (2xx and 3xx are well) or tcp://host:port (well when it accepts a connection)."""
    if not address:
        return _Answer(None, True, "")
    try:
        async with asyncio.timeout(ASK_SECONDS):
            if address.startswith("tcp://"):
                parts = urlsplit(address)
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
                writer.close()
                return _Answer(True, True, f"{parts.netloc} accepts connections")
            async with client_session() as session, session.get(address) as response:
                said = clean(await response.content.read(200)).strip()
                well = response.status < 400
                return _Answer(True, well, f"GET {address}: {response.status}" + ("" if well else f" {said}"))
    except TimeoutError:
        return _Answer(None, False, f"{address}: no answer within {ASK_SECONDS:g} s")
    except aiohttp.ClientConnectorDNSError as error:
        return _Answer(None, False, f"the name {error.host} is not known")
    except (OSError, ValueError, aiohttp.ClientError) as error:
        return _Answer(False, False, f"{address}: {error}")
