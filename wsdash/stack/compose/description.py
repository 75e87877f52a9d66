"""What compose files describe, read from the output of `compose config`, and which variables they name.

wsdash's own secrets go to compose only where a file asks for them.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsdash.errors import InputError
from wsdash.outside import DocumentError, read_text_file, read_yaml
from wsdash.stack.limits import CONFIG_SECONDS
from wsdash.stack.text import clean
from wsdash.subprocesses import ProgramError, run_program

MOST_FILES = 500
LARGEST_FILE = 1 << 20
_WORD = re.compile(r"[^\s\"'\[\]{},=]+")
_NAMES_FILES = re.compile(r"\b(?:include|extends|env_file)\b")
_OUT_OF_REACH = re.compile(r"://|git@|oci:|\$\S*(?:/|\.ya?ml|\.env)")
"""A file of another machine, or one whose name a variable completes."""


def without_unnamed(secrets: Iterable[str], files: Sequence[str]) -> dict[str, str]:
    """Our environment for the compose command, less the secret variables that nothing there names.

    Read are the files, the `.env` beside each, and every file that one of them names (include, extends,
    env_file, also where it is only mounted). A variable is handed on when its name is anywhere in these, and
    all are where not every file can be read: compose would take an empty value for a missing one.
    """
    withheld = unnamed(secrets, files)
    return {name: value for name, value in os.environ.items() if name not in withheld}


def unnamed(secrets: Iterable[str], files: Sequence[str]) -> frozenset[str]:
    """Those of the variables that no file names."""
    left = frozenset(secrets)
    waiting = [Path(file).absolute() for file in files]
    seen = set(waiting)
    while waiting and left:
        file = waiting.pop()
        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
        except FileNotFoundError:
            continue
        except OSError:
            return frozenset()
        if b"\0" in content:
            continue  # a program, such as an entrypoint's /bin/sh: compose reads no variables there
        if len(content) > LARGEST_FILE:
            return frozenset()
        text = content.decode("utf-8", "replace")
        if _NAMES_FILES.search(text) and _OUT_OF_REACH.search(text):
            return frozenset()
        left -= {name for name in left if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}
        directories = {file.parent, *(Path(first).parent for first in files)}
        for named in (file.with_name(".env"), *_files(set(_WORD.findall(text)), directories)):
            if named not in seen:
                seen.add(named)
                waiting.append(named)
        if len(seen) > MOST_FILES:
            return frozenset()
    return left


def _files(words: Iterable[str], directories: set[Path]) -> list[Path]:
    """The regular files that words name, seen from the directories."""
    found = []
    for word in words:
        for part in (word, word.partition(":")[0]):
            if len(part) > 1 and "\0" not in part and len(part) < 1000:
                found += [path for at in directories if _may_be_file(path := (at / part).absolute())]
    return found


def _may_be_file(path: Path) -> bool:
    """Whether it is a regular file, or may be one that we are not allowed to see."""
    try:
        return path.is_file()
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG  # a word that is too long for any file's name


_OUTPUT_BYTES = 8 * 2**20
_MISSING_VARIABLES = 50
_MOST_PORTS = 1000
# 1.29 quotes the text it was at (['P=${SECRET:?set SECRET}'] in service ...); the plugin names the variable
_MISSING = re.compile(r"\$\{(\w+):?\?|required variable (\w+) is missing")
_LINE = re.compile(r"\bline (\d+)")
# profiles hide services from `config`; `up SERVICE` starts them all the same
_READING = {"COMPOSE_PROFILES": "*", "COMPOSE_ANSI": "never"}
_PLACEHOLDER, _PATH_PLACEHOLDER = "1", "/1"
"""Valid as a text, a port and a number, and as a directory: what is read here does not depend on them."""
_MOUNTED = re.compile(r"\$\{(\w+)[^}]*\}(?:/[^:\s\"']*)?:/")
"""A variable that a short mount begins with: without a slash compose takes it for a volume's name."""


@dataclass(frozen=True)
class ComposeService:
    """What compose files say of one container.

    name: its container_name, else as wsdash's settings call it, else the service. container: its
    container_name, '' where compose makes a name of project, service and number. needs: names of the same
    kind as name. image: '' when it is built and has no name of its own. ports: TCP ports of the engine's
    machine with the address each is published on ('': every one). older: as docker-compose 1.29 reads it, not
    the plugin. secrets: wsdash's own variables, which compose gets only where its files name them.
    """

    name: str
    service: str
    container: str
    files: tuple[str, ...]
    image: str
    builds: bool
    needs: tuple[str, ...]
    ports: tuple[tuple[str, int], ...] = ()
    older: bool = False
    secrets: frozenset[str] = frozenset()

    @property
    def directory(self) -> str:
        """The project's directory, absolute: compose notes it on each container it makes."""
        return os.path.abspath(os.path.dirname(self.files[0]))


async def described_services(
    command: Sequence[str],
    files: Sequence[str],
    names: Iterable[str],
    secrets: frozenset[str] = frozenset(),
) -> dict[str, ComposeService]:
    """The services that the files describe together, by name; `names` are the ones that the settings use.

    command: argv of the compose command. A variable that must be set and is not needs no value to be read:
    compose says which ones it misses, and gets a placeholder. secrets: variables that compose
    gets only where its files name them. Raises InputError with compose's own words.
    """
    variables: dict[str, str] = {}
    ours = await asyncio.to_thread(without_unnamed, secrets, files)
    mounted = await asyncio.to_thread(_mounted, files)
    argv = [*command, *(word for file in files for word in ("-f", file)), "config"]
    for _ in range(_MISSING_VARIABLES):
        environment = ours | variables | _READING
        try:
            done = await run_program(argv, seconds=CONFIG_SECONDS, keep=_OUTPUT_BYTES, env=environment)
        except ProgramError as error:
            raise _unreadable(files, str(error)) from error
        if done.code == 0:
            return _services(_parsed(done.stdout, files), tuple(files), tuple(names), secrets)
        said = "\n".join(line for raw in done.stderr.splitlines() if (line := clean(raw).strip()))
        missing = {name for pair in _MISSING.findall(said) for name in pair if name} - set(variables)
        if not missing:
            raise _unreadable(files, said or f"compose ended with exit code {done.code}")
        variables |= {name: _PATH_PLACEHOLDER if name in mounted else _PLACEHOLDER for name in missing}
    raise _unreadable(files, f"it needs more than {_MISSING_VARIABLES} variables that are not set")


def _mounted(files: Sequence[str]) -> set[str]:
    """The variables that the files use as a directory of this machine."""
    found: set[str] = set()
    for file in files:
        with suppress(OSError):  # compose says itself what it cannot read
            found |= set(_MOUNTED.findall(read_text_file(Path(file), largest=LARGEST_FILE)))
    return found


def _parsed(output: bytes, files: Sequence[str]) -> Mapping[str, Any]:
    try:
        content = read_yaml(output.decode("utf-8", "replace"), largest=16 << 20)
    except DocumentError as error:
        raise _unreadable(files, "`compose config` printed something that is not YAML") from error
    return content if isinstance(content, dict) else {}


def _unreadable(files: Sequence[str], why: str) -> InputError:
    return InputError(
        f"the compose command cannot read the file: {' / '.join(why.splitlines()[-5:])}",
        where=_place(files, why),
        remedy="correct what it says; `docker compose -f FILE config` (or docker-compose) shows it again",
    )


def _place(files: Sequence[str], why: str) -> str:
    """The file that compose's words name, with the line; all of them when it names none."""
    named = [file for file in files if os.path.basename(file) in why] if len(files) > 1 else files
    lines = _LINE.findall(why)
    if len(named) == 1:
        return f"{named[0]}, line {lines[-1]}" if lines else named[0]
    return ", ".join(files)


def _services(
    content: Mapping[str, Any], files: tuple[str, ...], names: tuple[str, ...], secrets: frozenset[str]
) -> dict[str, ComposeService]:
    bodies = {
        str(service): body if isinstance(body, dict) else {}
        for service, body in (content.get("services") or {}).items()
    }
    called = {service: _name(service, body, names) for service, body in bodies.items()}
    return {
        called[service]: ComposeService(
            called[service],
            service,
            str(body.get("container_name") or ""),
            files,
            str(body.get("image") or ""),
            bool(body.get("build")),
            tuple(called[need] for need in _needs(body) if need in called),
            ports=tuple(_ports(body)),
            older="name" not in content,  # the plugin prints the project's name
            secrets=secrets,
        )
        for service, body in bodies.items()
    }


def _name(service: str, body: Mapping[str, Any], names: tuple[str, ...]) -> str:
    container = str(body.get("container_name") or "")
    if container:
        return container
    # the settings may name the service, or the container that compose makes of it (project-service-1)
    endings = (f"-{service}-1", f"_{service}_1")
    return next((name for name in names if name == service or name.endswith(endings)), service)


def _ports(body: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """1.29 prints an address only in the short form (127.0.0.1:5433:5432/tcp), the plugin in the long one."""
    for port in body.get("ports") or ():
        if isinstance(port, dict):
            address, published = str(port.get("host_ip") or ""), str(port.get("published") or "")
            protocol = str(port.get("protocol") or "tcp")
        else:
            binding, _, protocol = str(port).partition("/")
            host, _, _ = binding.rpartition(":")
            address, _, published = host.rpartition(":")
        first, _, last = published.partition("-")
        if first.isdecimal() and (last or first).isdecimal() and protocol in ("", "tcp"):
            for number in range(int(first), min(int(last or first), int(first) + _MOST_PORTS) + 1):
                yield address.strip("[]"), number


def _needs(body: Mapping[str, Any]) -> list[str]:
    """The services that must run before this one: named, linked, or those whose namespaces it shares."""
    needs = [str(need) for need in body.get("depends_on") or ()]
    needs += [str(link).partition(":")[0] for link in body.get("links") or ()]
    needs += [str(source).partition(":")[0] for source in body.get("volumes_from") or ()]
    for key in ("network_mode", "ipc", "pid"):
        kind, _, service = str(body.get(key) or "").partition(":")
        needs += [service] if kind == "service" else []
    return list(dict.fromkeys(needs))
