"""A real Prometheus on the rendered files, and what it answers."""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.servers import free_port


def program() -> str:
    """The server's program; the test is skipped without it, and fails where it was promised."""
    found = shutil.which("prometheus")
    if found is None:
        assert not os.environ.get("WSDASH_REQUIRE_PROMETHEUS"), "prometheus is required here and is missing"
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    return found


@asynccontextmanager
async def prometheus(config: Path, data: Path) -> AsyncIterator[str]:
    """A Prometheus for the length of a block; its base URL."""
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
        await asyncio.wait_for(process.wait(), 90)


async def asked(base: str, path: str, **parameters: str) -> Any:
    """The data of an answer of its API; None while there is none."""
    try:
        async with aiohttp.ClientSession() as session, session.get(base + path, params=parameters) as answer:
            return (await answer.json())["data"] if answer.status == 200 else None
    except (OSError, aiohttp.ClientError):
        return None


async def health(base: str) -> dict[str, str]:
    """Job -> up, down or unknown."""
    seen = await asked(base, "/api/v1/targets")
    return {one["labels"]["job"]: one["health"] for one in seen["activeTargets"]} if seen else {}


async def firing(base: str) -> set[str]:
    """The names of the alerts that fire."""
    seen = await asked(base, "/api/v1/alerts")
    alerts = seen["alerts"] if seen else []
    return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again: Prometheus tells nobody when it has seen something."""
    while not await done():  # noqa: ASYNC110
        await asyncio.sleep(0.2)


async def numbers(base: str, expression: str) -> list[float]:
    """What an expression is now: one number for each series that has one, none for NaN."""
    seen = await asked(base, "/api/v1/query", query=expression)
    found = [float(one["value"][1]) for one in seen["result"]] if seen else []
    return [number for number in found if math.isfinite(number)]


def hurry(rendered: Path) -> None:
    """Ask every second, and let alerts fire after one: a test does not wait for minutes."""
    patterns = {
        "prometheus-scrape.yml": r"(_interval): \d+s",
        "prometheus-rules.yml": r"(\binterval|for): \d+[sm]",
    }
    for name, pattern in patterns.items():
        text, count = re.subn(pattern, r"\1: 1s", (rendered / name).read_text())
        assert count
        (rendered / name).write_text(text)
