"""A first configuration: what this machine tells of the two worlds by itself, written into the shipped file.

Compose files, containers and ports are looked at. The shipped wsdash.yaml keeps its comments, because people
go on from there.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsdash.config import load_settings, read_yaml, shipped
from wsdash.errors import InputError, WsdashError, system_failure
from wsdash.outside import read_yaml as parse
from wsdash.runtime import write_private
from wsdash.stack.compose import ComposeService, compose_command, described_services
from wsdash.stack.docker.client import DockerClient
from wsdash.watch.pollers.ports import read_holders

DEEPEST = 4
MOST_FILES = 40
_SKIPPED = {"node_modules", "vendor", "dist", "build", "__pycache__"}
_STORAGE = ("pageserver", "safekeeper")
Values = dict[str, Any]
"""Dotted key of wsdash.yaml -> value."""


@dataclass(frozen=True)
class Discovered:
    """values: what was found, by dotted key. sentences: what was found, and what was not."""

    values: Values = field(default_factory=dict)
    sentences: tuple[str, ...] = ()


async def discover(root: Path) -> Discovered:
    """Look below `root` and at this machine's Docker engine. Never raises for what is not there."""
    values: Values = {}
    sentences: list[str] = []
    files = await asyncio.to_thread(lambda: list(compose_files_below(root)))
    try:
        command = await compose_command()
    except WsdashError as error:
        command = []
        sentences.append(f"{error.what}: compose files are only known by their names")
    for file in files:
        services = await _services(command, file, sentences)
        kind = kind_of(file, services)
        if kind and f"stack.{kind}.file" not in values:
            values |= values_of(kind, file, services)
            names = ", ".join(services) or "not read"
            sentences.append(
                f"{file} describes the {'old world' if kind == 'apps' else 'new stack'}: {names}"
            )
    for kind, what in (("apps", "the old world"), ("workspace", "the new stack")):
        if f"stack.{kind}.file" not in values:
            sentences.append(f"no compose file of {what} was found below {root}")
    sentences += await _engine(values)
    return Discovered(values, tuple(sentences))


def compose_files_below(root: Path) -> Iterator[Path]:
    """Compose files by their names, at most MOST_FILES, at most DEEPEST directories down. Blocks for I/O."""
    found = 0
    for directory, below, names in os.walk(root):
        depth = len(Path(directory).relative_to(root).parts)
        below[:] = sorted(n for n in below if depth < DEEPEST and n[0] != "." and n not in _SKIPPED)
        for name in sorted(names):
            if "compose" in name and name.endswith((".yml", ".yaml")):
                yield Path(directory, name)
                found += 1
                if found == MOST_FILES:
                    return


def kind_of(file: Path, services: Mapping[str, ComposeService]) -> str:
    """apps (the old world), workspace (the new stack), or '' for neither."""
    words = " ".join([*services, *(service.image for service in services.values())])
    if services:
        if any(part in words for part in _STORAGE):
            return "workspace"
        return "apps" if "timescale" in words else ""
    if "workspace" in file.name:
        return "workspace"
    return "apps" if "apps" in file.name else ""


def values_of(kind: str, file: Path, services: Mapping[str, ComposeService]) -> Values:
    """What such a file says, by dotted key."""
    values: Values = {f"stack.{kind}.file": str(file)}
    if not services:
        return values
    values[f"stack.{kind}.containers"] = list(services)
    if kind == "apps":
        database = next(n for n, one in services.items() if "timescale" in f"{n} {one.image}")
        others = [name for name in services if name != database]
        values["source.label"] = database
        if port := _published(services[database]):
            values["source.port"] = port
        if old := next((n for n in others if "workspace" in n), others[0] if others else ""):
            values["stack.apps.old_service"] = old
            if port := _published(services[old]):
                values["api.old"] = f"http://localhost:{port}"
        return values
    for name, service in services.items():
        port = _published(service)
        if "compute" in name:
            values["target.label"] = name
            if port:
                values["target.port"] = port
        elif "api" in name and port:
            values["api.new"] = f"http://localhost:{port}"
    values["ports"] = sorted({port for one in services.values() for _, port in one.ports}) or None
    return {name: value for name, value in values.items() if value is not None}


def taken_ports(ports: Sequence[int]) -> list[str]:
    """A sentence for each of these ports that somebody holds, with a free one near it. Blocks for I/O."""
    sentences = []
    for reading in read_holders(ports, {}):
        if reading.holder:
            free = next(
                (p for p in range(reading.port + 1, 65_536) if not read_holders([p], {})[0].holder), 0
            )
            sentences.append(f"port {reading.port} is held by {reading.holder}; {free} is free")
    return sentences


def _published(service: ComposeService) -> int:
    return min((port for _, port in service.ports), default=0)


async def _services(command: Sequence[str], file: Path, sentences: list[str]) -> Mapping[str, ComposeService]:
    if not command:
        return {}
    try:
        return await described_services(command, (str(file),), ())
    except WsdashError as error:
        sentences.append(f"{file} cannot be read: {error.what}")
        return {}


async def _engine(values: Values) -> list[str]:
    """Which of the containers are there, as the Docker engine says."""
    docker = DockerClient(read_only=True)
    try:
        listed = await docker.get("/containers/json", {"all": "1"}) or []
    except WsdashError as error:
        return [error.what]
    finally:
        with suppress(WsdashError, OSError):
            await docker.close()
    there = {
        str(name).lstrip("/"): str(one.get("State")) for one in listed for name in one.get("Names") or ()
    }
    wanted = [*values.get("stack.apps.containers", ()), *values.get("stack.workspace.containers", ())]
    if not wanted:
        return (
            [f"the Docker engine has {len(there)} containers: {', '.join(sorted(there)[:12])}"]
            if there
            else []
        )
    return [f"container {name}: {there.get(name, 'not made yet')}" for name in wanted]


FILE = "wsdash.yaml"
_LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?P<rest>.*)$")
_PLAIN = re.compile(r"[A-Za-z][\w./-]*[\w/]|[A-Za-z]")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """The YAML text with these values (by dotted key) in place of its own; comments and order stay.

    Only keys that the text has, with a value on their own line. Raises InputError for any other.
    """
    left = dict(values)
    path: list[tuple[int, str]] = []
    lines = []
    for line in text.split("\n"):
        found = _LINE.match(line)
        if found is None or line.lstrip().startswith("#"):
            lines.append(line)
            continue
        indent = len(found["indent"])
        path = [(depth, name) for depth, name in path if depth < indent] + [(indent, found["key"])]
        key = ".".join(name for _, name in path)
        if key in left:
            line = f"{found['indent']}{found['key']}: {_scalar(left.pop(key))}{_comment(found['rest'])}"
        lines.append(line)
    if left:
        raise InputError(f"wsdash.yaml has no key {next(iter(left))}", remedy="leave it out")
    return "\n".join(lines)


def write_configuration(directory: Path, values: Mapping[str, Any], *, replace: bool = False) -> Path:
    """Write DIR/wsdash.yaml; what was written is read back and compared. Raises InputError.

    Never over a file that is there, unless `replace`; then the old one is kept beside it as wsdash.yaml.old.
    """
    path = directory / FILE
    if path.exists() and not replace:
        raise InputError(
            "there is a configuration already",
            where=str(path),
            remedy="use --replace, or another --config DIR",
        )
    text = with_values(shipped("config", FILE).read_text(encoding="utf-8"), values)
    content = parse(text)
    for key, value in values.items():
        node = content
        for part in key.split("."):
            node = node[part]
        if node != value:
            raise InputError(f"{key} would be read back as {node!r}", where=str(path), remedy="report this")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            path.replace(path.with_suffix(".yaml.old"))
        write_private(path, text)
    except OSError as error:
        remedy = "name a directory that you may write with --config DIR"
        what = "the configuration cannot be written"
        raise system_failure(error, path, what, remedy=remedy, kind=InputError) from error
    load_settings(directory)
    return path


def current_values(directory: Path, keys: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration that is there says for these keys; {} where there is none. Raises InputError."""
    if not (directory / FILE).exists():
        return {}
    content, found = read_yaml(directory / FILE), {}
    for key in keys:
        node: Any = content
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if node is not None:
            found[key] = node
    return found


def _scalar(value: Any) -> str:
    """A value in YAML's flow style, on one line."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _comment(rest: str) -> str:
    """The comment at a line's end, with the blanks before it; a # within quotes is none."""
    quoted = ""
    for place, sign in enumerate(rest):
        if quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "\"'":
            quoted = sign
        elif sign == "#" and rest[place - 1 : place] in (" ", ""):
            return "   " + rest[place:]
    return ""
