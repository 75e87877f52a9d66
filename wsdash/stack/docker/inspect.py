"""What the engine says of each container: asked again when an event names it, and in turn anyway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from wsdash.errors import UnreachableError, WsdashError
from wsdash.stack.limits import ANSWER_SECONDS
from wsdash.stack.order import together

ROUNDS = 5
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
