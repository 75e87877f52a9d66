"""What the engine says of each container: asked again when an event names it, and in turn anyway.

Which container of the engine is meant by a name of the settings is decided here.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsdash.config import StackSettings
from wsdash.errors import UnreachableError, WsdashError
from wsdash.stack.base import together
from wsdash.stack.compose import ComposeService, compose_command, described_services
from wsdash.stack.docker.client import DockerClient
from wsdash.stack.limits import AGAIN_SECONDS, ANSWER_SECONDS, LEARN_SECONDS

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


ROUNDS = 10
"""While events come, a container that none names is asked about once in so many readings."""


@dataclass
class _Known:
    """The last answer, None when there is no such container; at: monotonic, -inf before the first one."""

    inspected: dict[str, Any] | None = None
    at: float = float("-inf")
    dirty: bool = True
    ended_with: int | None = None
    trouble: WsdashError | None = None
    touched: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Inspected:
    """An answer and how long ago it was given; silent: the engine was asked since and said nothing.

    ended_with: the exit code of the newest end that an event reported. trouble: why the newest answer about
    this one container cannot be used, '' where it can.
    """

    inspected: dict[str, Any] | None
    age: float
    silent: bool
    ended_with: int | None = None
    trouble: str = ""


class Inspections:
    """The containers by name. Nothing is remembered between readings unless events are being followed."""

    def __init__(
        self,
        inspect: Callable[[str], Awaitable[dict[str, Any] | None]],
        names: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """inspect: asks the engine about a container by name; None when there is none."""
        self._inspect = inspect
        self._known = {name: _Known() for name in names}
        self._clock = clock
        self.following = False
        """Events are being followed: what no event named has not changed."""

    def touch(self, name: str, ended_with: int | None = None) -> bool:
        """An event named it, and may have said how a run of it ended. False when it is none of ours."""
        known = self._known.get(name)
        if known is None:
            return False
        known.ended_with = known.ended_with if ended_with is None else ended_with
        known.dirty = True
        known.touched.set()
        return True

    def touch_all(self) -> None:
        """Nothing is certain any more."""
        for name, known in self._known.items():
            known.ended_with = None  # a later end may have been missed
            self.touch(name)

    async def wait(self, name: str, seconds: float) -> None:
        """Return when an event has named the container since the last wait, or after that time."""
        known = self._known[name]
        try:
            async with asyncio.timeout(seconds):
                await known.touched.wait()
        except TimeoutError:
            pass
        known.touched.clear()

    async def current(self) -> dict[str, Inspected]:
        """All containers as they are now.

        Raises UnreachableError, and another WsdashError when no answer about any of them can be used.
        """
        due = self._due()
        # who answered is what the answers say: an event may make any of them out of date again meanwhile
        answered = dict(zip(due, await together(self._ask(name) for name in due), strict=True))
        if due and not any(answered.values()):
            raise UnreachableError(
                f"the Docker engine says nothing about its containers for {ANSWER_SECONDS:g} s",
                where=", ".join(due),
                remedy="`docker ps` shows whether it answers at all; then see its own log",
            )
        troubles = [known.trouble for known in self._known.values()]
        if all(troubles) and troubles[0] is not None:
            raise troubles[0]
        now = self._clock()
        return {
            name: Inspected(
                known.inspected,
                now - known.at,
                not answered.get(name, True),
                known.ended_with,
                known.trouble.what if known.trouble is not None else "",
            )
            for name, known in self._known.items()
        }

    def _due(self) -> list[str]:
        if not self.following:
            return list(self._known)
        dirty = [name for name, known in self._known.items() if known.dirty]
        oldest = sorted((n for n in self._known if n not in dirty), key=lambda n: self._known[n].at)
        # at least one is asked about in every reading: the engine must be seen to answer
        return dirty + oldest[: -(-len(self._known) // ROUNDS)]

    async def _ask(self, name: str) -> bool:
        """Whether the engine answered in time."""
        known = self._known[name]
        known.dirty = False  # before asking: an event that comes meanwhile counts
        try:
            async with asyncio.timeout(ANSWER_SECONDS) as limit:
                known.inspected = await self._inspect(name)
        except TimeoutError:
            known.dirty = True
            if not limit.expired():
                raise
            return False
        except BaseException as error:
            if isinstance(error, WsdashError) and not isinstance(error, UnreachableError):
                # what is wrong with one container hides no other
                known.trouble = error
                return True
            known.dirty = True
            raise
        known.at, known.trouble = self._clock(), None
        return True
