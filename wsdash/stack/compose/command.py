"""The compose command: which one this machine has, and what it is asked to do."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from wsdash.errors import RefusedError, WsdashError
from wsdash.stack.base import OutputSink
from wsdash.stack.compose.description import ComposeService, without_unnamed
from wsdash.stack.limits import PULL_SECONDS, UP_SECONDS, VERSION_SECONDS
from wsdash.stack.text import LineSplitter
from wsdash.subprocesses import ProgramError, limited_environment, run_program

# both files are one project where they lie in one directory: each would call the other's containers orphans
_ENVIRONMENT = {"COMPOSE_ANSI": "never", "COMPOSE_PROGRESS": "plain", "COMPOSE_IGNORE_ORPHANS": "1"}


def refuse_foreign(inspected: Mapping[str, Any], service: ComposeService) -> None:
    """Raise RefusedError when a container of the service's name was not made by compose for this service."""
    labels = (inspected.get("Config") or {}).get("Labels") or {}
    if labels.get("com.docker.compose.service") == service.service:
        return
    name = service.name
    raise RefusedError(
        f"there is a container {name} that was not made from the compose file; wsdash leaves it alone",
        where=f"{name}, image {(inspected.get('Config') or {}).get('Image', 'unknown')}",
        remedy=f"find out whose it is, then docker rename {name} (or docker rm it), and retry",
    )


async def compose_command() -> list[str]:
    """argv of the compose command: the docker plugin, else docker-compose. Raises WsdashError."""
    if shutil.which("docker"):
        with suppress(ProgramError):
            asked, env = ("docker", "compose", "version"), limited_environment()
            if (await run_program(asked, seconds=VERSION_SECONDS, env=env)).code == 0:
                return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise WsdashError(
        "there is no docker compose command on this machine",
        where="docker compose, docker-compose",
        remedy="install the Docker Compose plugin, then retry",
    )


async def compose_up(service: ComposeService, output: OutputSink) -> None:
    """Create and start one service of a compose file, without the ones it needs.

    Raises WsdashError with the command's last words.
    """
    argv = [*await _compose(service), "up", "-d", "--no-deps", service.service]
    env = await _environment(service)
    await run_command(argv, output, UP_SECONDS, where=f"{service.service} in {service.files[0]}", env=env)


async def compose_pull(services: Iterable[ComposeService], output: OutputSink) -> None:
    """Pull the images of services, one after the other. Raises WsdashError with the command's last words."""
    for service in services:
        argv = [*await _compose(service), "pull", service.service]
        where, env = f"{service.image}, named in {service.files[0]}", await _environment(service)
        await run_command(argv, output, PULL_SECONDS, where=where, env=env)


def built_image(service: ComposeService) -> str:
    """The name that compose gives an image it builds and that its file does not name.

    The plugin puts a hyphen between project and service, 1.29 a low line; a project's name is its directory's
    in small letters unless COMPOSE_PROJECT_NAME says otherwise.
    """
    project = os.environ.get("COMPOSE_PROJECT_NAME") or os.path.basename(service.directory)
    plain = "".join(c for c in project.lower() if c.isascii() and (c.isalnum() or c in "-_"))
    return f"{plain}{'_' if service.older else '-'}{service.service}"


async def compose_build(services: Iterable[ComposeService], output: OutputSink) -> None:
    """Build the images of services as their files say. Raises WsdashError with the command's last words."""
    for service in services:
        argv = [*await _compose(service), "build", service.service]
        where, env = f"{service.service} in {service.files[0]}", await _environment(service)
        await run_command(argv, output, PULL_SECONDS, where=where, env=env)


async def run_command(
    argv: Sequence[str], output: OutputSink, timeout: float, *, where: str, env: Mapping[str, str]
) -> None:
    """Run a command with the environment `env` to its end, each line of its output to the sink as it comes.

    It leads a session of its own. Raises WsdashError with its last words when it fails, cannot be started or
    takes longer than `timeout` seconds; then, or when cancelled, it is killed with its children.
    """
    shown = shlex.join(argv)
    output(f"$ {shown}")
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**env, **_ENVIRONMENT},
            start_new_session=True,
        )
    except OSError as error:
        raise WsdashError(
            f"{argv[0]} cannot be started: {error.strerror}", where=where, remedy="correct the command"
        ) from error
    last: list[str] = []

    def take(lines: list[str]) -> None:
        for line in filter(str.strip, lines):
            output(line)
            last[:] = [*last[-4:], line]

    code = await _finish(process, timeout, take)
    if code == 0:
        return
    ended = f"did not end within {timeout:.0f} s" if code is None else f"ended with exit code {code}"
    raise WsdashError(
        f"{shown} {ended}: " + " / ".join(last),
        where=where,
        remedy="correct what it says, then retry; the same command by hand shows it again",
    )


async def _environment(service: ComposeService) -> dict[str, str]:
    return await asyncio.to_thread(without_unnamed, service.secrets, service.files)


async def _compose(service: ComposeService) -> list[str]:
    return [*await compose_command(), *(word for file in service.files for word in ("-f", file))]


async def _finish(
    process: asyncio.subprocess.Process,
    timeout: float,
    take: Callable[[list[str]], object],
) -> int | None:
    """Its exit code; None when it had to be killed after `timeout` seconds."""
    splitter = LineSplitter()
    try:
        async with asyncio.timeout(timeout):
            while process.stdout is not None and (piece := await process.stdout.read(65_536)):
                take(splitter.feed(piece))
            take(splitter.finish())
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            # docker runs compose as a child, which holds the pipe: wait() would wait for that one too
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
