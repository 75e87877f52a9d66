"""How long a dump or a restore may take, and how its failures are described."""

from __future__ import annotations

import asyncio

import asyncpg

from wsdash.data.limits import STALL_SECONDS
from wsdash.data.pg.connect import Endpoint
from wsdash.data.pg.errors import ServerErrors


def server_errors(server: Endpoint | asyncpg.Connection, doing: str) -> ServerErrors:
    """ServerErrors for a backup or a restore, which leave nothing half done."""
    return ServerErrors(server, doing, "then retry; nothing half was left behind")


class Watchdog:
    """Ends a transfer that makes no progress: raises TimeoutError after STALL_SECONDS without any."""

    def __init__(self) -> None:
        self._seconds = STALL_SECONDS
        self._timeout = asyncio.timeout(self._seconds)

    async def __aenter__(self) -> Watchdog:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._timeout.__aexit__(*details)  # type: ignore[arg-type]

    def alive(self) -> None:
        """Something moved: wait another full period."""
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)
