"""What the new stack is made from: the compose command, its files, and the images they name."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from wsdash.config import AppsSettings, Settings, WorkspaceSettings
from wsdash.errors import WsdashError
from wsdash.review.doctor.finding import Finding
from wsdash.stack.base import Stack
from wsdash.stack.compose import compose_command, described_services
from wsdash.stack.docker.stack import DockerStack

COMMAND, IMAGES = "compose command", "images of the new stack"


async def compose_files(settings: Settings) -> list[Finding]:
    """Findings about the compose command and every file that the settings name; nothing without Docker.

    Asks no engine, and never raises for what is missing or cannot be read.
    """
    if settings.stack.engine != "docker":
        return []
    try:
        command = await compose_command()
        found = [Finding(COMMAND, True, shlex.join(command))]
    except WsdashError as error:
        command = []
        found = [Finding(COMMAND, False, error.what, error.remedy, "docker compose version")]
    apps, workspace = settings.stack.apps, settings.stack.workspace
    # the old containers are there already: without their file they are stopped and started all the same
    base = Path(settings.directory)
    found += await _group("stack.apps", apps, command, base, needed=False)
    return found + await _group("stack.workspace", workspace, command, base, needed=True)


async def _group(
    key: str, group: AppsSettings | WorkspaceSettings, command: Sequence[str], base: Path, *, needed: bool
) -> list[Finding]:
    missing = [
        Finding(f"compose file {name}", well, _absent(file, base), remedy)
        for name, file, well, remedy in _named(key, group, needed)
        if not await asyncio.to_thread(Path(file).is_file)
    ]
    if missing or not command:
        return missing
    name, files = f"compose file {key}.file", (group.file, *group.overrides)
    try:
        described = await described_services(command, files, group.containers)
    except WsdashError as error:
        return [Finding(name, False, f"{error.where}: {error.what}", error.remedy, _config(command, files))]
    unknown = [container for container in group.containers if container not in described]
    seen = f"{', '.join(files)}: {len(described)} services"
    if not unknown:
        return [Finding(name, True, seen)]
    remedy = f"correct {key}.containers or the file: what it does not describe is never created"
    return [
        Finding(
            name,
            False if needed else None,
            f"{seen}, none of them {', '.join(unknown)}",
            remedy,
            _config(command, files),
        )
    ]


def _named(
    key: str, group: AppsSettings | WorkspaceSettings, needed: bool
) -> list[tuple[str, str, bool | None, str]]:
    """(setting, file, how it is when the file is missing, what to do then) for every file of a group."""
    purpose = (
        "item start-stack creates the containers from it" if needed else "containers that exist do without"
    )
    remedy = f"put it there, or correct {key}.file in wsdash.yaml; {purpose}"
    laid_over = f"put it there, or take it out of {key}.overrides in wsdash.yaml"
    return [
        (f"{key}.file", group.file, False if needed else None, remedy),
        *((f"{key}.overrides", file, False, laid_over) for file in group.overrides),
    ]


def _absent(file: str, base: Path) -> str:
    if not file:
        return "no file is named"
    said = f"there is no file {file}"
    here = Path.cwd() / os.path.relpath(file, base)
    if str(here) != file and here.is_file():
        said += f", but {here}: a relative path counts from wsdash.yaml's own directory"
    return said


def _config(command: Sequence[str], files: Sequence[str]) -> str:
    return shlex.join([*command, *(word for file in files for word in ("-f", file)), "config"])


async def images(settings: Settings, stack: Stack) -> list[Finding]:
    """Which images of the new stack the engine has, and what makes those that it lacks.

    Nothing without Docker. What cannot be found out is unknown, with the reason.
    """
    if not isinstance(stack, DockerStack):
        return []
    try:
        here = await stack.images()
    except WsdashError as error:
        return [Finding(IMAGES, None, f"unknown: {error.what}", error.remedy)]
    lacking = sorted(image for image, present in here.items() if not present)
    if not lacking:
        return [Finding(IMAGES, True, "present: " + ", ".join(sorted(here)))]
    command = settings.stack.workspace.build_command
    if command:
        how = f"stack.workspace.build_command ({shlex.join(command)})"
    else:
        how = "compose: what its file builds is built, the rest is pulled"
    remedy = f"item neon-image gets them by {how}; do it before the night, it may take long"
    more = "; ".join(f"docker image inspect {shlex.quote(image)}" for image in lacking)
    return [Finding(IMAGES, None, "missing: " + ", ".join(lacking), remedy, more)]
