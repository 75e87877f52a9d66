"""Which container of the engine is meant by a name of the settings."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from wsdash.config import StackSettings
from wsdash.errors import WsdashError
from wsdash.stack.compose import ComposeService, compose_command, described_services
from wsdash.stack.docker.client import DockerClient
from wsdash.stack.limits import AGAIN_SECONDS, LEARN_SECONDS

_PROJECT = "com.docker.compose.project.working_dir"
_SERVICE = "com.docker.compose.service"
_NUMBER = "com.docker.compose.container-number"
_DIGITS = 10


class ComposeNames:
    """The settings' names, the compose files' services, and the engine's containers, brought together.

    A container is called as the settings say. Where its compose file fixes no container_name, compose makes
    one of its own, which differs between versions and projects: then the container is found by the labels
    that compose gives it, service and project directory.
    """

    def __init__(
        self, client: DockerClient, settings: StackSettings, secrets: frozenset[str] = frozenset()
    ) -> None:
        self._client = client
        self._secrets = secrets
        self._groups = (settings.apps, settings.workspace)
        self._services: dict[str, ComposeService] = {}
        self._known = False
        self._asked = float("-inf")
        self._learning: asyncio.Task[None] | None = None

    async def described(self) -> dict[str, ComposeService]:
        """What the compose files say now, by name; a file that is not there says nothing.

        Raises InputError with compose's words, WsdashError when there is no compose command.
        """
        found: dict[str, ComposeService] = {}
        command: list[str] = []
        for group in self._groups:
            if await asyncio.to_thread(Path(group.file).exists):
                command = command or await compose_command()
                files = (group.file, *group.overrides)
                found |= await described_services(command, files, group.containers, self._secrets)
        self._services, self._known = found, True
        return found

    async def learn(self) -> bool:
        """Have the files read once, for containers that are not found under their names; True: now they are.

        Returns after LEARN_SECONDS at the latest. What goes wrong is not raised: whoever acts gets the
        reason.
        """
        if self._known:
            return False
        if self._learning is None and time.monotonic() - self._asked > AGAIN_SECONDS:
            self._asked = time.monotonic()
            self._learning = asyncio.create_task(self._learn())
        if self._learning is not None:
            await asyncio.wait((self._learning,), timeout=LEARN_SECONDS)
        return self._known

    async def remembered(self) -> dict[str, ComposeService]:
        """What the files said when they were last read, or say now; nothing where they cannot be read."""
        if not self._known:
            await self.learn()
        return self._services

    async def close(self) -> None:
        """End what runs in the background."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.wait((self._learning,))

    async def _learn(self) -> None:
        try:
            with suppress(WsdashError):
                await self.described()
        finally:
            self._learning = None

    async def inspect(self, name: str) -> dict[str, Any] | None:
        """What the engine says of the container; None when there is none. Raises as DockerClient.get."""
        service = self._services.get(name)
        identity = await self._labelled(service) if service is not None and not service.container else name
        return await self._client.get(f"containers/{identity}/json") if identity else None

    def labelled(self, name: str) -> bool:
        """Its container is known by labels, not by its name."""
        service = self._services.get(name)
        return service is not None and not service.container

    def called(self, attributes: Mapping[str, str]) -> tuple[str, ...]:
        """The names that an event's attributes may be about, the container's former one too."""
        found = [attributes.get("name"), attributes.get("oldName")]
        service = attributes.get(_SERVICE)
        found += [
            name for name, one in self._services.items() if one.service == service and not one.container
        ]
        return tuple(str(name).removeprefix("/") for name in found if name)

    async def _labelled(self, service: ComposeService) -> str:
        """The id of the container that compose made for a service of this project; '' when there is none."""
        wanted = json.dumps({"label": [f"{_SERVICE}={service.service}"]})
        listed = await self._client.get("containers/json", {"all": "1", "filters": wanted}) or []
        ours = [one for one in listed if _is_of(one, service)]
        first = min(ours, key=_number, default=None)
        return str(first["Id"]) if first else ""


def _is_of(container: Mapping[str, Any], service: ComposeService) -> bool:
    """Made for the service of this very project, and not by `compose run`."""
    directory = os.path.normpath(_label(container, _PROJECT))
    return directory == service.directory and _label(container, "com.docker.compose.oneoff") != "True"


def _number(container: Mapping[str, Any]) -> int:
    """Which of a service's containers it is, as compose counts them; whoever makes one may write anything."""
    label = _label(container, _NUMBER)
    return int(label) if len(label) < _DIGITS and label.isdecimal() else 0


def _label(container: Mapping[str, Any], key: str) -> str:
    return str((container.get("Labels") or {}).get(key) or "")
