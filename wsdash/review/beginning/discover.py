"""What a machine tells of the two worlds by itself: compose files, containers, ports."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsdash.errors import WsdashError
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
