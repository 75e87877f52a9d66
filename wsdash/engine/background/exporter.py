"""`/metrics` of wsdash itself: GET of that page in Prometheus' text format, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from wsdash.engine.background.exposition import Exposition
from wsdash.engine.limits import END_SECONDS, PAGE_SECONDS
from wsdash.engine.options import MetricsAddress
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader, StoreSize
from wsdash.history.store import FILE


class _Page(Collector):
    """Asked for each page, so that a page tells of the moment at which it was asked for."""

    def __init__(self, exposition: Exposition, now: Callable[[], float], history: HistoryReader) -> None:
        self._exposition, self._now, self._history = exposition, now, history

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry is private, and no name can be given twice."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Every family. Blocks for I/O."""
        yield from self._exposition.families(self._now(), self._size())

    def _size(self) -> StoreSize | None:
        try:
            return self._history.size(self._now())
        except InputError:  # the writer reports a damaged history; the rest of the page is as good as ever
            return None


class Exporter:
    """Serves the page while it is open. now: the run's time, epoch seconds."""

    def __init__(self, exposition: Exposition, now: Callable[[], float], state: Path) -> None:
        self._history = HistoryReader(state / FILE)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Page(exposition, now, self._history))
        application = web.Application()
        application.router.add_get("/metrics", self._answer, allow_head=False)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=END_SECONDS)

    async def open(self, address: MetricsAddress) -> None:
        """Listen. Raises InputError when the address cannot be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, address.host, address.port).start()
        except OSError as error:
            await self.close()
            raise InputError(
                f"the metrics cannot be served: {error.strerror or error}",
                where=f"--metrics-port {address.port}, on {address.host}",
                remedy="name a free port, and an address of this machine",
            ) from error

    async def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._runner.cleanup(), 2 * END_SECONDS)
        await asyncio.to_thread(self._history.close)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            page = await asyncio.wait_for(asyncio.to_thread(generate_latest, self._registry), PAGE_SECONDS)
        except TimeoutError:
            return web.Response(status=503, text="the page took too long\n")
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})
