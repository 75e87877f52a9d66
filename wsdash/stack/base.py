"""The small protocol behind which containers live, be it a Docker engine or supervised local processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from typing import Protocol

from wsdash.model import ContainerReading, LogLine

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

    async def stop(self, names: list[str], output: OutputSink) -> None:
        """Stop containers, dependents first, each gracefully (SIGTERM, then SIGKILL after its grace period).

        Returns when their processes are gone and their ports are free. Stopping a stopped one is no error.
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
