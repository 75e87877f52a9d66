"""Events and stats of the engine, followed: they say what changed, and what each container uses."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from wsdash.errors import WsdashError
from wsdash.outside import DocumentError, read_json
from wsdash.stack.docker.client import DockerClient
from wsdash.stack.docker.inspect import Inspections
from wsdash.stack.limits import STALE_SECONDS
from wsdash.tasks import task_group

EVENTS = (
    *("create", "start", "die", "oom", "stop", "restart", "pause", "unpause"),
    *("rename", "destroy", "health_status", "update"),
)
"""Events after which a container may look different. Health checks' own exec_* events are left out: they come
with every check."""


_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_SILENCE = 10.0


def attributes_of(event: bytes) -> dict[str, str]:
    """What the event says of the container it is about: its name and labels. Nothing for what is no event."""
    try:
        found = read_json(event)["Actor"]["Attributes"]
    except (DocumentError, LookupError, TypeError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def ended_with(event: bytes) -> int | None:
    """The exit code that a container's end tells; None for every other event.

    On a newer engine (seen with 26.1) a reading that this event wakes comes too late to see the end: during
    `docker restart` the engine answers it only when the container runs again.
    """
    try:
        parsed = read_json(event)
        return int(parsed["Actor"]["Attributes"]["exitCode"]) if parsed["Action"] == "die" else None
    except (DocumentError, LookupError, TypeError, ValueError):
        return None


class EventFollower:
    """The engine's events about containers, for ever: after a break everything counts as changed."""

    def __init__(
        self,
        client: DockerClient,
        inspections: Inspections,
        called: Callable[[Mapping[str, str]], Iterable[str]],
    ) -> None:
        """called: the names of the settings that an event's attributes may be about."""
        self._client = client
        self._inspections = inspections
        self._called = called
        self._pause = _FIRST_PAUSE

    async def run(self, changed: Callable[[], object]) -> None:
        """Follow until cancelled; calls changed for every event about one of our containers."""
        wanted = json.dumps({"type": ["container"], "event": list(EVENTS)})

        def subscribed() -> None:
            self._pause = _FIRST_PAUSE
            self._inspections.following = True
            self._inspections.touch_all()
            changed()

        while True:
            try:
                events = self._client.each_line("events", {"filters": wanted}, opened=subscribed)
                async with aclosing(events):
                    async for event in events:
                        code = ended_with(event)
                        named = self._called(attributes_of(event))
                        touched = {self._inspections.touch(name, code) for name in named}
                        if True in touched:
                            changed()
            except WsdashError:
                pass  # the readings say that the engine is gone
            finally:
                followed, self._inspections.following = self._inspections.following, False
            if followed:
                self._inspections.touch_all()
                changed()
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)


class StatsFollower:
    """The newest stats of each running container, each from a stream of its own.

    A stream a container, not a question a second: the engine measures once a second for all who listen, sends
    the sample before along (so CPU is exactly that of `docker stats`), and one that is slow holds up only
    itself. With an interface before 1.41 a single question would take one to two seconds.
    """

    def __init__(self, client: DockerClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._newest: dict[str, tuple[float, dict[str, Any]]] = {}
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Own the streams until cancelled."""
        try:
            async with task_group() as self._group:
                await asyncio.Event().wait()
        finally:
            self._group = None
            self._streams.clear()

    def want(self, running: Mapping[str, str]) -> None:
        """Follow these containers (id by name) and no others."""
        for instance in set(self._streams) - set(running.values()):
            self._streams.pop(instance).cancel()
            self._newest.pop(instance, None)
        for instance in running.values():
            if self._group is not None and instance not in self._streams:
                self._streams[instance] = self._group.create_task(self._follow(instance))

    def newest(self, instance: str) -> dict[str, Any]:
        """The stats of a container by id; {} when there are none from just now."""
        at, stats = self._newest.get(instance, (float("-inf"), {}))
        return stats if self._clock() - at <= STALE_SECONDS else {}

    async def _follow(self, instance: str) -> None:
        try:
            path = f"containers/{instance}/stats"
            lines = self._client.each_line(path, {"stream": "1"}, silence=_SILENCE)
            async with aclosing(lines):
                async for line in lines:
                    self._newest[instance] = (self._clock(), read_json(line, dict[str, Any]))
        except (WsdashError, DocumentError):
            pass
        finally:
            self._newest.pop(instance, None)
        await asyncio.sleep(_LONGEST_PAUSE)
        self._streams.pop(instance, None)  # the next reading takes it up again
