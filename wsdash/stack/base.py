"""The small protocol behind which containers live, be it a Docker engine or supervised local processes.

With what its implementations share: the order of dependencies, side by side where that is allowed, and
whether ports are free again.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any, Protocol, TypeVar

from wsdash.errors import WsdashError
from wsdash.model import ContainerReading, LogLine
from wsdash.stack.limits import PORT_POLL_SECONDS
from wsdash.tasks import task_group

OutputSink = Callable[[str], None]
"""Takes one line of a command's output, for the logs pane."""


class Stack(Protocol):
    """Containers by name. Groups are 'apps' (the old world) and 'workspace' (the new stack).

    Every method has its own timeout and raises UnreachableError when the engine does not answer.
    """

    async def readings(self) -> list[ContainerReading]:
        """All containers of both groups as they are now, with CPU and memory where running."""
        ...

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        """Start containers in dependency order, waiting for the health of each before its dependents start.
        Those in `unready` need only have been started: their health waits for something that comes later.

        Raises WsdashError naming the container, its last health output and the command that shows more,
        when one exits or is not healthy within its start period. Starting a running container is no error.
        """
        ...

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        """Stop containers, dependents first, each gracefully (SIGTERM, then SIGKILL after its grace period).

        Returns when their processes are gone and their ports are free; handed_on: another service that was
        started takes the ports, and may have them by then. Stopping a stopped one is no error.
        """
        ...

    async def restart(self, name: str, output: OutputSink) -> None:
        """Stop one container gracefully and start it again, its dependents left alone; returns when it is
        healthy. One that is stopped or paused runs afterwards.

        Raises WsdashError as start does, and when there is no such container.
        """
        ...

    async def publishers(self) -> dict[int, str]:
        """Port of this machine -> name of the running container that publishes it, ours or anybody's."""
        ...

    async def images(self) -> dict[str, bool]:
        """Image (or program) of each container of the workspace group -> whether it is present here."""
        ...

    async def fetch_images(self, output: OutputSink) -> None:
        """Get the missing images of the workspace group: by the operator's own build command where one is
        configured, else by pulling them. Raises WsdashError naming what is missing and how to get it.
        """
        ...

    async def execute(self, name: str, argv: list[str], timeout: float) -> str:
        """Run a command inside a container: only for what no network connection reaches. What it printed.

        Raises WsdashError with its last words when it fails or takes longer than `timeout` seconds.
        """
        ...

    async def watch(self, changed: Callable[[], object]) -> None:
        """Until cancelled: keep what readings tell fresh, and call changed when they are out of date.

        Returns at once where there is nothing to follow: then readings are news only when they are asked for.
        Without it readings may lack CPU, memory and network.
        """
        ...

    def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        """Lines of all containers from `since` (seconds since the epoch) on, for ever, across restarts,
        without loss or repetition."""
        ...

    async def close(self) -> None:
        """Let go of connections; the containers go on."""
        ...


_T = TypeVar("_T")


def with_needs(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The names and all that they need, directly or not."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting.extend(needs.get(name, ()))
    return list(found)


async def in_order(
    names: Sequence[str], after: Mapping[str, Sequence[str]], act: Callable[[str], Awaitable[None]]
) -> None:
    """act(name) for each, once it is done for the names that come before it in `after`.

    The first failure cancels the rest and is raised. `after` must hold no circle among the names.
    """
    done = {name: asyncio.Event() for name in names}

    async def one(name: str) -> None:
        for needed in after.get(name, ()):
            if needed in done:
                await done[needed].wait()
        await act(name)
        done[name].set()

    async with task_group() as tasks:
        for name in done:
            tasks.create_task(one(name))


async def together(works: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results, side by side; the first failure cancels the rest and is raised."""
    async with task_group() as tasks:
        running = [tasks.create_task(work) for work in works]
    return [task.result() for task in running]


def is_port_free(port: int) -> bool:
    """Nobody listens on that TCP port of this machine; connections still closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def ports_still_taken(ports: Iterable[int], timeout: float) -> list[int]:
    """Wait until all are free; those that are not after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    taken = list(ports)
    while taken := [port for port in taken if not is_port_free(port)]:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(PORT_POLL_SECONDS)
    return taken


def tell_stopped(name: str, taken: Sequence[int], output: OutputSink) -> None:
    """Say that a service is stopped. taken: its ports that are not free. Raises WsdashError when one is."""
    if taken:
        raise WsdashError(
            f"{name} is stopped, but port {taken[0]} is still taken by another process",
            where=f"port {taken[0]}",
            remedy="find that process (wsdash doctor names it), stop it, then retry",
        )
    output(f"stopped {name}")
