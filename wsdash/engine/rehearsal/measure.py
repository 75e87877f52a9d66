"""How much memory and disk the new stack takes while it is rehearsed."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from wsdash.config import Settings
from wsdash.data.pg.connect import connection
from wsdash.data.pg.transfer import server_words
from wsdash.engine.limits import MEASURE_EVERY_SECONDS, MEASURE_TIMEOUT
from wsdash.errors import WsdashError
from wsdash.model import ResourceUse
from wsdash.stack.base import Stack
from wsdash.steps.base import endpoint

LOCAL = ("localhost", "127.0.0.1", "::1")


class ResourceMeter:
    """Reads the containers' memory once a second while it runs, and the database's size when it is asked."""

    def __init__(self, settings: Settings, stack: Stack, state: Path) -> None:
        self._settings = settings
        self._stack = stack
        self._state = state
        self._memory = 0
        self._database = 0

    async def run(self) -> None:
        """For ever; a reading that fails is left out."""
        names = self._settings.stack.workspace.containers
        while True:
            with suppress(WsdashError):
                readings = await self._stack.readings()
                used = sum(one.memory_bytes or 0 for one in readings if one.name in names)
                self._memory = max(self._memory, used)
            await asyncio.sleep(MEASURE_EVERY_SECONDS)

    async def weigh_database(self) -> None:
        """Read how large the target's database is with all its rows. Raises UnreachableError, WsdashError."""
        target = endpoint(self._settings.target)
        async with connection(target, read_only=True) as conn:
            with server_words(target, "reading the database's size", "then retry"):
                size = await conn.fetchval(
                    "SELECT pg_database_size(current_database())", timeout=MEASURE_TIMEOUT
                )
        self._database = max(self._database, size)

    async def uses(self) -> tuple[ResourceUse, ...]:
        """What was seen so far; what was not read is left out."""
        uses = []
        if self._memory:
            limit = self._settings.thresholds.stack_memory_bytes
            uses.append(ResourceUse("memory of the new stack", self._memory, limit))
        if self._database:
            free = None
            if self._settings.target.host in LOCAL:
                free = (await asyncio.to_thread(shutil.disk_usage, self._state)).free + self._database
            uses.append(ResourceUse("disk of the new database", self._database, free))
        return tuple(uses)
