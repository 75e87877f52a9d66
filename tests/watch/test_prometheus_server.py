"""A real Prometheus on the rendered files: it sees every target up, and an alert fires when one goes."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp.test_utils import TestServer

from tests.support.prometheus import firing, health, hurry, program, prometheus, until
from tests.support.servers import free_port
from tests.watch.support import settings_of
from wsdash.config import ApiSettings, EndpointSettings, MetricsSettings, shipped
from wsdash.demo.api.server import Database, create_app
from wsdash.demo.standins.storage import create_app as create_standin
from wsdash.engine.background.exporter import Exporter
from wsdash.engine.background.exposition import Exposition, MeasuredAlerts
from wsdash.engine.options import MetricsAddress
from wsdash.model import LatencyReading, Recorded
from wsdash.plan import load_plan
from wsdash.watch.monitoring import render_monitoring
from wsdash.watch.world import rules_of

PATIENCE = 25.0


async def test_a_real_prometheus_sees_the_stack_and_an_alert_fires(tmp_path: Path) -> None:
    program()
    async with AsyncExitStack() as stack:
        nodes = {}
        for node in ("pageserver", "safekeeper"):
            server = TestServer(create_standin(node, "127.0.0.1", free_port(), tmp_path / node))
            await server.start_server()
            stack.push_async_callback(server.close)
            nodes[node] = server
        api = TestServer(create_app("new", Database("127.0.0.1", free_port(), "none", "none", "none")))
        await api.start_server()
        stack.push_async_callback(api.close)
        own = MetricsAddress(free_port())
        settings = settings_of(
            tmp_path,
            api=ApiSettings("http://localhost:1", f"http://127.0.0.1:{api.port}", "http://localhost:1"),
            endpoints=EndpointSettings(
                "localhost:1",
                f"http://127.0.0.1:{nodes['pageserver'].port}",
                "localhost:1",
                f"http://127.0.0.1:{nodes['safekeeper'].port}",
            ),
            metrics=MetricsSettings(f"http://127.0.0.1:{own.port}"),
        )
        exposition = Exposition(load_plan(), measured=MeasuredAlerts(rules_of(settings)))
        seen = itertools.count(1)

        def probed(seconds: float | None) -> None:
            exposition.see(Recorded(next(seen), time.time(), LatencyReading("target-db", seconds)))

        probed(0.01)
        exporter = Exporter(exposition, time.time, tmp_path)
        await exporter.open(own)
        stack.push_async_callback(exporter.close)
        out = tmp_path / "out"
        render_monitoring(settings, shipped("config", "monitoring"), out)
        hurry(out)
        base = await stack.enter_async_context(prometheus(out / "prometheus-scrape.yml", tmp_path / "tsdb"))
        async with asyncio.timeout(PATIENCE):
            up = dict.fromkeys(("workspace-api", "pageserver", "safekeeper", "wsdash"), "up")

            async def all_up() -> bool:
                return await health(base) == up

            def tells(alert: str) -> Callable[[], Awaitable[bool]]:
                async def told() -> bool:
                    return alert in await firing(base)

                return told

            async def nothing_fires() -> bool:  # while a busy machine starts, wsdash may be found down once
                return await firing(base) == set()

            await until(all_up)
            await until(nothing_fires)
            # Prometheus does not reach the compute, wsdash does
            probed(None)
            await until(tells("WorkspaceTargetDown"))
            await exporter.close()
            await nodes["pageserver"].close()
            await until(tells("WorkspaceTargetDownWithoutWsdash"))
            assert "WorkspaceTargetDown" in await firing(base)
