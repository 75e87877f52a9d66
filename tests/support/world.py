"""The embedded world as a test's playground: SQL on both sides, its containers, its API."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.support.program import Program
from wsdash.config import Settings, load_settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.model import ContainerReading
from wsdash.stack.factory import open_stack
from wsdash.steps.base import endpoint


@dataclass
class World:
    """A built world and the program that works on it."""

    program: Program

    @property
    def settings(self) -> Settings:
        return load_settings(self.program.state / "world" / "config")

    def source(self, sql: str) -> Any:
        """Run SQL on the source; the first value."""
        return asyncio.run(_value(endpoint(self.settings.source), sql))

    def target(self, sql: str) -> Any:
        """Run SQL on the target; the first value."""
        return asyncio.run(_value(endpoint(self.settings.target), sql))

    def containers(self) -> dict[str, ContainerReading]:
        """What runs, by name."""

        async def read() -> list[ContainerReading]:
            stack = open_stack(self.settings)
            try:
                return await stack.readings()
            finally:
                await stack.close()

        return {reading.name: reading for reading in asyncio.run(read())}

    def stop(self, name: str) -> None:
        """Stop a container."""
        asyncio.run(self._stack("stop", name))

    def start(self, name: str) -> None:
        """Start a container."""
        asyncio.run(self._stack("start", name))

    async def _stack(self, do: str, name: str) -> None:
        stack = open_stack(self.settings)
        try:
            await getattr(stack, do)([name], lambda _: None)
        finally:
            await stack.close()

    def get(self, base: str, path: str) -> tuple[int, Any]:
        """Status and JSON body of a GET; (0, None) when nobody answers."""
        try:
            with urllib.request.urlopen(base + path, timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, None
        except OSError:
            return 0, None


async def _value(side: Endpoint, sql: str) -> Any:
    async with connection(side, read_only=False) as session:
        return (
            await session.fetchval(sql)
            if sql.lstrip().lower().startswith("select")
            else await session.execute(sql)
        )
