"""Compose files: which containers they describe, and the command that creates them."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsdash.config import read_yaml
from wsdash.errors import RefusedError, WsdashError
from wsdash.stack.base import OutputSink
from wsdash.stack.text import LineSplitter
from wsdash.subprocesses import ProgramError, run_program

_VERSION_SECONDS = 20.0
_UP_SECONDS = 1800.0
_PULL_SECONDS = 3600.0
# both files are one project where they lie in one directory: each would call the other's containers orphans
_ENVIRONMENT = {"COMPOSE_ANSI": "never", "COMPOSE_PROGRESS": "plain", "COMPOSE_IGNORE_ORPHANS": "1"}
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?P<how>:?[-?+])?(?P<word>[^{}]*)\}|(?P<plain>\w+))")


@dataclass(frozen=True)
class ComposeService:
    """What a compose file says of one container. needs are container names."""

    container: str
    service: str
    files: tuple[str, ...]
    image: str
    needs: tuple[str, ...]


def read_compose(
    file: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> dict[str, ComposeService]:
    """The services of a compose file, with others laid over it, by container name.

    Only names, images and dependencies are looked at, so no secret needs to be set to read it.
    Raises InputError when a file cannot be read.
    """
    path, files = Path(file), (file, *overrides)
    services: dict[str, Any] = {}
    for each in files:
        content = read_yaml(Path(each))
        described = content.get("services") if isinstance(content, dict) else None
        for name, body in (described if isinstance(described, dict) else {}).items():
            services[name] = _laid_over(services.get(name), body)
    variables = _dotenv(path.parent / ".env") | dict(environment)
    containers = {
        name: _expand(_text(body, "container_name"), variables) or name for name, body in services.items()
    }
    return {
        containers[name]: ComposeService(
            containers[name],
            name,
            files,
            _expand(_text(body, "image"), variables) or f"{path.resolve().parent.name}-{name}",
            tuple(containers[need] for need in _needs(body) if need in containers),
        )
        for name, body in services.items()
    }


def _laid_over(under: Any, over: Any) -> Any:
    """A service's description with another one laid over it, as compose merges the keys looked at here."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over if under is None or isinstance(over, dict) else under
    needs = dict.fromkeys([*_needs(under), *_needs(over)])
    return under | over | {"depends_on": list(needs)}


def _text(body: Any, key: str) -> str:
    return str(body.get(key) or "") if isinstance(body, dict) else ""


def _needs(body: Any) -> list[str]:
    needs = body.get("depends_on") if isinstance(body, dict) else None
    return [str(need) for need in needs] if isinstance(needs, list | dict) else []


def _dotenv(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return {
        name.strip(): value.strip().strip("'\"")
        for name, sign, value in pairs
        if sign and not name.startswith("#")
    }


def _expand(text: str, variables: Mapping[str, str]) -> str:
    """Compose's ${NAME}, ${NAME:-word}, ${NAME-word}, ${NAME:+word}, ${NAME+word} and $$."""

    def value(match: re.Match[str]) -> str:
        name, how, word = match["name"] or match["plain"], match["how"] or "", match["word"] or ""
        if name is None:
            return "$"
        found = variables.get(name)
        present = found is not None and (bool(found) or not how.startswith(":"))
        if how.endswith("+"):
            return word if present else ""
        if how.endswith("-") and not present:
            return word
        return found or ""

    return _VARIABLE.sub(value, text)


def refuse_foreign(inspected: Mapping[str, Any], service: ComposeService) -> None:
    """Raise RefusedError when a container of the service's name was not made by compose for this service."""
    labels = (inspected.get("Config") or {}).get("Labels") or {}
    if labels.get("com.docker.compose.service") == service.service:
        return
    name = service.container
    raise RefusedError(
        f"there is a container {name} that was not made from the compose file; wsdash leaves it alone",
        where=f"{name}, image {(inspected.get('Config') or {}).get('Image', 'unknown')}",
        remedy=f"find out whose it is, then docker rename {name} (or docker rm it), and retry",
    )


async def compose_command() -> list[str]:
    """argv of the compose command: the docker plugin, else docker-compose. Raises WsdashError."""
    if shutil.which("docker"):
        with suppress(ProgramError):
            if (await run_program(("docker", "compose", "version"), seconds=_VERSION_SECONDS)).code == 0:
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
    await run_command(argv, output, _UP_SECONDS, where=f"{service.service} in {service.files[0]}")


async def compose_pull(services: Iterable[ComposeService], output: OutputSink) -> None:
    """Pull the images of services, one after the other. Raises WsdashError with the command's last words."""
    for service in services:
        argv = [*await _compose(service), "pull", service.service]
        await run_command(argv, output, _PULL_SECONDS, where=f"{service.image}, named in {service.files[0]}")


async def run_command(argv: Sequence[str], output: OutputSink, timeout: float, *, where: str) -> None:
    """Run a command to its end, each line of its output to the sink as it comes.

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
            env=os.environ | _ENVIRONMENT,
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
