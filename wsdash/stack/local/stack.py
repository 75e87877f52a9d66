"""Supervised local processes as a stack: the embedded world's containers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection
from pathlib import Path

from wsdash.errors import UnreachableError, WsdashError
from wsdash.model import ContainerReading, LogLine
from wsdash.model.ports import PortPlan
from wsdash.stack.base import OutputSink, in_order, ports_still_taken, tell_stopped, with_needs
from wsdash.stack.limits import (
    LOCAL_POLL_SECONDS,
    LOCAL_RECONNECT_SECONDS,
    LOCAL_STOP_MARGIN_SECONDS,
    PORTS_SECONDS,
    START_SECONDS,
)
from wsdash.stack.local.client import ContainerDetail, ContainerView, SupervisorClient
from wsdash.stack.text import cause_of

_GROUPS = ("apps", "workspace")


class LocalStack:
    """base.Stack on the supervisor of `directory`. Using it renews the supervisor's lease.

    With read_only only GET requests are ever sent (so the lease is not renewed either), and start and stop
    raise RefusedError.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self._directory = directory
        self._client = SupervisorClient(directory, read_only=read_only)

    async def readings(self) -> list[ContainerReading]:
        """All services of both groups. Raises UnreachableError."""
        views = await self._views()
        return [view.reading for view in views.values() if view.reading.group in _GROUPS]

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        """Start services and what they need, each after the health of what it needs.

        Raises WsdashError with the last health output, the last log lines and the log's path when one ends
        or is not healthy within its start period; UnreachableError; RefusedError when read-only.
        """
        self._client.refuse_if_read_only()
        views = await self._views()
        self._known(names, views)
        needs = {name: view.depends_on for name, view in views.items()}

        async def start_one(name: str) -> None:
            before = views[name]
            if before.reading.state != "running":
                output(f"starting {name}")
            began = time.monotonic()
            after = await self._client.post(f"/containers/{name}/start", ContainerView, START_SECONDS)
            if name not in unready:
                await self._until_healthy(after, output)
            if before.reading.state != "running":
                output(f"{name} is up after {time.monotonic() - began:.1f} s")

        await in_order(with_needs(names, needs), needs, start_one)

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        """Stop services, dependents first; returns when their processes are gone and their ports free.

        Raises WsdashError when somebody else has taken a port; UnreachableError; RefusedError when read-only.
        """
        self._client.refuse_if_read_only()
        views = await self._views()
        self._known(names, views)
        dependents = {
            name: tuple(other for other in names if name in views[other].depends_on) for name in names
        }

        async def stop_one(name: str) -> None:
            before = views[name]
            timeout = before.grace_seconds + LOCAL_STOP_MARGIN_SECONDS
            await self._client.post(f"/containers/{name}/stop", ContainerView, timeout)
            if before.pid is None:
                return
            ports = () if handed_on else before.reading.ports
            taken = await ports_still_taken(ports, PORTS_SECONDS)
            tell_stopped(name, taken, output)

        await in_order(names, dependents, stop_one)

    async def restart(self, name: str, output: OutputSink) -> None:
        """As Stack promises. Raises RefusedError when read-only."""
        self._client.refuse_if_read_only()
        views = await self._views()
        self._known([name], views)
        output(f"restarting {name}")
        timeout = views[name].grace_seconds + LOCAL_STOP_MARGIN_SECONDS + START_SECONDS
        after = await self._client.post(f"/containers/{name}/restart", ContainerView, timeout)
        await self._until_healthy(after, output)

    async def publishers(self) -> dict[int, str]:
        """Port -> running service."""
        return {port: r.name for r in await self.readings() if r.state == "running" for port in r.ports}

    async def port_plan(self) -> PortPlan:
        """The supervised services listen on this machine's own address only."""
        return PortPlan(addresses={port: ("127.0.0.1",) for r in await self.readings() for port in r.ports})

    async def images(self) -> dict[str, bool]:
        """Program of each service of the workspace group -> whether it exists and answers."""
        return await self._client.get("/images", dict[str, bool])

    async def execute(self, name: str, argv: list[str], timeout: float) -> str:
        """A local process has no inside. Raises WsdashError."""
        raise WsdashError(
            f"{name} is a local process: nothing can be run inside it",
            where="stack.engine: local",
            remedy="set branching.open to database in wsdash.yaml",
        )

    async def fetch_images(self, output: OutputSink) -> None:
        """Programs cannot be fetched. Raises WsdashError naming those that are missing."""
        missing = sorted(name for name, present in (await self.images()).items() if not present)
        raise WsdashError(
            "programs of the new stack are missing: " + ", ".join(missing),
            where=str(self._directory),
            remedy="pip install 'wsdash[demo]', then retry",
        )

    async def watch(self, changed: Callable[[], object]) -> None:
        """Returns at once: the supervisor's readings are complete, and cheap to ask for every second."""

    async def follow_logs(self, since: float) -> AsyncGenerator[LogLine, None]:
        """Lines after `since`, for ever, each once, also across restarts of services and of the supervisor.

        Raises UnreachableError when no supervisor answers for 10 s; calling again with the last line's `at`
        goes on where it ended.
        """
        lost_at: float | None = None
        while True:
            try:
                async for line in self._client.log_lines(since):
                    since = line.at
                    yield line
            except UnreachableError:
                now = time.monotonic()
                lost_at = None if await self._answers() else lost_at or now
                if lost_at is not None and now - lost_at > LOCAL_RECONNECT_SECONDS:
                    raise
            await asyncio.sleep(LOCAL_POLL_SECONDS)

    async def close(self) -> None:
        """Let go of connections; the services go on."""
        await self._client.close()

    async def _answers(self) -> bool:
        try:
            await self._views()
        except UnreachableError:
            return False
        return True

    async def _views(self) -> dict[str, ContainerView]:
        views = await self._client.get("/containers", list[ContainerView])
        return {view.reading.name: view for view in views}

    def _known(self, names: list[str], views: dict[str, ContainerView]) -> None:
        for name in names:
            if name not in views:
                raise WsdashError(
                    f"there is no service {name}",
                    where=str(self._directory / "services.json"),
                    remedy="correct the container names in wsdash.yaml",
                )

    async def _until_healthy(self, started: ContainerView, output: OutputSink) -> None:
        name = started.reading.name
        deadline = time.monotonic() + started.start_period
        while True:
            detail = await self._client.get(f"/containers/{name}", ContainerDetail)
            now = detail.view.reading
            if now.state != "running" or now.restarts > started.reading.restarts:
                raise self._failed(detail, f"{name} ended while it was starting", output)
            if now.health in ("healthy", "none"):
                return
            if time.monotonic() > deadline:
                what = f"{name} is not healthy {started.start_period:g} s after its start"
                raise self._failed(detail, what, output)
            await asyncio.sleep(LOCAL_POLL_SECONDS)

    def _failed(self, detail: ContainerDetail, what: str, output: OutputSink) -> WsdashError:
        view = detail.view
        for line in detail.lines:
            output(f"{view.reading.name}: {line.text}")
        said = [said for said in (view.reading.detail, view.health_output) if said]
        # of one that runs on, the check says more than whatever it wrote last
        last = view.reading.state != "running" or not said
        cause = cause_of([line.text for line in detail.lines], or_last=last)
        parts = [f"{what}: {cause}" if cause else what, *dict.fromkeys(said)]
        return WsdashError(
            "; ".join(parts), where=view.reading.name, remedy=f"read its log (tail {view.log}), then retry"
        )
