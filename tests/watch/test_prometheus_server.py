"""A real Prometheus on the rendered files: it sees every target up, and an alert fires when one goes."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from tests.support.servers import free_port
from tests.watch.support import settings_of
from wsdash.config import ApiSettings, EndpointSettings, shipped
from wsdash.demo.api import Database, create_app
from wsdash.demo.storage_standin import create_app as create_standin
from wsdash.watch.monitoring import render_monitoring

PATIENCE = 25.0


def program() -> str:
    found = shutil.which("prometheus")
    if found is None:
        assert not os.environ.get("WSDASH_REQUIRE_PROMETHEUS"), "prometheus is required here and is missing"
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    return found


@asynccontextmanager
async def prometheus(config: Path, data: Path) -> AsyncIterator[str]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program(),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def asked(base: str, path: str) -> Any:
    try:
        async with aiohttp.ClientSession() as session, session.get(base + path) as answer:
            return (await answer.json())["data"] if answer.status == 200 else None
    except (OSError, aiohttp.ClientError):
        return None


async def health(base: str) -> dict[str, str]:
    seen = await asked(base, "/api/v1/targets")
    return {one["labels"]["job"]: one["health"] for one in seen["activeTargets"]} if seen else {}


async def firing(base: str) -> set[str]:
    seen = await asked(base, "/api/v1/alerts")
    alerts = seen["alerts"] if seen else []
    return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again: Prometheus tells nobody when it has seen something."""
    while not await done():  # noqa: ASYNC110
        await asyncio.sleep(0.2)


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
        settings = settings_of(
            tmp_path,
            api=ApiSettings("http://localhost:1", f"http://127.0.0.1:{api.port}", "http://localhost:1"),
            endpoints=EndpointSettings(
                "localhost:1",
                f"http://127.0.0.1:{nodes['pageserver'].port}",
                "localhost:1",
                f"http://127.0.0.1:{nodes['safekeeper'].port}",
            ),
        )
        out = tmp_path / "out"
        render_monitoring(settings, shipped("config", "monitoring"), out)
        for name, long, short in (
            ("prometheus-scrape.yml", ": 15s", ": 1s"),
            ("prometheus-rules.yml", "for: 1m", "for: 1s"),
        ):
            text = (out / name).read_text()
            assert long in text
            (out / name).write_text(text.replace(long, short))
        base = await stack.enter_async_context(prometheus(out / "prometheus-scrape.yml", tmp_path / "tsdb"))
        async with asyncio.timeout(PATIENCE):
            up = dict.fromkeys(("workspace-api", "pageserver", "safekeeper"), "up")

            async def all_up() -> bool:
                return await health(base) == up

            async def told() -> bool:
                return "WorkspaceTargetDown" in await firing(base)

            await until(all_up)
            assert not await told()
            await nodes["pageserver"].close()
            await until(told)
